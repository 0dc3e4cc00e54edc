import { X509Certificate } from 'node:crypto'
import type { CustomResourceDefinition } from 'kubernetes-types/apiextensions/v1.js'
import { hasCode } from '../../errors/error.ts'
import type { KubeClient } from '../../kube/client.ts'
import { customResourceDefinitions, validatingWebhookConfigurations } from '../../kube/core-resources.ts'
import type { KubeObject } from '../../kube/object.ts'
import type { Resource } from '../../kube/resource.ts'
import { type CertificateSet, formatBundle, isNew } from './certificate-set.ts'
import { splitPem } from './pem.ts'

interface ClientConfig {
  caBundle?: string
}

/** Which objects of the cluster tell API servers whom to trust. */
export interface TrustPlaces {
  webhookConfiguration: string
  /** Name of the definition whose conversion is asked of the webhook; absent where it is asked of nobody. */
  definition?: string
}

/** Nobody had more. */
const mostKept = 4

/** Whom API servers are to trust from a time (epoch) on. */
export interface Trust {
  set: CertificateSet
  nowMs: number
}

/** Puts the authorities into all places. Answers those that do not exist; only what differs is written. */
export async function injectTrust(
  client: KubeClient,
  places: TrustPlaces,
  trusted: Trust,
  signal: AbortSignal,
): Promise<string[]> {
  const trust = <T extends ClientConfig>(config: T): T => ({ ...config, caBundle: makeBundle(config, trusted) })
  const isTrusting = (config: ClientConfig): boolean => config.caBundle === makeBundle(config, trusted)
  const foundConfiguration = await edit(
    { client, resource: validatingWebhookConfigurations, signal },
    places.webhookConfiguration,
    (object) => {
      const { webhooks = [] } = object
      if (webhooks.every(({ clientConfig }) => isTrusting(clientConfig))) return undefined
      return { ...object, webhooks: webhooks.map((each) => ({ ...each, clientConfig: trust(each.clientConfig) })) }
    },
  )
  const { definition } = places
  const foundDefinition =
    definition === undefined ||
    (await edit({ client, resource: customResourceDefinitions, signal }, definition, (object) =>
      editConversion(object, trusted),
    ))
  return [
    ...(foundConfiguration ? [] : [`ValidatingWebhookConfiguration ${places.webhookConfiguration}`]),
    ...(foundDefinition ? [] : [`CustomResourceDefinition ${definition}`]),
  ]
}

/**
 * The authorities of the set, base64 of PEM. While the set is new, those that were trusted before stay behind them: other replicas
 * serve what these issued until they look again.
 */
function makeBundle({ caBundle = '' }: ClientConfig, { set, nowMs }: Trust): string {
  const own = formatBundle(set)
  const before = isNew(set, nowMs) ? splitPem(Buffer.from(caBundle, 'base64').toString()) : []
  const ended = before.map((each) => `${each.trim()}\n`)
  const kept = ended.filter((each) => !own.includes(each) && isValid(each, nowMs)).slice(0, mostKept)
  return Buffer.from([own, ...kept].join('')).toString('base64')
}

function isValid(certificate: string, nowMs: number): boolean {
  try {
    return new Date(new X509Certificate(certificate).validTo).getTime() > nowMs
  } catch {
    return false
  }
}

function editConversion(object: CustomResourceDefinition, trusted: Trust): CustomResourceDefinition | undefined {
  const { conversion } = object.spec
  const { webhook } = conversion ?? {}
  if (conversion === undefined || webhook?.clientConfig === undefined) return undefined
  const caBundle = makeBundle(webhook.clientConfig, trusted)
  if (webhook.clientConfig.caBundle === caBundle) return undefined
  const clientConfig = { ...webhook.clientConfig, caBundle }
  return { ...object, spec: { ...object.spec, conversion: { ...conversion, webhook: { ...webhook, clientConfig } } } }
}

interface Access<T extends KubeObject> {
  client: KubeClient
  resource: Resource<T>
  signal: AbortSignal
}

/** Answers whether the object exists. A Conflict is thrown: the next pass reads again. */
async function edit<T extends KubeObject>(
  { client, resource, signal }: Access<T>,
  name: string,
  change: (object: T) => T | undefined,
): Promise<boolean> {
  try {
    const changed = change(await client.get(resource, { name }, signal))
    if (changed !== undefined) await client.replace(resource, changed, { signal })
    return true
  } catch (error) {
    if (hasCode(error, 'NotFound')) return false
    throw error
  }
}
