import { isRecord, type ApiObject } from '../object.ts'
import { formatAge } from './duration.ts'

/** What stands in one place of a table. */
export type Cell = string | number | boolean | null

/** A column of the table form. Priority 0 is always shown, 1 only with `-o wide`. */
export interface Column {
  name: string
  type: string
  format?: string
  description: string
  priority: number
  cell(object: ApiObject, nowMs: number): Cell
}

type Read = (object: ApiObject, nowMs: number) => Cell

/** A column that is always shown. */
export function column(name: string, cell: Read, type = 'string'): Column {
  return { name, type, description: '', priority: 0, cell }
}

/** A column that only `-o wide` shows. */
export function wide(name: string, cell: Read, type = 'string'): Column {
  return { ...column(name, cell, type), priority: 1 }
}

/** The column that every table has. */
export const nameColumn: Column = {
  ...column('Name', (object) => object.metadata.name),
  format: 'name',
  description: 'Name must be unique within a namespace.',
}

/** How long ago the object was created. */
export const ageColumn: Column = column('Age', (object, nowMs) => formatAge(object.metadata.creationTimestamp, nowMs))

/** The time of creation itself, for kinds that the real server shows so. */
export const createdColumn: Column = {
  ...column('Created At', (object) => object.metadata.creationTimestamp ?? ''),
  type: 'date',
}

/** Walks into an object; undefined where the way ends. */
export function dig(value: unknown, ...path: (string | number)[]): unknown {
  let here: unknown = value
  for (const part of path) {
    if (Array.isArray(here)) here = typeof part === 'number' ? here[part] : undefined
    else here = isRecord(here) ? here[part] : undefined
  }
  return here
}

/** The text at a path; empty where there is none. */
export function digText(value: unknown, ...path: (string | number)[]): string {
  const found = dig(value, ...path)
  return typeof found === 'string' ? found : ''
}

/** The number at a path; 0 where there is none. */
export function digNumber(value: unknown, ...path: (string | number)[]): number {
  const found = dig(value, ...path)
  return typeof found === 'number' ? found : 0
}

/** The objects of a list; empty where there is none. */
export function digList(value: unknown, ...path: (string | number)[]): Record<string, unknown>[] {
  const found = dig(value, ...path)
  return Array.isArray(found) ? found.filter(isRecord) : []
}

/** The number of members of a map. */
export function digSize(value: unknown, ...path: string[]): number {
  const found = dig(value, ...path)
  return isRecord(found) ? Object.keys(found).length : 0
}

/** `a=b,c=d`, or `<none>`. */
export function formatLabels(labels: unknown): string {
  const pairs = isRecord(labels)
    ? Object.entries(labels).map(([key, value]) => `${key}=${String(value as string)}`)
    : []
  return pairs.length === 0 ? '<none>' : pairs.sort().join(',')
}

/** A label selector object in the query's form. */
export function formatSelector(selector: unknown): string {
  const terms = digList(selector, 'matchExpressions').map((term) => {
    const values = dig(term, 'values')
    const list = Array.isArray(values) ? ` (${values.join(',')})` : ''
    return `${digText(term, 'key')} ${digText(term, 'operator').toLowerCase()}${list}`
  })
  const labels = formatLabels(dig(selector, 'matchLabels'))
  const parts = labels === '<none>' ? terms : [labels, ...terms]
  return parts.length === 0 ? '<none>' : parts.join(',')
}

/** `<none>` for what would be empty. */
export const orNone = (text: string): string => (text === '' ? '<none>' : text)
