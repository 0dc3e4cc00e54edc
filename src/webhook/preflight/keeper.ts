import { isJsonObject, type JsonObject } from '../../api/schema/json.ts'

/** All annotations of an object together may have 262,144 bytes; what is kept aside leaves room for others. */
const mostBytes = 131_072

/** What an annotation keeps aside; empty where it is absent or nobody of ours wrote it. */
export function readKeeper(object: JsonObject, annotation: string): JsonObject {
  const { metadata } = object
  const annotations = isJsonObject(metadata) ? metadata['annotations'] : undefined
  const text = isJsonObject(annotations) ? annotations[annotation] : undefined
  if (typeof text !== 'string' || text.length > mostBytes) return {}
  try {
    const value: unknown = JSON.parse(text)
    return isJsonObject(value) ? value : {}
  } catch {
    return {}
  }
}

/** Which annotation goes, and which comes with what it keeps aside. */
export interface KeeperChange {
  drop: string
  add: string
  keeper: JsonObject
}

/** The object with the one annotation in place of the other; an empty keeper has none. What is too large is not kept. */
export function writeKeeper(object: JsonObject, { drop, add, keeper }: KeeperChange): JsonObject {
  const metadata = isJsonObject(object['metadata']) ? object['metadata'] : {}
  const { annotations: present, ...rest } = metadata
  const { [drop]: _dropped, [add]: _replaced, ...others } = isJsonObject(present) ? present : {}
  const text = Object.keys(keeper).length === 0 ? undefined : JSON.stringify(keeper)
  const isKept = text !== undefined && Buffer.byteLength(text) <= mostBytes
  const annotations = { ...others, ...(isKept ? { [add]: text } : {}) }
  const isEmpty = Object.keys(annotations).length === 0
  return { ...object, metadata: { ...rest, ...(isEmpty ? {} : { annotations }) } }
}
