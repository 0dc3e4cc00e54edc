import { nodeLabelerFinalizer } from '../../api/finalizers.ts'
import type { NodeView } from './node-view.ts'
import type { PodView } from './pod-view.ts'

const mostPods = 3
const mostFinalizers = 3
const maximumName = 80

const shorten = (name: string): string => (name.length > maximumName ? `${name.slice(0, maximumName)}…` : name)

/** The finalizers for which an object that is being deleted waits: at most three of them, none at any length. */
export const nameFinalizers = (finalizers: readonly string[]): string =>
  finalizers.slice(0, mostFinalizers).map(shorten).join(', ')

/** Why a device plugin or DRA pod is still there, as far as its object tells. */
function explainPod({ name, deleting, finalizers }: PodView, { ready }: Pick<NodeView, 'ready'>): string {
  const foreign = finalizers.filter((each) => each !== nodeLabelerFinalizer)
  const why = [
    ...(deleting ? [] : ['nobody has deleted it yet']),
    // Its kubelet alone can tell that the containers have ended.
    ...(ready ? [] : ['its node is not ready: if it is off for good, delete the Node']),
    ...(foreign.length === 0 ? [] : [`its finalizer is somebody else's to remove: ${nameFinalizers(foreign)}`]),
  ]
  return `${name} (${why.length === 0 ? 'it is being ended' : why.join('; ')})`
}

/** Names the pods that are waited for, with what keeps each: "a (it is being ended), b (nobody has deleted it yet)". */
export function describePluginPods(pods: readonly PodView[], node: Pick<NodeView, 'ready'>): string {
  const more = pods.length > mostPods ? ` and ${pods.length - mostPods} more` : ''
  const told = pods.slice(0, mostPods).map((pod) => explainPod(pod, node))
  return `${told.join(', ')}${more}`
}
