import { RE2JS } from 're2js'
import type { StructuralSchema } from '../../../api/schema/schema.ts'
import { describeError } from '../../../errors/error.ts'
import { type CelRule, compileCelRule } from './cel-rule.ts'
import { withObjectMeta } from './cel-types.ts'
import { listCelRules } from './cel-validation.ts'
import { type FieldError, forbidden, invalid, notSupported, required } from './field-error.ts'

type Level = 'root' | 'field' | 'item'

const typeWords: Readonly<Record<Level, string>> = {
  root: 'must not be empty at the root',
  field: 'must not be empty for specified object fields',
  item: 'must not be empty for specified array items',
}
const types = ['array', 'boolean', 'integer', 'number', 'object', 'string']

function checkType(schema: StructuralSchema, field: string, level: Level): FieldError[] {
  const { type } = schema
  const isEmbedded = schema['x-kubernetes-embedded-resource'] === true
  const isFree =
    schema['x-kubernetes-int-or-string'] === true || schema['x-kubernetes-preserve-unknown-fields'] === true
  const embedded = 'must be object if x-kubernetes-embedded-resource is true'
  if (isEmbedded && type !== 'object')
    return type === undefined ? [required(`${field}.type`, embedded)] : [invalid(`${field}.type`, type, embedded)]
  if (type === undefined) return isFree ? [] : [required(`${field}.type`, typeWords[level])]
  if (level === 'root' && type !== 'object') return [invalid(`${field}.type`, type, 'must be object at the root')]
  if (types.includes(type)) return []
  return [notSupported(`${field}.type`, type, types)]
}

const nameFields = ['name', 'generateName']

function checkMetadata(schema: StructuralSchema, field: string, level: Level): FieldError[] {
  const metadata = schema.properties?.['metadata']
  if (metadata === undefined || level !== 'root') return []
  const { type, properties = {}, description: _description, ...rest } = metadata
  const at = `${field}.properties[metadata]`
  if (type !== 'object') return [invalid(`${at}.type`, type ?? '', 'must be object')]
  if (Object.keys(rest).length === 0 && Object.keys(properties).every((name) => nameFields.includes(name))) return []
  const why = 'must not specify anything other than name and generateName, but metadata is implicitly specified'
  return [forbidden(at, why)]
}

function checkPattern(pattern: string | undefined, field: string): FieldError[] {
  if (pattern === undefined) return []
  try {
    RE2JS.compile(pattern)
    return []
  } catch (error) {
    const why = `must be a valid regular expression, but isn't: ${describeError(error)}`
    return [invalid(`${field}.pattern`, pattern, why)]
  }
}

/** What may stand only outside of `anyOf` and its like, with the words that follow the field. */
const structuralKeywords: Readonly<Record<string, string>> = {
  type: 'must be empty to be structural',
  default: 'must be undefined to be structural',
  additionalProperties: 'must be undefined to be structural',
  title: 'must be empty to be structural',
  description: 'must be empty to be structural',
  nullable: 'must be false to be structural',
  'x-kubernetes-preserve-unknown-fields': 'must be false to be structural',
  'x-kubernetes-embedded-resource': 'must be false to be structural',
  'x-kubernetes-int-or-string': 'must be false to be structural',
  'x-kubernetes-list-map-keys': 'must be empty to be structural',
  'x-kubernetes-list-type': 'must be undefined to be structural',
  'x-kubernetes-map-type': 'must be undefined to be structural',
  'x-kubernetes-validations': 'must be empty to be structural',
}

function checkNested(schema: StructuralSchema, field: string): FieldError[] {
  const own = Object.entries(structuralKeywords)
    .filter(([keyword]) => Object.hasOwn(schema, keyword))
    .map(([keyword, why]) => forbidden(`${field}.${keyword}`, why))
  const below = Object.entries(schema.properties ?? {}).flatMap(([name, property]) =>
    checkNested(property, `${field}.properties[${name}]`),
  )
  const items = schema.items === undefined ? [] : checkNested(schema.items, `${field}.items`)
  return [...own, ...below, ...items]
}

interface Junctors {
  anyOf?: StructuralSchema[]
  allOf?: StructuralSchema[]
  oneOf?: StructuralSchema[]
  not?: StructuralSchema
}

const intOrString = JSON.stringify([{ type: 'integer' }, { type: 'string' }])

function checkJunctors(schema: StructuralSchema & Junctors, field: string): FieldError[] {
  const { anyOf = [], allOf = [], oneOf = [], not } = schema
  const isIntOrString = JSON.stringify(anyOf) === intOrString
  const lists = { anyOf: isIntOrString ? [] : anyOf, allOf, oneOf }
  const nested = Object.entries(lists).flatMap(([keyword, schemas]) =>
    schemas.flatMap((each, index) => checkNested(each, `${field}.${keyword}[${index}]`)),
  )
  return not === undefined ? nested : [...nested, ...checkNested(not, `${field}.not`)]
}

