import type { StatusCause } from '../status-error.ts'

/** The kinds of field error that a Status names as the type of a cause. */
export type FieldErrorType =
  | 'FieldValueNotFound'
  | 'FieldValueRequired'
  | 'FieldValueDuplicate'
  | 'FieldValueInvalid'
  | 'FieldValueNotSupported'
  | 'FieldValueForbidden'
  | 'FieldValueTooLong'
  | 'FieldValueTooMany'
  | 'FieldValueTooFew'
  | 'FieldValueTypeInvalid'
  | 'InternalError'

/** What is wrong with one field of an object; `message` lacks the field's path. */
export interface FieldError extends StatusCause {
  reason: FieldErrorType
}

/** How a message shows a rejected value: strings quoted, scalars as they are, anything else as JSON. */
export function formatValue(value: unknown): string {
  return typeof value === 'number' || typeof value === 'boolean' ? String(value) : (JSON.stringify(value) ?? 'null')
}

const withDetail = (words: string, detail: string): string => (detail === '' ? words : `${words}: ${detail}`)

/** `Required value: …`. */
export function required(field: string, detail = ''): FieldError {
  return { field, reason: 'FieldValueRequired', message: withDetail('Required value', detail) }
}

/** `Invalid value: "x": …`. */
export function invalid(field: string, value: unknown, detail: string): FieldError {
  return { field, reason: 'FieldValueInvalid', message: withDetail(`Invalid value: ${formatValue(value)}`, detail) }
}

/** `Invalid value: …` without the value, as the server writes for objects and lists that break a CEL rule. */
export function invalidWithoutValue(field: string, detail: string): FieldError {
  return { field, reason: 'FieldValueInvalid', message: withDetail('Invalid value', detail) }
}

/** `Duplicate value: "x"`. */
export function duplicate(field: string, value: unknown): FieldError {
  return { field, reason: 'FieldValueDuplicate', message: `Duplicate value: ${formatValue(value)}` }
}

/** `Not found: "x"`. */
export function notFound(field: string, value: unknown): FieldError {
  return { field, reason: 'FieldValueNotFound', message: `Not found: ${formatValue(value)}` }
}

/** `Forbidden: …`. */
export function forbidden(field: string, detail: string): FieldError {
  return { field, reason: 'FieldValueForbidden', message: withDetail('Forbidden', detail) }
}

/** `Unsupported value: "x": supported values: "a", "b"`. */
export function notSupported(field: string, value: unknown, supported: readonly string[]): FieldError {
  const list = supported.map((each) => JSON.stringify(each)).join(', ')
  return {
    field,
    reason: 'FieldValueNotSupported',
    message: withDetail(`Unsupported value: ${formatValue(value)}`, list === '' ? '' : `supported values: ${list}`),
  }
}

/** `Too long: may not be more than 63 bytes`. */
export function tooLong(field: string, maximumBytes: number): FieldError {
  return { field, reason: 'FieldValueTooLong', message: `Too long: may not be more than ${maximumBytes} bytes` }
}

/** `Too many: 33: must have at most 32 items`. */
export function tooMany(field: string, count: number, maximum: number): FieldError {
  return { field, reason: 'FieldValueTooMany', message: `Too many: ${count}: must have at most ${maximum} items` }
}

/** The whole sentence: the field, then what is wrong with it. */
export function formatFieldError(error: FieldError): string {
  return `${error.field}: ${error.message}`
}
