import { formatGroupResource, type ApiObject } from '../object.ts'
import type { ServedResource } from '../registry.ts'
import { builtInColumns } from './built-in.ts'
import { ageColumn, nameColumn, type Column } from './column.ts'

/** What a row carries besides its cells: `?includeObject=`. */
export interface TableOptions {
  includeObject: 'None' | 'Metadata' | 'Object'
}

/** Objects to show as a table. */
export interface TableInput {
  resource: ServedResource
  objects: readonly ApiObject[]
  meta: object
  options: TableOptions
  nowMs: number
}

/** The columns of a kind. */
export function columnsOf(resource: ServedResource): readonly Column[] {
  const standard = [nameColumn, ageColumn]
  return resource.columns ?? builtInColumns[formatGroupResource(resource.storage)] ?? standard
}

/** Objects in the table form (`meta.k8s.io/v1` Table). Event columns read the stored form, whatever the version. */
export function toTable({ resource, objects, meta, options, nowMs }: TableInput): Record<string, unknown> {
  const columns = columnsOf(resource)
  const definitions = columns.map(({ name, type, format = '', description, priority }) => {
    return { name, type, format, description, priority }
  })
  const rows = objects.map((object) => {
    const stored = resource.toStored(object)
    const cells = columns.map((column) => column.cell(stored, nowMs))
    return { cells, ...rowObject(object, options) }
  })
  return { kind: 'Table', apiVersion: 'meta.k8s.io/v1', metadata: meta, columnDefinitions: definitions, rows }
}

function rowObject(object: ApiObject, { includeObject }: TableOptions): { object?: unknown } {
  switch (includeObject) {
    case 'None':
      return {}
    case 'Object':
      return { object }
    case 'Metadata':
      return { object: { kind: 'PartialObjectMetadata', apiVersion: 'meta.k8s.io/v1', metadata: object.metadata } }
  }
}
