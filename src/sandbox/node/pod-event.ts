import { createHash } from 'node:crypto'
import type { Event as CoreEvent, Pod } from 'kubernetes-types/core/v1.js'
import { events } from '../../kube/core-resources.ts'
import type { KubeletSettings } from './kubelet-settings.ts'
import { formatTime } from './pod-status.ts'

/** Records a kubelet's warning about a pod, once a pod, reason and message; failures to do so do not matter. */
export async function warnOfPod(
  { client, clock, nodeName }: KubeletSettings,
  pod: Pod,
  { reason, message }: { reason: string; message: string },
  signal: AbortSignal,
): Promise<void> {
  const { namespace = '', name = '', uid = '' } = pod.metadata ?? {}
  const mark = createHash('sha256').update(uid).update(message).digest('hex').slice(0, 8)
  const time = formatTime(clock.now())
  const event: CoreEvent = {
    apiVersion: 'v1',
    kind: 'Event',
    metadata: { namespace, name: `${name}.${reason.toLowerCase()}.${mark}` },
    involvedObject: { apiVersion: 'v1', kind: 'Pod', namespace, name, uid },
    type: 'Warning',
    reason,
    message,
    source: { component: 'kubelet', host: nodeName },
    reportingComponent: 'kubelet',
    reportingInstance: nodeName,
    firstTimestamp: time,
    lastTimestamp: time,
    count: 1,
  }
  await client.create(events, event, { signal }).catch(() => undefined)
}
