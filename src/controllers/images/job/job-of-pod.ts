import { jobAttemptAnnotation, jobHashAnnotation, jobImageAnnotation } from '../../../api/annotations.ts'
import { gcDelayFinalizer, jobEventFinalizer } from '../../../api/finalizers.ts'
import { resourceTypeLabel } from '../../../api/labels.ts'
import type { NodeView } from '../../cluster/node-view.ts'
import type { PodView } from '../../cluster/pod-view.ts'
import { type Job, type JobState, jobTypes } from './job.ts'
import { isPushing, readJobState } from './job-state.ts'

/** Finalizers of an upstream operator that only its own controllers would take off. */
const upstreamFinalizers: readonly string[] = [gcDelayFinalizer, jobEventFinalizer]

function parseAttempt(text: string | undefined): number {
  const attempt = /^[1-9][0-9]{0,5}$/.test(text ?? '') ? Number(text) : 0
  return Number.isSafeInteger(attempt) ? attempt : 0
}

/**
 * True when nobody will say what became of a pod. One that has only just been given a node may be seen before that node is: what does
 * not run yet is left to those who delete the pods of nodes that are gone.
 */
function isLost({ nodeName, deleting }: PodView, { kind }: JobState, node: NodeView | undefined): boolean {
  if (nodeName === '') return false
  return node === undefined ? kind !== 'pending' : deleting && !node.ready
}

/**
 * A build or sign pod as the rules see it; undefined for every other pod. `node` is the one that it runs on, where the cache has it.
 * Whose it is, its owner says: that is for the caller to compare.
 */
export function jobOfPod(pod: PodView, node: NodeView | undefined): Job | undefined {
  const type = jobTypes.find((each) => each === pod.labels[resourceTypeLabel])
  if (type === undefined) return undefined
  const attempt = parseAttempt(pod.annotations[jobAttemptAnnotation])
  const state = readJobState(type, pod)
  return {
    type,
    image: pod.annotations[jobImageAnnotation] ?? '',
    // An upstream operator hashes other things: its hash says nothing here.
    hash: attempt === 0 ? '' : (pod.annotations[jobHashAnnotation] ?? ''),
    attempt,
    name: pod.name,
    uid: pod.uid,
    createdAtMs: Date.parse(pod.createdAt) || 0,
    state,
    isPushed: isPushing(pod),
    deleting: pod.deleting,
    lost: isLost(pod, state, node),
    finalizers: pod.finalizers.filter((each) => upstreamFinalizers.includes(each)),
  }
}
