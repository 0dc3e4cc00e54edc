import type { ApiObject } from '../object.ts'
import { ageColumn, nameColumn, type Cell, type Column } from './column.ts'
import { formatAge } from './duration.ts'
import { parseJsonPath, type JsonPath } from './json-path.ts'

/** A column of the table form of a custom kind: `spec.versions[].additionalPrinterColumns[]`. */
export interface PrinterColumn {
  name: string
  type: string
  format?: string
  description?: string
  priority?: number
  jsonPath: string
}

/** The columns of a custom kind: its name, and what its definition lists (the age when that is nothing). */
export function customColumns(columns: readonly PrinterColumn[]): readonly Column[] {
  return columns.length === 0 ? [nameColumn, ageColumn] : [nameColumn, ...columns.map(customColumn)]
}

function customColumn(printer: PrinterColumn): Column {
  const find = parseOrNothing(printer.jsonPath)
  return {
    name: printer.name,
    type: printer.type,
    ...(printer.format === undefined ? {} : { format: printer.format }),
    description: printer.description ?? `Custom resource definition column (in JSONPath format): ${printer.jsonPath}`,
    priority: printer.priority ?? 0,
    cell: (object: ApiObject, nowMs: number) => toCell(printer.type, find(object)[0], nowMs),
  }
}

/** A path that cannot be read finds nothing: the definition's validation has complained already. */
function parseOrNothing(path: string): JsonPath {
  try {
    return parseJsonPath(path)
  } catch {
    return () => []
  }
}

/** The first value that the path found, as the column's type; a value of another type stays empty. */
function toCell(type: string, value: unknown, nowMs: number): Cell {
  switch (type) {
    case 'date':
      return typeof value === 'string' ? formatAge(value, nowMs) : null
    case 'boolean':
      return typeof value === 'boolean' ? value : null
    case 'integer':
    case 'number':
      return typeof value === 'number' ? toNumber(type, value) : null
    default:
      return toText(value)
  }
}

const toNumber = (type: 'integer' | 'number', value: number): number => (type === 'integer' ? Math.trunc(value) : value)

function toText(value: unknown): string | null {
  if (value === undefined || value === null) return null
  return typeof value === 'object' ? JSON.stringify(value) : String(value as string | number | boolean)
}
