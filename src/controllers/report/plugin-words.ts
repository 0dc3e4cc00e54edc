import type { DaemonSet } from 'kubernetes-types/apps/v1.js'
import { nameRole, type PluginRole, roleOfPod } from '../cluster/plugin-role.ts'
import type { ContainerStateView, PodView } from '../cluster/pod-view.ts'

const maximumWords = 300

/** How a container waits while nothing is wrong with it. */
const usual: ReadonlySet<string> = new Set(['', 'ContainerCreating', 'PodInitializing'])

const join = (parts: readonly string[], separator: string): string =>
  parts
    .map((part) => part.trim())
    .filter((part) => part !== '')
    .join(separator)

function describeEnd(state: ContainerStateView): string {
  if (state.kind !== 'terminated') return ''
  const { exitCode, reason, message } = state
  return `it ended with exit code ${exitCode}${reason === '' || reason === 'Error' ? '' : ` (${reason})`}${message === '' ? '' : `: ${message.trim()}`}`
}

/** What keeps the pod from being ready; undefined where it is only on its way. */
function explainFault({ phase, reason, message, unschedulable, container }: PodView): string | undefined {
  const { state, last } = container
  if (phase === 'Failed') return join([reason, message, describeEnd(state)], ': ')
  if (unschedulable !== '') return `no node is found for it: ${unschedulable}`
  if (state.kind === 'terminated') return describeEnd(state)
  if (state.kind !== 'waiting' || usual.has(state.reason)) return undefined
  return join([join([state.reason, state.message], ': '), describeEnd(last)], '; ')
}

function describePod(pod: PodView, what: string): string {
  const { nodeName, name } = pod
  return `${nodeName === '' ? '' : `${nodeName}: `}pod ${name}: ${what.slice(0, maximumWords)}`
}

const byNode = (left: PodView, right: PodView): number =>
  left.nodeName === right.nodeName ? (left.name < right.name ? -1 : 1) : left.nodeName < right.nodeName ? -1 : 1

/** A DaemonSet whose controller could not make its pods: its events alone tell why. */
function describeUnmade(daemonSets: readonly DaemonSet[]): string | undefined {
  const found = daemonSets.find(
    ({ status }) => (status?.desiredNumberScheduled ?? 0) > (status?.currentNumberScheduled ?? 0),
  )
  if (found === undefined) return undefined
  const { namespace, name } = found.metadata ?? {}
  return `pods are missing; if they stay so, kubectl -n ${namespace} describe daemonset ${name} tells why`
}

/** What is started when the pods of the role before it are gone. */
function describePredecessors(role: PluginRole, pods: readonly PodView[]): string | undefined {
  const [first, ...others] = pods.filter((pod) => roleOfPod(pod) !== role).sort(byNode)
  if (first === undefined) return undefined
  const more = others.length === 0 ? '' : ` and ${others.length} more`
  return `it waits for pods of the ${nameRole(roleOfPod(first))} to go: ${first.name} on ${first.nodeName}${more}`
}

/**
 * Why a device plugin or DRA driver is not available everywhere, by the first of its pods, as far as the cluster tells.
 * What containers and the kubelet say is shown, and cut.
 */
export function describeUnready(
  role: PluginRole,
  pods: readonly PodView[],
  daemonSets: readonly DaemonSet[],
): string | undefined {
  if (daemonSets.length === 0) return describePredecessors(role, pods)
  const isOfRole = (pod: PodView): boolean => roleOfPod(pod) === role
  const unready = pods.filter((pod) => isOfRole(pod) && !pod.ready && !pod.deleting).sort(byNode)
  for (const pod of unready) {
    const fault = explainFault(pod)
    if (fault !== undefined) return `first ${describePod(pod, fault)}`
  }
  const [starting] = unready
  if (starting === undefined) return describeUnmade(daemonSets)
  const advice = `is being started; if it stays so, kubectl -n ${starting.namespace} describe pod ${starting.name} tells why`
  return `first ${describePod(starting, advice)}`
}