function checkChildren(schema: StructuralSchema, field: string, level: Level): FieldError[] {
  const { items, properties = {} } = schema
  const additional: StructuralSchema | boolean | undefined = schema.additionalProperties
  const errors = Object.entries(properties).flatMap(([name, property]) =>
    checkStructure(property, `${field}.properties[${name}]`, 'field'),
  )
  if (items !== undefined) errors.push(...checkStructure(items, `${field}.items`, 'item'))
  else if (schema.type === 'array') errors.push(required(`${field}.items`, 'must be specified'))
  if (additional !== undefined && level === 'root')
    errors.push(forbidden(`${field}.additionalProperties`, 'must not be used at the root'))
  if (typeof additional === 'object')
    errors.push(...checkStructure(additional, `${field}.additionalProperties`, 'field'))
  return errors
}

function checkExclusive(schema: StructuralSchema, field: string): FieldError[] {
  const errors: FieldError[] = []
  if (schema.properties !== undefined && schema.additionalProperties !== undefined)
    errors.push(forbidden(`${field}.additionalProperties`, 'additionalProperties and properties are mutual exclusive'))
  if (schema['x-kubernetes-int-or-string'] === true && schema['x-kubernetes-preserve-unknown-fields'] === true)
    errors.push(
      invalid(
        `${field}.x-kubernetes-preserve-unknown-fields`,
        true,
        'must be false if x-kubernetes-int-or-string is true',
      ),
    )
  return errors
}

function checkStructure(schema: StructuralSchema, field: string, level: Level): FieldError[] {
  return [
    ...checkChildren(schema, field, level),
    ...checkExclusive(schema, field),
    ...checkJunctors(schema, field),
    ...checkPattern(schema.pattern, field),
    ...checkType(schema, field, level),
    ...checkMetadata(schema, field, level),
  ]
}

/** A rule as the server shows it in a message. */
function showRule(rule: CelRule): unknown {
  return {
    Rule: rule.rule,
    Message: rule.message ?? '',
    MessageExpression: rule.messageExpression ?? '',
    Reason: rule.reason ?? null,
    FieldPath: rule.fieldPath ?? '',
    OptionalOldSelf: rule.optionalOldSelf ?? null,
  }
}

const reasons = ['FieldValueDuplicate', 'FieldValueForbidden', 'FieldValueInvalid', 'FieldValueRequired']

function checkMessage({ message = '', rule }: CelRule, field: string): FieldError[] {
  if (message !== '' && message.trim() === '') return [invalid(field, message, 'must be non-empty if specified')]
  if (message.includes('\n')) return [invalid(field, message, 'must not contain line breaks')]
  if (message !== '' || !rule.trim().includes('\n')) return []
  return [required(field, 'message must be specified if rule contains line breaks')]
}

function checkRuleTexts(rule: CelRule, field: string): FieldError[] {
  const { reason } = rule
  if (rule.rule.trim() === '') return [required(`${field}.rule`, 'rule is not specified')]
  const errors = checkMessage(rule, `${field}.message`)
  if (reason !== undefined && !reasons.includes(reason)) errors.push(notSupported(`${field}.reason`, reason, reasons))
  return errors
}

function checkRule(schema: StructuralSchema, rule: CelRule, field: string): FieldError[] {
  const errors = checkRuleTexts(rule, field)
  if (errors.length > 0) return errors
  const { error, messageError } = compileCelRule(schema, rule)
  if (error !== undefined) errors.push(invalid(`${field}.rule`, showRule(rule), error))
  if (messageError !== undefined) errors.push(invalid(`${field}.messageExpression`, showRule(rule), messageError))
  return errors
}

function checkRules(schema: StructuralSchema, field: string, isRoot: boolean): FieldError[] {
  const own = isRoot ? withObjectMeta(schema) : schema
  const errors = listCelRules(schema).flatMap((rule, index) =>
    checkRule(own, rule, `${field}.x-kubernetes-validations[${index}]`),
  )
  for (const [name, property] of Object.entries(schema.properties ?? {}))
    errors.push(...checkRules(property, `${field}.properties[${name}]`, false))
  if (schema.items !== undefined) errors.push(...checkRules(schema.items, `${field}.items`, false))
  const additional: StructuralSchema | boolean | undefined = schema.additionalProperties
  if (typeof additional === 'object') errors.push(...checkRules(additional, `${field}.additionalProperties`, false))
  return errors
}

/** Everything wrong with the schema of a definition: whether it is structural, then whether its rules compile. */
export function validateDefinitionSchema(schema: StructuralSchema, field: string): FieldError[] {
  const errors = checkStructure(schema, field, 'root')
  if (errors.length > 0)
    return errors.sort((a, b) => (`${a.field}: ${a.message}` < `${b.field}: ${b.message}` ? -1 : 1))
  return checkRules(schema, field, true)
}
