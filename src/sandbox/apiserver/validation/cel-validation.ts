import { sameJson } from '../object.ts'
import type { StructuralSchema } from '../../../api/schema/schema.ts'
import { type CelProgram, type CelRule, type CompiledRule, compileCelRule } from './cel-rule.ts'
import { withObjectMeta } from './cel-types.ts'
import { toCelValue } from './cel-values.ts'
import { duplicate, type FieldError, forbidden, invalid, invalidWithoutValue, required } from './field-error.ts'

/** A schema with its rules compiled, and the compiled schemas below it that lead to rules. */
export interface CelValidator {
  schema: StructuralSchema
  rules: CompiledRule[]
  items: CelValidator | undefined
  values: CelValidator | undefined
  properties: Map<string, CelValidator>
}

/** The rules that a schema carries. */
export function listCelRules(schema: StructuralSchema): CelRule[] {
  return schema['x-kubernetes-validations'] ?? []
}

/** Compiles all rules of a schema; undefined when it holds none. */
export function compileCelRules(schema: StructuralSchema, isRoot = true): CelValidator | undefined {
  const ownSchema = isRoot ? withObjectMeta(schema) : schema
  const validator: CelValidator = {
    schema: ownSchema,
    rules: listCelRules(schema).map((rule) => compileCelRule(ownSchema, rule)),
    items: compileBelow(schema.items),
    values: compileBelow(schema.additionalProperties),
    properties: compileProperties(schema),
  }
  const { rules, properties, items, values } = validator
  return rules.length > 0 || properties.size > 0 || items || values ? validator : undefined
}

function compileBelow(schema: StructuralSchema | boolean | undefined): CelValidator | undefined {
  return typeof schema === 'object' ? compileCelRules(schema, false) : undefined
}

function compileProperties(schema: StructuralSchema): Map<string, CelValidator> {
  const properties = new Map<string, CelValidator>()
  for (const [name, property] of Object.entries(schema.properties ?? {})) {
    const validator = compileCelRules(property, false)
    if (validator !== undefined) properties.set(name, validator)
  }
  return properties
}

const ruleText = (rule: CelRule): string => (rule.message ? rule.message : rule.rule).trim()

function describeRuntimeFailure(error: string, rule: CelRule): string {
  if (error.startsWith('no such overload'))
    return `'${error}': call arguments did not match a supported operator, function or macro signature for rule: ${ruleText(rule)}`
  if (error.startsWith('operation cancelled'))
    return `'${error}': no further validation rules will be run due to call cost exceeds limit for rule: ${ruleText(rule)}`
  return `${error} evaluating rule: ${ruleText(rule)}`
}

function describeFailure(rule: CelRule, message: CelProgram | undefined, self: unknown, oldSelf: unknown): string {
  const outcome = message?.run(self, oldSelf)
  if (outcome !== undefined && 'value' in outcome && typeof outcome.value === 'string') {
    const text = outcome.value.trim()
    if (text !== '' && !text.includes('\n')) return text
  }
  return rule.message ? rule.message.trim() : `failed rule: ${ruleText(rule)}`
}

function errorForReason(rule: CelRule, field: string, value: unknown, detail: string): FieldError {
  const isAggregate = typeof value === 'object' && value !== null
  switch (rule.reason) {
    case 'FieldValueForbidden':
      return forbidden(field, detail)
    case 'FieldValueRequired':
      return required(field, detail)
    case 'FieldValueDuplicate':
      return duplicate(field, value)
    default:
      return isAggregate ? invalidWithoutValue(field, detail) : invalid(field, value, detail)
  }
}

interface Place {
  field: string
  value: unknown
  oldValue: unknown
}

/** Thrown to end the whole walk once an expression was refused for its cost. */
class OverBudget extends Error {}

interface Values {
  self: unknown
  /** Undefined when nothing is stored that it could be compared with. */
  oldSelf: unknown
}

function readValues(place: Place, schema: StructuralSchema): Values {
  const hasOld = place.oldValue !== undefined && place.oldValue !== null
  return {
    self: toCelValue(place.value, schema),
    oldSelf: hasOld ? toCelValue(place.oldValue, schema) : undefined,
  }
}

