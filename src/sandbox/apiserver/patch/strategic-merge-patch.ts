import { isRecord, sameJson } from '../object.ts'
import { badRequest, StatusError } from '../status-error.ts'
import { listStrategyAt, type ListStrategy } from './merge-keys.ts'

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
  if (how !== undefined && how !== 'merge') throw unknownDirective(how, patch)
  const result = retain(target, changes[retainKeys])
  for (const [field, value] of Object.entries(changes)) {
    if (field.startsWith('$')) continue
    if (value === null) delete result[field]
    else result[field] = mergeValue(result[field], value, below(place, field))
  }
  removeListed(result, changes)
  reorder(result, { original: target, changes, place })
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
  // The words for a patch mean nothing in a list that is replaced whole.
  if (!strategy) return [...patch]
  if (replaces) return patch.filter((item) => !isBareDirective(item)).map(stripDirectives)
  const order = { wanted: patch, original: target, identify: identifyBy(strategy) }
  if (strategy.kind === 'set') return arrange([...new Set([...target, ...patch])], order)
  return arrange(mergeKeyed(target, patch, strategy.key, place), order)
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

/** Puts lists into the order that `$setElementOrder` names. */
function reorder(
  result: Fields,
  { original, changes, place }: { original: Fields; changes: Fields; place: Place },
): void {
  for (const [name, wanted] of Object.entries(changes)) {
    if (!name.startsWith(orderPrefix) || !Array.isArray(wanted)) continue
    const field = name.slice(orderPrefix.length)
    const list = result[field]
    const before = original[field]
    if (!Array.isArray(list)) continue
    const identify = identifyBy(listStrategyAt(place.kind, [...place.path, field]))
    result[field] = arrange(list, { wanted, original: Array.isArray(before) ? before : [], identify })
  }
}

const identifyBy =
  (strategy: ListStrategy | undefined) =>
  (item: unknown): unknown =>
    strategy?.kind === 'key' && isRecord(item) ? item[strategy.key] : item

interface Order {
  /** The order of those that a patch names. */
  wanted: readonly unknown[]
  /** The order in which the others were. */
  original: readonly unknown[]
  readonly identify: (item: unknown) => unknown
}

/** Merges the items that a patch names, in its order, with the others in theirs; what is new comes as early as it can. */
function arrange(merged: readonly unknown[], { wanted, original, identify }: Order): unknown[] {
  const placeIn = (list: readonly unknown[], item: unknown): number =>
    list.findIndex((each) => sameJson(identify(each), identify(item)))
  const named = merged.filter((item) => placeIn(wanted, item) >= 0)
  named.sort((a, b) => placeIn(wanted, a) - placeIn(wanted, b))
  const others = merged.filter((item) => placeIn(wanted, item) < 0)
  const result: unknown[] = []
  while (named.length > 0 && others.length > 0) {
    const [left, right] = [placeIn(original, others[0]), placeIn(original, named[0])]
    const isOtherFirst = left >= 0 && right >= 0 && left < right
    result.push(isOtherFirst ? others.shift() : named.shift())
  }
  return [...result, ...others, ...named]
}

function unknownDirective(how: unknown, patch: Fields): StatusError {
  const fields = Object.entries(patch).map(([field, value]) => `${field}:${String(value)}`)
  return new StatusError(`unknown patch type: ${String(how)} in map: map[${fields.join(' ')}]`, {
    status: 500,
    reason: '',
  })
}

/** A new value as the patch gives it, without words that are meant for the patch alone. */
function stripDirectives(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(stripDirectives)
  if (!isRecord(value)) return value
  const entries = Object.entries(value).filter(([field, child]) => !field.startsWith('$') && child !== null)
  return Object.fromEntries(entries.map(([field, child]) => [field, stripDirectives(child)]))
}
