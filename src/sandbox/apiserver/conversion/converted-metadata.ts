import { validateAnnotationKeys, validateLabels } from '../metadata.ts'
import { isRecord, sameJson, type ApiObject } from '../object.ts'

type Converted = Record<string, unknown>

/** Throws unless it is still the same object. */
export function checkConverted(original: ApiObject, converted: Converted): void {
  const metadata = (isRecord(converted['metadata']) ? converted['metadata'] : {}) as Record<string, string | undefined>
  for (const [field, words] of [
    ['name', 'name'],
    ['namespace', 'namespace'],
    ['uid', 'UID'],
  ] as const) {
    const before = original.metadata[field] ?? ''
    const after = metadata[field] ?? ''
    if (before !== after) throw new Error(`must have the same ${words}: ${before} != ${after}`)
  }
}

/** The types of JSON as Go names them. */
function goType(value: unknown): string {
  if (value === null) return '<nil>'
  if (Array.isArray(value)) return '[]interface {}'
  if (typeof value === 'object') return 'map[string]interface {}'
  if (typeof value === 'number') return Number.isInteger(value) ? 'int64' : 'float64'
  return typeof value === 'boolean' ? 'bool' : 'string'
}

function readTexts(field: 'labels' | 'annotations', value: unknown): Record<string, string> {
  if (!isRecord(value)) throw new Error(`invalid metadata.${field} of type ${goType(value)} in converted object`)
  for (const [key, text] of Object.entries(value))
    if (typeof text !== 'string')
      throw new Error(`metadata.${field}[${key}] must be a string, but is ${goType(text)} in converted object`)
  return value as Record<string, string>
}

const rules = { labels: validateLabels, annotations: validateAnnotationKeys }

/** The converted object with the metadata that it had, but for labels and annotations, which the webhook may change. */
export function restoreMetadata(original: ApiObject, converted: Converted): ApiObject {
  const answered = isRecord(converted['metadata']) ? converted['metadata'] : {}
  const metadata = { ...original.metadata }
  for (const field of ['labels', 'annotations'] as const) {
    delete metadata[field]
    const value = answered[field]
    if (value === undefined || value === null) continue
    const texts = readTexts(field, value)
    if (!sameJson(texts, original.metadata[field] ?? {})) {
      const faults = rules[field](texts).map((each) => `${each.field}: ${each.message}`)
      if (faults.length > 0) throw new Error(faults.length === 1 ? faults[0] : `[${faults.join(', ')}]`)
    }
    metadata[field] = texts
  }
  return { ...(converted as ApiObject), metadata }
}
