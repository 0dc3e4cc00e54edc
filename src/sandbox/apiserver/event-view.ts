import type { ApiObject } from './object.ts'

/** Events are stored as core/v1 has them; events.k8s.io/v1 calls some of the same fields otherwise. [core, events.k8s.io] */
const renamed: readonly (readonly [string, string])[] = [
  ['involvedObject', 'regarding'],
  ['message', 'note'],
  ['reportingComponent', 'reportingController'],
  ['source', 'deprecatedSource'],
  ['firstTimestamp', 'deprecatedFirstTimestamp'],
  ['lastTimestamp', 'deprecatedLastTimestamp'],
  ['count', 'deprecatedCount'],
]

function rename(object: ApiObject, pairs: readonly (readonly [string, string])[], apiVersion: string): ApiObject {
  const names = new Map(pairs)
  const entries = Object.entries(object).map(([field, value]) => [names.get(field) ?? field, value])
  return { ...(Object.fromEntries(entries) as ApiObject), apiVersion }
}

/** A core/v1 Event as events.k8s.io/v1 shows it. */
export function toEventsGroup(event: ApiObject): ApiObject {
  return rename(event, renamed, 'events.k8s.io/v1')
}

/** An events.k8s.io/v1 Event as it is stored. */
export function toCoreEvent(event: ApiObject): ApiObject {
  const back = renamed.map(([core, other]) => [other, core] as const)
  return rename(event, back, 'v1')
}
