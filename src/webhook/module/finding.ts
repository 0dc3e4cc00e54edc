import type { FieldError, FieldErrorReason } from '../../api/schema/field-error.ts'

/** What was found in an object: what refuses it, and what is legal but surely not meant. Warnings begin with a path. */
export interface Findings {
  errors: FieldError[]
  warnings: string[]
}

/** Something wrong with a field: its path, what is the case, and what to do. */
export function wrong(field: string, message: string, reason: FieldErrorReason = 'FieldValueInvalid'): FieldError {
  return { reason, field, message }
}

/** Something missing, or twice. */
export const missing = (field: string, message: string): FieldError => wrong(field, message, 'FieldValueRequired')

/** The one error when it holds, else none; for lists of rules. */
export const when = (holds: boolean, error: () => FieldError): FieldError[] => (holds ? [error()] : [])

const mostShown = 80

/** A text of the object in quotes, cut where it is long: it stands in messages and logs. */
export function quote(text: string): string {
  return JSON.stringify(text.length > mostShown ? `${text.slice(0, mostShown)}…` : text)
}
