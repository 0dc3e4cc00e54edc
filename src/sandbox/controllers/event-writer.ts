import { createHash } from 'node:crypto'
import { formatTime } from '../apiserver/deletion.ts'
import type { ApiObject } from '../apiserver/object.ts'
import { change, type ControllerContext, events } from './controller.ts'

/** What an event says. */
export interface Occurrence {
  type: 'Normal' | 'Warning'
  reason: string
  message: string
  /** Who says it: `daemonset-controller`. */
  component: string
}

/** Writes an event about an object; the same words again raise the count of the event that is there. */
export function writeEvent({ store, timers }: ControllerContext, about: ApiObject, occurrence: Occurrence): void {
  const { type, reason, message, component } = occurrence
  const { name, namespace = 'default', uid = '' } = about.metadata
  const hash = createHash('sha256').update([uid, type, reason, message].join('\n')).digest('hex').slice(0, 16)
  const key = { namespace, name: `${name}.${hash}` }
  const now = formatTime(timers.now())
  if (store.find(events, key) !== undefined) {
    const apply = (event: ApiObject): void => {
      event['count'] = Number(event['count'] ?? 1) + 1
      event['lastTimestamp'] = now
    }
    change(store, events, key, { apply })
    return
  }
  const { apiVersion, kind } = about
  const involvedObject = { apiVersion, kind, name, uid, ...(about.metadata.namespace ? { namespace } : {}) }
  store.create(events, {
    apiVersion: 'v1',
    kind: 'Event',
    metadata: key,
    involvedObject,
    reason,
    message,
    type,
    source: { component },
    reportingComponent: component,
    reportingInstance: '',
    firstTimestamp: now,
    lastTimestamp: now,
    count: 1,
  })
}
