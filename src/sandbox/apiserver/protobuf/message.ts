import { formatTime } from '../deletion.ts'
import { isRecord } from '../object.ts'
import { readFields, type WireField } from './wire.ts'

/** A message that is shown as its only field, as quantities are. */
interface OnlyField {
  only: 'string'
}

type ValueType = 'string' | 'bytes' | OnlyField

/** How one field of a message becomes JSON. A list in brackets repeats, `map` is a map from strings. */
export type FieldType =
  | 'string'
  | 'number'
  | 'boolean'
  | 'bytes'
  | 'time'
  | MessageType
  | readonly [FieldType]
  | { map: ValueType }
  | OnlyField

/** The fields of a message by number: JSON name and type. Fields that are not named are left out. */
export type MessageType = ReadonlyMap<number, readonly [string, FieldType]>

/** Declares a message. */
export function message(fields: Readonly<Record<number, readonly [string, FieldType]>>): MessageType {
  return new Map(Object.entries(fields).map(([number, field]) => [Number(number), field]))
}

/** Decodes a message into the JSON object that it stands for; empty strings and lists are left out, as Go leaves them. */
export function decodeMessage(type: MessageType, bytes: Buffer): Record<string, unknown> {
  const result: Record<string, unknown> = {}
  for (const field of readFields(bytes)) {
    const [name, fieldType] = type.get(field.number) ?? []
    if (name === undefined || fieldType === undefined) continue
    const value = decodeInto(fieldType, field, result[name])
    if (value !== undefined && value !== '') result[name] = value
  }
  return result
}

function decodeInto(type: FieldType, field: WireField, before: unknown): unknown {
  if (isList(type)) return [...(Array.isArray(before) ? before : []), decodeValue(type[0], field)]
  if (typeof type === 'object' && 'map' in type)
    return { ...(isRecord(before) ? before : {}), ...decodeEntry(type.map, field) }
  return decodeValue(type, field)
}

const isList = (type: FieldType): type is readonly [FieldType] => Array.isArray(type)

function decodeEntry(type: ValueType, { value }: WireField): Record<string, unknown> {
  const fields = readFields(asBytes(value))
  const key = asBytes(fields.find((field) => field.number === 1)?.value).toString()
  const found = fields.find((field) => field.number === 2) ?? { number: 2, value: Buffer.alloc(0) }
  return { [key]: decodeValue(type, found) }
}

function decodeValue(type: FieldType, { value }: WireField): unknown {
  switch (type) {
    case 'string':
      return asBytes(value).toString()
    case 'bytes':
      return asBytes(value).toString('base64')
    case 'number':
      return Number(value)
    case 'boolean':
      return value !== 0
    case 'time':
      return decodeTime(asBytes(value))
    default:
      return decodeNested(type, asBytes(value))
  }
}

function decodeNested(type: Exclude<FieldType, string>, bytes: Buffer): unknown {
  if (type instanceof Map) return decodeMessage(type as MessageType, bytes)
  if ('only' in type) return asBytes(readFields(bytes).find((field) => field.number === 1)?.value).toString()
  return undefined
}

/** Seconds since the epoch in field 1; a message without it is no time at all. */
function decodeTime(bytes: Buffer): string | undefined {
  const seconds = readFields(bytes).find((field) => field.number === 1)?.value
  return typeof seconds === 'number' && seconds > 0 ? formatTime(seconds * 1000) : undefined
}

const asBytes = (value: number | Buffer | undefined): Buffer => (Buffer.isBuffer(value) ? value : Buffer.alloc(0))
