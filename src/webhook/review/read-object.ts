import { customResourceDefinitions } from '../../api/crds.ts'
import type { FieldError } from '../../api/schema/field-error.ts'
import { isJsonObject, type JsonObject } from '../../api/schema/json.ts'
import type { StructuralSchema } from '../../api/schema/schema.ts'
import { applySchema } from '../../api/schema/structural.ts'
import { badReview } from './bad-review.ts'

/** A kind of object in one version. */
export interface ObjectType {
  group: string
  version: string
  kind: string
}

/** The schema of a custom resource of KMM. Throws Invalid for any other kind. */
export function findSchema({ group, version, kind }: ObjectType): StructuralSchema {
  const definition = customResourceDefinitions.find(({ spec }) => spec.group === group && spec.names.kind === kind)
  const found = definition?.spec.versions.find((each) => each.name === version)
  if (found === undefined) throw badReview(`${group}/${version} ${kind} is no resource of KMM`)
  return found.schema.openAPIV3Schema
}

const isAbsent = (value: unknown): boolean => value === undefined || value === null
const isText = (value: unknown): boolean => typeof value === 'string'

/** What of metadata anybody here reads, and what it has to be. */
const metadataFields = {
  name: isText,
  namespace: isText,
  deletionTimestamp: isText,
  labels: isJsonObject,
  annotations: isJsonObject,
} as const

/** Throws Invalid unless an object says that it is of this kind and has metadata. */
export function checkObject(object: JsonObject, { group, version, kind }: ObjectType, path: string): void {
  const { metadata } = object
  const apiVersion = group === '' ? version : `${group}/${version}`
  if (object['apiVersion'] !== apiVersion || object['kind'] !== kind)
    throw badReview(`${path} is not a ${kind} of ${apiVersion}`)
  if (!isJsonObject(metadata)) throw badReview(`${path}.metadata is not an object`)
  for (const [name, isRight] of Object.entries(metadataFields))
    if (!isAbsent(metadata[name]) && !isRight(metadata[name]))
      throw badReview(`${path}.metadata.${name} has not the type that it must have`)
}

/** An object in the shape of its kind, with defaults; or why it has not that shape. */
export type ReadObject<T> = { value: T } | { errors: FieldError[] }

/**
 * Gives an object the shape of its kind. `T` is trusted after that; it must be the type of the kind's schema. The API server has
 * applied the same schema, so errors mean that something else asks.
 */
export function readObject<T>(object: JsonObject, type: ObjectType): ReadObject<T> {
  const { metadata, ...rest } = object
  const { value, errors } = applySchema(findSchema(type), rest as JsonObject, { prune: true, default: true })
  if (errors.length > 0) return { errors }
  const present = Object.entries(metadata as JsonObject).filter(([, each]) => each !== null)
  const named = { name: '', namespace: '', ...Object.fromEntries(present) }
  return { value: { ...value, metadata: named } as T }
}
