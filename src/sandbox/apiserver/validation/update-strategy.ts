import { type ApiObject, isRecord } from '../object.ts'
import { type FieldError, invalid, notSupported, required } from './field-error.ts'

const place = 'spec.updateStrategy'
const strategies = ['RollingUpdate', 'OnDelete']

const percentRule =
  "a valid percent string must be a numeric string followed by an ending '%' (e.g. '1%',  or '93%', regex used for " +
  "validation is '[0-9]+%')"

/** The number of a count or a percentage; 0 for what is neither. */
function readAmount(value: unknown): number {
  if (typeof value === 'number') return value
  return /^[0-9]+%$/.test(String(value)) ? Number.parseInt(String(value), 10) : 0
}

function checkAmount(value: unknown, field: string): FieldError[] {
  if (typeof value !== 'string' || /^[0-9]+%$/.test(value)) return []
  return [invalid(field, value, percentRule)]
}

function checkRolling(rolling: Record<string, unknown>): FieldError[] {
  const { maxUnavailable = 1, maxSurge = 0 } = rolling
  const at = (name: string): string => `${place}.rollingUpdate.${name}`
  const errors = [...checkAmount(maxUnavailable, at('maxUnavailable')), ...checkAmount(maxSurge, at('maxSurge'))]
  const [unavailable, surge] = [readAmount(maxUnavailable), readAmount(maxSurge)]
  if (unavailable !== 0 && surge !== 0)
    errors.push(invalid(at('maxSurge'), maxSurge, 'may not be set when maxUnavailable is non-zero'))
  if (unavailable === 0 && surge === 0) errors.push(required(at('maxUnavailable'), 'cannot be 0 when maxSurge is 0'))
  return errors
}

/** Everything wrong with how a DaemonSet is to be updated. */
export function validateUpdateStrategy({ spec }: ApiObject): FieldError[] {
  const strategy = isRecord(spec) && isRecord(spec['updateStrategy']) ? spec['updateStrategy'] : {}
  const { type, rollingUpdate } = strategy
  if (typeof type !== 'string' || !strategies.includes(type))
    return [notSupported(place, { Type: type, RollingUpdate: rollingUpdate ?? null }, strategies)]
  return type === 'RollingUpdate' && isRecord(rollingUpdate) ? checkRolling(rollingUpdate) : []
}
