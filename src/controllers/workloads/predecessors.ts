import type { Wait } from '../../runtime/reconciler.ts'
import { nameRole, type PluginRole, pluginOf, roleOfPod } from '../cluster/plugin-role.ts'
import type { PodView } from '../cluster/pod-view.ts'
import type { ObservedWorkloads } from './observed.ts'

/** How long after its grace period a pod is waited for: one that does not end holds up the other nodes no longer. */
const patienceMs = 30_000

const ended: ReadonlySet<string> = new Set(['Succeeded', 'Failed'])

/** Until when a pod is waited for; a pod that nobody has deleted yet is waited for until somebody does. */
const untilOf = ({ deletedAt }: PodView): number => (deletedAt === '' ? Infinity : Date.parse(deletedAt) + patienceMs)

/**
 * What a role that the Module has only just asked for waits for: pods of the role that it asked for before. Two that hand out
 * one device would give it away twice. Pods of nodes that do not answer are not waited for.
 */
export function awaitPredecessors(
  role: PluginRole,
  { module, pods }: ObservedWorkloads,
  nowMs: number,
): Wait | undefined {
  const other = role === 'dra' ? 'device-plugin' : 'dra'
  if (!module || module.metadata.deletionTimestamp !== undefined) return undefined
  if (pluginOf(module, role) === undefined || pluginOf(module, other) !== undefined) return undefined
  const running = pods
    .filter(({ pod, nodeReady }) => nodeReady && roleOfPod(pod) === other && !ended.has(pod.phase))
    .map(({ pod }) => pod)
    .filter((pod) => nowMs < untilOf(pod))
  const [first] = running
  if (first === undefined) return undefined
  const what = `${running.length} pod(s) of the ${nameRole(other)}, first ${first.name} on ${first.nodeName}`
  const untilMs = Math.max(...running.map(untilOf))
  return {
    reason: 'DevicePluginStillRunning',
    message: `the ${nameRole(role)} is started when what was there before it is gone: ${what}`,
    ...(untilMs === Infinity ? {} : { untilMs }),
  }
}
