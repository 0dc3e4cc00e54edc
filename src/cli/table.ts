import { collectionPath } from '../kube/api-path.ts'
import type { KubeClient } from '../kube/client.ts'
import type { Resource } from '../kube/resource.ts'

/** An answer in the API's Table form, as far as it is printed. */
export interface Table {
  columnDefinitions: { name: string; priority?: number }[]
  rows: { cells: unknown[] }[]
}

/** Lays a table out as kubectl does: columns of text, three spaces between them. */
export function formatTable({ columnDefinitions, rows }: Table): string {
  const shown = columnDefinitions.flatMap(({ name, priority = 0 }, index) => (priority === 0 ? [{ name, index }] : []))
  const lines = [
    shown.map(({ name }) => name.toUpperCase()),
    ...rows.map(({ cells }) => shown.map(({ index }) => formatCell(cells[index]))),
  ]
  const widths = shown.map((_, column) => Math.max(...lines.map((line) => (line[column] ?? '').length)))
  return lines
    .map((line) =>
      line
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join('   ')
        .trimEnd(),
    )
    .join('\n')
}

function formatCell(value: unknown): string {
  if (value === null || value === undefined) return '<none>'
  return typeof value === 'object' ? JSON.stringify(value) : String(value as string | number | boolean)
}

const tableForm = 'application/json;as=Table;g=meta.k8s.io;v=v1'

/** Which objects to print: all of a kind, those of a namespace, or one by name. */
export interface TableScope {
  namespace?: string
  name?: string
}

/** Asks the API server for objects as a table and lays it out; says so where there are none. */
export async function fetchTable(
  client: KubeClient,
  resource: Resource,
  { namespace, name }: TableScope = {},
): Promise<string> {
  const query = name === undefined ? {} : { fieldSelector: `metadata.name=${name}` }
  const table = JSON.parse(
    await client.getRaw(collectionPath(resource, namespace, query), undefined, tableForm),
  ) as Table
  return table.rows.length === 0 ? `No ${resource.plural} found.` : formatTable(table)
}
