import { randomUUID } from 'node:crypto'
import type { StructuralSchema } from '../../../api/schema/schema.ts'
import { applySchema } from '../../../api/schema/structural.ts'
import type { Definition, DefinitionConversion, DefinitionVersion } from '../definition.ts'
import { deepFreeze, type ApiObject } from '../object.ts'
import { StatusError } from '../status-error.ts'
import { callWebhook, type WebhookOptions } from '../webhook-call.ts'
import { makeReview, readConverted, reviewVersions } from './conversion-review.ts'

/** Turns an object into another version of its kind; one that has it already stays as it is. */
export type Convert = (object: ApiObject, apiVersion: string) => Promise<ApiObject>

/** How one version relates to what is stored where a webhook is asked for it. */
export interface WebhookConversion {
  fromStored(object: ApiObject): Promise<ApiObject>
  toStored(object: ApiObject): Promise<ApiObject>
  /** For lists and watches: each stored object is converted once, as by the watch cache of the real server. */
  fromCache(object: ApiObject): Promise<ApiObject>
}

const timeoutSeconds = 30

/** Asks the webhook of a definition as it is now. Fails with 500, as the real server does. */
export function createConvert(findDefinition: () => Definition | undefined, options: WebhookOptions): Convert {
  return async (object, apiVersion) => {
    const definition = findDefinition()
    if (object.apiVersion === apiVersion || definition === undefined) return object
    const { conversion, group, versions } = definition.spec
    if (conversion?.strategy !== 'Webhook') return { ...object, apiVersion }
    if (!versions.some(({ name }) => `${group}/${name}` === object.apiVersion))
      throw failure(`request to convert CR from an invalid group/version: ${object.apiVersion}`)
    return ask(conversion, { object, apiVersion }, options)
  }
}

async function ask(
  { webhook = {} }: DefinitionConversion,
  subject: { object: ApiObject; apiVersion: string },
  options: WebhookOptions,
): Promise<ApiObject> {
  const { clientConfig = {}, conversionReviewVersions = [] } = webhook
  const reviewVersion = conversionReviewVersions.find((each) => reviewVersions.includes(each)) ?? 'v1'
  const question = { uid: randomUUID(), reviewVersion, ...subject }
  const { apiVersion, kind } = subject.object
  try {
    const call = { config: clientConfig, timeoutSeconds, review: makeReview(question) }
    const answer = await callWebhook(call, options).catch((error: unknown) => {
      throw new Error(`conversion webhook for ${apiVersion}, Kind=${kind} failed: ${wordsOf(error)}`, { cause: error })
    })
    return readConverted(answer, question)
  } catch (error) {
    throw failure(wordsOf(error))
  }
}

const wordsOf = (error: unknown): string => (error instanceof Error ? error.message : String(error))

const failure = (message: string): StatusError => new StatusError(message, { status: 500, reason: '' })

/** Fields that the version does not know are dropped; nothing is defaulted and nothing validated. */
function prune(object: ApiObject, versions: readonly DefinitionVersion[]): ApiObject {
  const version = versions.find(({ name }) => object.apiVersion.endsWith(`/${name}`))
  const schema = (version?.schema?.openAPIV3Schema ?? {}) as StructuralSchema
  return deepFreeze(applySchema(schema, object, { prune: true }).value)
}

/** The conversion between a served version and the stored one. */
export function createWebhookConversion(
  convert: Convert,
  versions: readonly DefinitionVersion[],
  apiVersions: { served: string; stored: string },
): WebhookConversion {
  const change = async (object: ApiObject, apiVersion: string): Promise<ApiObject> => {
    const converted = await convert(object, apiVersion)
    return converted === object ? object : prune(converted, versions)
  }
  const cache = new WeakMap<ApiObject, Promise<ApiObject>>()
  const fromStored = (object: ApiObject): Promise<ApiObject> => change(object, apiVersions.served)
  return {
    fromStored,
    toStored: (object) => change(object, apiVersions.stored),
    fromCache: (object) => {
      const known = cache.get(object)
      if (known !== undefined) return known
      const converted = fromStored(object)
      cache.set(object, converted)
      // What failed is tried again.
      converted.catch(() => cache.delete(object))
      return converted
    },
  }
}
