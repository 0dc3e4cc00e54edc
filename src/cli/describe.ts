import type { Event as CoreEvent } from 'kubernetes-types/core/v1.js'
import { stringify } from 'yaml'
import type { KubeObject } from '../kube/object.ts'

const label = (text: string): string => `${text}:`.padEnd(14)

function describeMap(title: string, map: Record<string, string> | undefined): string[] {
  const entries = Object.entries(map ?? {})
  if (entries.length === 0) return [`${label(title)}<none>`]
  return entries.map(([key, value], index) => `${index === 0 ? label(title) : ' '.repeat(14)}${key}=${value}`)
}

function indent(text: string): string[] {
  return text
    .trimEnd()
    .split('\n')
    .map((line) => `  ${line}`)
}

function describeEvents(events: readonly CoreEvent[]): string[] {
  if (events.length === 0) return ['Events:       <none>']
  const rows = events.map(({ type = '', reason = '', source, message = '' }) => [
    type,
    reason,
    source?.component ?? '',
    message,
  ])
  const widths = [0, 1, 2].map((column) => Math.max(...rows.map((row) => (row[column] ?? '').length), 6))
  const format = (row: readonly string[]): string =>
    `  ${row.map((cell, column) => (column < 3 ? cell.padEnd(widths[column] ?? 0) : cell)).join('  ')}`
  return ['Events:', format(['Type', 'Reason', 'From', 'Message']), ...rows.map(format)]
}

/** Describes an object for people: metadata, spec and status in full, and its events, in kubectl's manner. */
export function describeObject(
  object: KubeObject & { spec?: unknown; status?: unknown },
  events: readonly CoreEvent[],
): string {
  const { metadata = {} } = object
  return [
    `${label('Name')}${metadata.name ?? ''}`,
    ...(metadata.namespace ? [`${label('Namespace')}${metadata.namespace}`] : []),
    ...describeMap('Labels', metadata.labels),
    ...describeMap('Annotations', metadata.annotations),
    `${label('API Version')}${object.apiVersion ?? ''}`,
    `${label('Kind')}${object.kind ?? ''}`,
    ...(object.spec === undefined ? [] : ['Spec:', ...indent(stringify(object.spec, { lineWidth: 0 }))]),
    ...(object.status === undefined ? [] : ['Status:', ...indent(stringify(object.status, { lineWidth: 0 }))]),
    ...describeEvents(events),
  ].join('\n')
}
