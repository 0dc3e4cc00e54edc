/** The kinds of field error, as the causes of a `Status` name them. */
export type FieldErrorReason =
  | 'FieldValueRequired'
  | 'FieldValueInvalid'
  | 'FieldValueTypeInvalid'
  | 'FieldValueNotSupported'
  | 'FieldValueDuplicate'
  | 'FieldValueTooMany'
  | 'FieldValueTooLong'

/** What is wrong with one field, in the words of the API server; `message` lacks the field's path. */
export interface FieldError {
  reason: FieldErrorReason
  /** `spec.modules[0].name`; empty for the value as a whole. */
  field: string
  message: string
}

const show = (value: unknown): string => JSON.stringify(value) ?? 'null'

/** A field that must be there and is not. */
export function requiredError(field: string): FieldError {
  return { reason: 'FieldValueRequired', field, message: 'Required value' }
}

/** A value that a rule refuses; `detail` is what should be the case: `should match '^a$'`. */
export function invalidError(field: string, value: unknown, detail: string): FieldError {
  return { reason: 'FieldValueInvalid', field, message: `Invalid value: ${show(value)}: ${field} in body ${detail}` }
}

/** A value of another type, or not in its format; `shown` is what the server shows of the value. */
export function typeError(field: string, expected: string, shown: string): FieldError {
  const quoted = show(shown)
  const detail = `${field} in body must be of type ${expected}: ${quoted}`
  return { reason: 'FieldValueTypeInvalid', field, message: `Invalid value: ${quoted}: ${detail}` }
}

// The server does not know which field these are about: it writes `<nil>` for it, and no value.
function unplacedError(detail: string): FieldError {
  return { reason: 'FieldValueInvalid', field: '<nil>', message: `Invalid value: "": ${detail}` }
}

/** A number that its type or format cannot hold. */
export function rangeError(field: string, type: string, format: string | undefined): FieldError {
  const words = format === undefined ? '(default format)' : `with format ${format}`
  return unplacedError(`Checked value must be of type ${type} ${words} in ${field}`)
}

/** A value that is none of those that the schema offers. */
export function noneOfError(field: string): FieldError {
  return unplacedError(`"${field}" must validate at least one schema (anyOf)`)
}

/** An item that cannot have the keys of its list. */
export function keylessError(field: string, value: unknown): FieldError {
  const detail = 'must be an object for an array of list-type map'
  return { reason: 'FieldValueInvalid', field, message: `Invalid value: ${show(value)}: ${detail}` }
}

/** A value that is not in a closed set. */
export function notSupportedError(field: string, value: unknown, supported: readonly unknown[]): FieldError {
  const list = supported.map((each) => show(String(each))).join(', ')
  return {
    reason: 'FieldValueNotSupported',
    field,
    message: `Unsupported value: ${show(value)}: supported values: ${list}`,
  }
}

/** An item that a list has twice. */
export function duplicateError(field: string, value: unknown): FieldError {
  return { reason: 'FieldValueDuplicate', field, message: `Duplicate value: ${show(value)}` }
}

/** A list or object that is too large. */
export function tooManyError(field: string, actual: number, most: number): FieldError {
  return { reason: 'FieldValueTooMany', field, message: `Too many: ${actual}: must have at most ${most} items` }
}

/** A string that is too long. */
export function tooLongError(field: string, most: number): FieldError {
  return { reason: 'FieldValueTooLong', field, message: `Too long: may not be more than ${most} bytes` }
}

/** The whole sentence: the field, then what is wrong with it. */
export function formatFieldError(error: FieldError): string {
  return error.field === '' ? error.message : `${error.field}: ${error.message}`
}
