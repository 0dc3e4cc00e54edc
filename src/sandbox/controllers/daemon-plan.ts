import { type DaemonSet, daemonPodSpec, hashLabel, hashTemplate, nodeOfDaemonPod } from './daemon-template.ts'
import { type Node, placePod } from './placement.ts'
import { type Pod, isFinished, isReady, readySince } from './pod-conditions.ts'

/** What a DaemonSet's controller sees: the set, all nodes, and the pods of the set. */
export interface DaemonState {
  daemonSet: DaemonSet
  nodes: readonly Node[]
  pods: readonly Pod[]
  nowMs: number
}

/** What it does about it. */
export interface DaemonPlan {
  createOn: string[]
  /** Pods to delete, those that have failed apart, because they are deleted after a pause. */
  remove: Pod[]
  removeFinished: Pod[]
  status: Record<string, number>
}

const isGoing = (pod: Pod): boolean => pod.metadata.deletionTimestamp !== undefined

function isAvailable(pod: Pod, { daemonSet, nowMs }: DaemonState): boolean {
  const since = isReady(pod) ? readySince(pod) : undefined
  return since !== undefined && since + (daemonSet.spec?.minReadySeconds ?? 0) * 1000 <= nowMs
}

function groupByNode(pods: readonly Pod[]): Map<string, Pod[]> {
  const groups = new Map<string, Pod[]>()
  for (const pod of pods) {
    const name = nodeOfDaemonPod(pod.spec)
    groups.set(name, [...(groups.get(name) ?? []), pod])
  }
  const age = (pod: Pod): string => `${pod.metadata.creationTimestamp ?? ''}/${pod.metadata.name}`
  for (const group of groups.values()) group.sort((a, b) => (age(a) < age(b) ? -1 : 1))
  return groups
}

/** How many pods may be unavailable during an update, of a number or a percentage rounded up. */
function readMaxUnavailable({ spec }: DaemonSet, desired: number): number {
  const value = spec?.updateStrategy?.rollingUpdate?.maxUnavailable ?? 1
  if (typeof value === 'number') return value
  return Math.ceil((desired * Number.parseInt(value, 10)) / 100)
}

function planUpdate(state: DaemonState, groups: ReadonlyMap<string, readonly Pod[]>, desired: number): Pod[] {
  if (state.daemonSet.spec?.updateStrategy?.type === 'OnDelete') return []
  const spec = daemonPodSpec(state.daemonSet)
  const isBare = (node: Node): boolean => !groups.has(node.metadata.name) && placePod(spec, node).mayRun
  const hash = hashTemplate(state.daemonSet)
  const isOld = (pod: Pod): boolean => pod.metadata.labels?.[hashLabel] !== hash
  let unavailable = state.nodes.filter(isBare).length
  const candidates: Pod[] = []
  const replaced: Pod[] = []
  for (const group of groups.values()) {
    const [pod] = group.filter((each) => !isGoing(each))
    if (pod === undefined || !isAvailable(pod, state)) unavailable += 1
    if (pod === undefined || !isOld(pod)) continue
    if (isAvailable(pod, state)) candidates.push(pod)
    else replaced.push(pod)
  }
  const room = Math.max(0, readMaxUnavailable(state.daemonSet, desired) - unavailable)
  return [...replaced, ...candidates.slice(0, room)]
}

function countStatus(
  state: DaemonState,
  groups: ReadonlyMap<string, readonly Pod[]>,
  hash: string,
): Record<string, number> {
  const spec = daemonPodSpec(state.daemonSet)
  const eligible = state.nodes.filter((node) => placePod(spec, node).mayRun)
  const firsts = eligible.flatMap((node) => groups.get(node.metadata.name)?.[0] ?? [])
  const others = state.nodes.filter((node) => !eligible.includes(node))
  const available = firsts.filter((pod) => isAvailable(pod, state)).length
  const updated = firsts.filter((pod) => pod.metadata.labels?.[hashLabel] === hash).length
  const unavailable = eligible.length - available
  return {
    currentNumberScheduled: firsts.length,
    numberMisscheduled: others.filter((node) => (groups.get(node.metadata.name) ?? []).length > 0).length,
    desiredNumberScheduled: eligible.length,
    numberReady: firsts.filter(isReady).length,
    observedGeneration: state.daemonSet.metadata.generation ?? 0,
    ...(updated === 0 ? {} : { updatedNumberScheduled: updated }),
    ...(available === 0 ? {} : { numberAvailable: available }),
    ...(unavailable === 0 ? {} : { numberUnavailable: unavailable }),
  }
}

/** Pods that wait for a node which has vanished meanwhile; no scheduler will place them, and no collector finds them. */
function listStranded({ nodes, pods }: DaemonState): Pod[] {
  const isThere = (name: string): boolean => nodes.some(({ metadata }) => metadata.name === name)
  return pods.filter((pod) => !pod.spec?.nodeName && !isGoing(pod) && !isThere(nodeOfDaemonPod(pod.spec)))
}

/**
 * Decides which pods to create and to delete, and what the status says. Pods that ran on vanished nodes are left to their
 * collector.
 */
export function planDaemonSet(state: DaemonState): DaemonPlan {
  const spec = daemonPodSpec(state.daemonSet)
  const groups = groupByNode(state.pods)
  const plan: DaemonPlan = {
    createOn: [],
    remove: listStranded(state),
    removeFinished: [],
    status: countStatus(state, groups, hashTemplate(state.daemonSet)),
  }
  for (const node of state.nodes) {
    const { mayRun, mayStay } = placePod(spec, node)
    const group = groups.get(node.metadata.name) ?? []
    const present = group.filter((pod) => !isGoing(pod))
    if (mayRun && group.length === 0) plan.createOn.push(node.metadata.name)
    if (!mayStay) plan.remove.push(...present)
    else {
      plan.removeFinished.push(...present.filter(isFinished))
      plan.remove.push(...present.filter((pod) => !isFinished(pod)).slice(1))
    }
  }
  const doomed = new Set([...plan.remove, ...plan.removeFinished])
  const updates = planUpdate(state, groups, plan.status['desiredNumberScheduled'] ?? 0)
  plan.remove.push(...updates.filter((pod) => !doomed.has(pod)))
  return plan
}
