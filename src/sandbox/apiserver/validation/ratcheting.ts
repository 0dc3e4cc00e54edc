import { sameJson } from '../object.ts'
import type { FieldError } from './field-error.ts'

/** The members that a path such as `spec.list[0].name` names, from the outermost. */
function splitPath(field: string): string[] {
  return field.split(/[.[\]]+/).filter((step) => step !== '')
}

function valueAt(object: unknown, steps: readonly string[]): unknown {
  return steps.reduce<unknown>(
    (value, step) => (typeof value === 'object' && value !== null ? Reflect.get(value, step) : undefined),
    object,
  )
}

/** True when the value that an error is about is stored already, as it is. */
function isOld({ field, reason }: FieldError, object: unknown, oldObject: unknown): boolean {
  // What is missing is a fault of the object around it.
  const steps = reason === 'FieldValueRequired' ? splitPath(field).slice(0, -1) : splitPath(field)
  const old = valueAt(oldObject, steps)
  return old !== undefined && steps.length > 0 && sameJson(valueAt(object, steps), old)
}

/** The errors that an update brings in; what was wrong before and is left as it was may stay. */
export function findNewErrors(errors: readonly FieldError[], object: unknown, oldObject: unknown): FieldError[] {
  return oldObject === undefined ? [...errors] : errors.filter((error) => !isOld(error, object, oldObject))
}
