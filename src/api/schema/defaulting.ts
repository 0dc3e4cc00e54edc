import { cloneJson, isJsonObject, type JsonObject, memberOf } from './json.ts'
import type { Json, StructuralSchema } from './schema.ts'

function fillProperties(object: JsonObject, schema: StructuralSchema): void {
  for (const [name, property] of Object.entries(schema.properties ?? {})) {
    if (property.default === undefined) continue
    const absent = !Object.hasOwn(object, name) || (object[name] === null && property.nullable !== true)
    if (absent) object[name] = cloneJson(property.default)
  }
}

function settleObject(object: JsonObject, schema: StructuralSchema): void {
  fillProperties(object, schema)
  for (const name of Object.keys(object)) {
    const member = memberOf(schema, name)
    const value = object[name]
    if (member === undefined || value === undefined) continue
    if (value !== null) applyDefaults(value, member)
    else if (member.nullable !== true) settleNull(object, name, member)
  }
}

function settleNull(object: JsonObject, name: string, member: StructuralSchema): void {
  if (member.default === undefined) delete object[name]
  else object[name] = cloneJson(member.default)
}

function settleItem(item: Json, schema: StructuralSchema): Json {
  if (item === null && schema.nullable !== true && schema.default !== undefined) return cloneJson(schema.default)
  applyDefaults(item, schema)
  return item
}

/**
 * Fills absent fields with their defaults and drops nulls where the schema does not allow null, in place. A default is
 * filled in only where the object that holds the field is there. Nulls in a list stay, and fail validation.
 */
export function applyDefaults(value: Json, schema: StructuralSchema): void {
  const { items } = schema
  if (isJsonObject(value)) settleObject(value, schema)
  else if (Array.isArray(value) && items !== undefined)
    value.forEach((item, index) => {
      value[index] = settleItem(item, items)
    })
}
