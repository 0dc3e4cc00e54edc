import type { ApiObject } from '../object.ts'
import { column, digNumber, digText, nameColumn, wide, type Cell, type Column } from './column.ts'
import { formatAge } from './duration.ts'

const firstSeen = (event: ApiObject): string =>
  digText(event, 'firstTimestamp') || digText(event, 'eventTime') || event.metadata.creationTimestamp || ''

const lastSeen = (event: ApiObject): string =>
  digText(event, 'series', 'lastObservedTime') || digText(event, 'lastTimestamp') || firstSeen(event)

const countOf = (event: ApiObject): number => digNumber(event, 'series', 'count') || digNumber(event, 'count') || 1

function formatSource(event: ApiObject): string {
  const component = digText(event, 'source', 'component') || digText(event, 'reportingComponent')
  const host = digText(event, 'source', 'host')
  return host === '' ? component : `${component}, ${host}`
}

function formatObject(event: ApiObject): Cell {
  const kind = digText(event, 'involvedObject', 'kind').toLowerCase()
  return `${kind}/${digText(event, 'involvedObject', 'name')}`
}

/** The columns of events. */
export const eventColumns: readonly Column[] = [
  column('Last Seen', (event, nowMs) => formatAge(lastSeen(event), nowMs)),
  column('Type', (event) => digText(event, 'type')),
  column('Reason', (event) => digText(event, 'reason')),
  column('Object', formatObject),
  wide('Subobject', (event) => digText(event, 'involvedObject', 'fieldPath')),
  wide('Source', formatSource),
  column('Message', (event) => digText(event, 'message').trim()),
  wide('First Seen', (event, nowMs) => formatAge(firstSeen(event), nowMs)),
  wide('Count', countOf),
  { ...nameColumn, priority: 1 },
]