/** A transition needs an old value; what is stored already and stays as it is may break a rule that came later. */
function mustHold({ rule, program }: CompiledRule, place: Place, { oldSelf }: Values): boolean {
  if (program?.usesOldSelf === true) return oldSelf !== undefined || rule.optionalOldSelf === true
  return place.oldValue === undefined || !sameJson(place.value, place.oldValue)
}

function runRule(compiled: CompiledRule, validator: CelValidator, place: Place, errors: FieldError[]): void {
  const { rule, program, error } = compiled
  const type = validator.schema.type ?? ''
  if (program === undefined) {
    errors.push(invalid(place.field, type, `rule compile error: ${error ?? ''}`))
    return
  }
  const values = readValues(place, validator.schema)
  if (!mustHold(compiled, place, values)) return
  const outcome = program.run(values.self, values.oldSelf)
  if ('error' in outcome) {
    errors.push(invalid(place.field, type, describeRuntimeFailure(outcome.error, rule)))
    if (outcome.isOverBudget) throw new OverBudget()
  } else if (outcome.value !== true) errors.push(describeBrokenRule(compiled, place, values))
}

function describeBrokenRule({ rule, message }: CompiledRule, place: Place, values: Values): FieldError {
  const detail = describeFailure(rule, message, values.self, values.oldSelf)
  return errorForReason(rule, `${place.field}${rule.fieldPath ?? ''}`, place.value, detail)
}

const asRecord = (value: unknown): Record<string, unknown> | undefined =>
  typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Record<string, unknown>) : undefined

const join = (field: string, name: string): string => (field === '' ? name : `${field}.${name}`)

function findOldItem(schema: StructuralSchema, item: unknown, oldList: unknown): unknown {
  const keys = schema['x-kubernetes-list-map-keys']
  const wanted = asRecord(item)
  if (schema['x-kubernetes-list-type'] !== 'map' || !Array.isArray(oldList) || keys === undefined || !wanted)
    return undefined
  return oldList.find((old) => keys.every((key) => asRecord(old)?.[key] === wanted[key]))
}

function walkList(validator: CelValidator, place: Place, list: unknown[], errors: FieldError[]): void {
  const { items } = validator
  if (items === undefined) return
  list.forEach((item, index) => {
    const oldValue = findOldItem(validator.schema, item, place.oldValue)
    walk(items, { field: `${place.field}[${index}]`, value: item, oldValue }, errors)
  })
}

function walkObject(
  validator: CelValidator,
  place: Place,
  object: Record<string, unknown>,
  errors: FieldError[],
): void {
  const old = validator.schema['x-kubernetes-map-type'] === 'atomic' ? undefined : asRecord(place.oldValue)
  for (const [name, value] of Object.entries(object)) {
    const oldValue = old !== undefined && Object.hasOwn(old, name) ? old[name] : undefined
    const property = validator.properties.get(name)
    if (property !== undefined) walk(property, { field: join(place.field, name), value, oldValue }, errors)
    if (validator.values !== undefined)
      walk(validator.values, { field: `${place.field}[${name}]`, value, oldValue }, errors)
  }
}

function walk(validator: CelValidator, place: Place, errors: FieldError[]): void {
  if (place.value === undefined || place.value === null) return
  for (const compiled of validator.rules) runRule(compiled, validator, place, errors)
  const object = asRecord(place.value)
  if (Array.isArray(place.value)) walkList(validator, place, place.value, errors)
  else if (object !== undefined) walkObject(validator, place, object, errors)
}

/**
 * Runs every rule that applies to an object; `oldObject` is what the server stores now, absent on creation, where rules
 * that use `oldSelf` are passed over.
 */
export function validateCelRules(validator: CelValidator, object: unknown, oldObject?: unknown): FieldError[] {
  const errors: FieldError[] = []
  try {
    walk(validator, { field: '', value: object, oldValue: oldObject }, errors)
  } catch (error) {
    if (!(error instanceof OverBudget)) throw error
  }
  return errors
}
