import { kmmGroup } from '../../api/resources.ts'
import { isJsonObject, type JsonObject } from '../../api/schema/json.ts'
import type { Json } from '../../api/schema/schema.ts'
import { readKeeper, writeKeeper } from './keeper.ts'
import { isKey, isKeyable, keyOf, orderKeys, splitKey } from './result-key.ts'

/** The versions of PreflightValidation; the last is stored. */
export const preflightVersions = ['v1beta1', 'v1beta2'] as const

export type PreflightVersion = (typeof preflightVersions)[number]

/** On an object in v1beta1: what only v1beta2 can say. */
export const newerAnnotation = 'kmm.sigs.x-k8s.io/preflight-v1beta2'
/** On an object in v1beta2: what only v1beta1 can say. */
export const olderAnnotation = 'kmm.sigs.x-k8s.io/preflight-v1beta1'

const sharedFields = ['lastTransitionTime', 'statusReason', 'verificationStage', 'verificationStatus']

const isEmpty = (object: JsonObject): boolean => Object.keys(object).length === 0
const asObject = (value: Json | undefined): JsonObject => (isJsonObject(value) ? value : {})
const asList = (value: Json | undefined): Json[] => (Array.isArray(value) ? value : [])

/** The fields of a result that both versions have, or those that only v1beta2 has. */
function pickFields({ name: _name, namespace: _namespace, ...fields }: JsonObject, shared: boolean): JsonObject {
  return Object.fromEntries(Object.entries(fields).filter(([field]) => sharedFields.includes(field) === shared))
}

/** To v1beta1: the list becomes a map by `namespace/name`. */
function toOlderStatus(status: JsonObject, kept: JsonObject): { status: JsonObject; keeper: JsonObject } {
  const { modules, ...others } = status
  const list = asList(modules)
  const results = list.filter(isKeyable)
  const keys = results.map(keyOf)
  const onlyNewer = results.map((each) => [keyOf(each), pickFields(each, false)] as const)
  const rest = Object.fromEntries(onlyNewer.filter(([, fields]) => !isEmpty(fields)))
  // A map has no order, and no place for a result without a key.
  const isLost = results.length < list.length || orderKeys(keys).some((key, index) => key !== keys[index])
  const keeper = {
    ...(isEmpty(others) ? {} : { status: others }),
    ...(isEmpty(rest) ? {} : { modules: rest }),
    ...(isLost ? { order: list.map((each) => (isKeyable(each) ? keyOf(each) : each)) } : {}),
  }
  if (modules === undefined) return { status: {}, keeper }
  const crStatuses = Object.fromEntries(results.map((each) => [keyOf(each), pickFields(each, true)]))
  return { status: { crStatuses: { ...asObject(kept['crStatuses']), ...crStatuses } }, keeper }
}

/** To v1beta2: the map becomes a list; keys that name no Module in a namespace are kept aside. */
function toNewerStatus(status: JsonObject, kept: JsonObject): { status: JsonObject; keeper: JsonObject } {
  const { crStatuses } = status
  const entries = Object.entries(asObject(crStatuses)).filter(([, value]) => isJsonObject(value))
  const results = new Map(entries.filter(([key]) => isKey(key)))
  const rest = asObject(kept['modules'])
  const toResult = (item: Json): Json => {
    if (typeof item !== 'string') return item
    const fields = Object.hasOwn(rest, item) ? asObject(rest[item]) : {}
    return { ...fields, ...asObject(results.get(item)), ...splitKey(item) }
  }
  const modules = orderKeys([...results.keys()], asList(kept['order'])).map(toResult)
  const others = Object.fromEntries(entries.filter(([key]) => !isKey(key)))
  return {
    status: { ...asObject(kept['status']), ...(crStatuses === undefined ? {} : { modules }) },
    keeper: isEmpty(others) ? {} : { crStatuses: others },
  }
}

const directions = {
  v1beta1: { convert: toOlderStatus, drop: olderAnnotation, add: newerAnnotation },
  v1beta2: { convert: toNewerStatus, drop: newerAnnotation, add: olderAnnotation },
} as const

/**
 * Turns a PreflightValidation into another version; one that has it already stays as it is. The same in gives the same out. What the
 * other version cannot say stands in an annotation until the way back (upstream loses it).
 */
export function convertPreflight(object: JsonObject, from: PreflightVersion, to: PreflightVersion): JsonObject {
  if (from === to) return object
  const { convert, drop, add } = directions[to]
  const { status, ...rest } = object
  const converted = isJsonObject(status) ? convert(status, readKeeper(object, drop)) : undefined
  const body = converted === undefined ? {} : { status: converted.status }
  const apiVersion = `${kmmGroup}/${to}`
  return writeKeeper({ ...rest, apiVersion, ...body }, { drop, add, keeper: converted?.keeper ?? {} })
}
