import { isRecord, sameJson } from '../object.ts'
import { badRequest } from '../status-error.ts'
import { listStrategyAt } from './merge-keys.ts'

type Fields = Record<string, unknown>

const directive = '$patch'
const retainKeys = '$retainKeys'
const deletePrefix = '$deleteFromPrimitiveList/'
const orderPrefix = '$setElementOrder/'

/** Where a patch is at: the kind whose lists have merge keys, and the field names down to here. */
interface Place {
  kind: string
  path: readonly string[]
}

const below = (place: Place, field: string): Place => ({ kind: place.kind, path: [...place.path, field] })

/**
 * Applies a strategic merge patch to an object of a built-in kind: like a merge patch, but lists with merge keys are
 * merged item by item, and `$patch`, `$retainKeys`, `$deleteFromPrimitiveList` and `$setElementOrder` are obeyed.
 */
export function applyStrategicMergePatch(kind: string, target: unknown, patch: unknown): unknown {
  if (!isRecord(patch)) throw badRequest('a strategic merge patch must be an object')
  return mergeObject(isRecord(target) ? target : {}, patch, { kind, path: [] })
}

function mergeObject(target: Fields, patch: Fields, place: Place): Fields {
  const { [directive]: how, ...changes } = patch
  if (how === 'replace') return stripDirectives(changes) as Fields
  if (how === 'delete') return {}
  if (how !== undefined && how !== 'merge') throw badRequest(`unknown patch type ${JSON.stringify(how)}`)
  const result = retain(target, changes[retainKeys])
  for (const [field, value] of Object.entries(changes)) {
    if (field.startsWith('$')) continue
    if (value === null) delete result[field]
    else result[field] = mergeValue(result[field], value, below(place, field))
  }
  removeListed(result, changes)
  reorder(result, changes, place)
  return result
}

function mergeValue(target: unknown, value: unknown, place: Place): unknown {
  if (Array.isArray(value)) return mergeList(Array.isArray(target) ? target : [], value, place)
  if (isRecord(value)) return mergeObject(isRecord(target) ? target : {}, value, place)
  return value
}

function mergeList(target: readonly unknown[], patch: readonly unknown[], place: Place): unknown[] {
  const strategy = listStrategyAt(place.kind, place.path)
  const replaces = patch.some(
    (item) => isRecord(item) && item[directive] === 'replace' && Object.keys(item).length === 1,
  )
  if (!strategy || replaces) return patch.filter((item) => !isBareDirective(item)).map(stripDirectives)
  if (strategy.kind === 'set') return [...target, ...patch.filter((item) => !target.includes(item))]
  return mergeKeyed(target, patch, strategy.key, place)
}

function isBareDirective(item: unknown): boolean {
  return isRecord(item) && item[directive] !== undefined && Object.keys(item).length === 1
}

function mergeKeyed(target: readonly unknown[], patch: readonly unknown[], key: string, place: Place): unknown[] {
  let result = [...target]
  for (const item of patch) {
    if (!isRecord(item) || item[key] === undefined) {
      throw badRequest(`map: ${JSON.stringify(item)} does not contain declared merge key: ${key}`)
    }
    const isSame = (other: unknown): boolean => isRecord(other) && sameJson(other[key], item[key])
    const index = result.findIndex(isSame)
    if (item[directive] === 'delete') result = result.filter((other) => !isSame(other))
    else if (index < 0) result.push(mergeValue(undefined, item, place))
    else result[index] = mergeValue(result[index], item, place)
  }
  return result
}

/** Keeps only the fields that `$retainKeys` names, when it is there. */
function retain(target: Fields, keys: unknown): Fields {
  if (!Array.isArray(keys)) return { ...target }
  return Object.fromEntries(Object.entries(target).filter(([field]) => keys.includes(field)))
}

function removeListed(result: Fields, patch: Fields): void {
  for (const [name, values] of Object.entries(patch)) {
    if (!name.startsWith(deletePrefix) || !Array.isArray(values)) continue
    const field = name.slice(deletePrefix.length)
    const list = result[field]
    if (Array.isArray(list)) result[field] = list.filter((item) => !values.includes(item))
  }
}

/** Puts the items that `$setElementOrder` names into its order; the others keep their places behind their neighbours. */
function reorder(result: Fields, patch: Fields, place: Place): void {
  for (const [name, order] of Object.entries(patch)) {
    if (!name.startsWith(orderPrefix) || !Array.isArray(order)) continue
    const field = name.slice(orderPrefix.length)
    const list = result[field]
    if (!Array.isArray(list)) continue
    const strategy = listStrategyAt(place.kind, [...place.path, field])
    const identify = (item: unknown): unknown =>
      strategy?.kind === 'key' && isRecord(item) ? item[strategy.key] : item
    const wanted = order.map(identify)
    const rank = (item: unknown): number => wanted.findIndex((each) => sameJson(each, identify(item)))
    const ranked = list.filter((item) => rank(item) >= 0).sort((a, b) => rank(a) - rank(b))
    result[field] = list.map((item: unknown) => (rank(item) < 0 ? item : ranked.shift()))
  }
}

/** A new value as the patch gives it, without words that are meant for the patch alone. */
function stripDirectives(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(stripDirectives)
  if (!isRecord(value)) return value
  const entries = Object.entries(value).filter(([field, child]) => !field.startsWith('$') && child !== null)
  return Object.fromEntries(entries.map(([field, child]) => [field, stripDirectives(child)]))
}
