import type { ValidationRequest } from '../hooks.ts'
import { isRecord, sameJson } from '../object.ts'
import { explainSelector } from './device-selector.ts'
import { type FieldError, invalid, required, tooLong, tooMany } from './field-error.ts'
import { checkName, explainSubdomain } from './names.ts'

const maximumItems = 32
const maximumDriver = 63
const maximumBytes = 10_240

type Fields = Record<string, unknown>

const fieldsOf = (value: unknown): Fields => (isRecord(value) ? value : {})

const textOf = (value: unknown): string => (typeof value === 'string' ? value : '')

function checkSelector(selector: Fields, field: string): FieldError[] {
  if (selector['cel'] === undefined) return [required(`${field}.cel`)]
  const at = `${field}.cel.expression`
  const text = textOf(fieldsOf(selector['cel'])['expression'])
  if (text.length > maximumBytes) return [tooLong(at, maximumBytes)]
  const why = explainSelector(text)
  return why === undefined ? [] : [invalid(at, text, why)]
}

function checkDriver(driver: string, field: string): FieldError[] {
  if (driver === '') return [required(field)]
  const long = driver.length > maximumDriver ? [tooLong(field, maximumDriver)] : []
  return [...long, ...checkName(field, driver, explainSubdomain)]
}

function checkParameters(parameters: unknown, field: string): FieldError[] {
  if (parameters === undefined || parameters === null) return [required(field)]
  if (JSON.stringify(parameters).length > maximumBytes) return [tooLong(field, maximumBytes)]
  return isRecord(parameters) ? [] : [invalid(field, '<value omitted>', 'must be a valid JSON object')]
}

function checkConfiguration(configuration: Fields, field: string): FieldError[] {
  if (configuration['opaque'] === undefined) return [required(`${field}.opaque`)]
  const { driver, parameters } = fieldsOf(configuration['opaque'])
  return [
    ...checkDriver(textOf(driver), `${field}.opaque.driver`),
    ...checkParameters(parameters, `${field}.opaque.parameters`),
  ]
}

function checkItems(items: unknown, field: string, check: (item: Fields, field: string) => FieldError[]): FieldError[] {
  if (!Array.isArray(items)) return []
  if (items.length > maximumItems) return [tooMany(field, items.length, maximumItems)]
  return items.flatMap((item, index) => check(fieldsOf(item), `${field}[${index}]`))
}

/** Everything wrong with a DeviceClass, below its metadata; what stays as it was stored is not judged again. */
export function validateDeviceClass({ object, oldObject }: ValidationRequest): FieldError[] {
  const [spec, old] = [fieldsOf(object['spec']), fieldsOf(oldObject?.['spec'])]
  const isNew = (field: string): boolean => oldObject === undefined || !sameJson(spec[field], old[field])
  const name = spec['extendedResourceName']
  const isDomain = typeof name !== 'string' || (/^[a-z0-9.-]+\/[\w.-]+$/.test(name) && !name.includes('kubernetes.io/'))
  return [
    ...(isNew('selectors') ? checkItems(spec['selectors'], 'spec.selectors', checkSelector) : []),
    ...(isNew('config') ? checkItems(spec['config'], 'spec.config', checkConfiguration) : []),
    ...(isDomain ? [] : [invalid('spec.extendedResourceName', name, 'must be a valid extended resource name')]),
  ]
}
