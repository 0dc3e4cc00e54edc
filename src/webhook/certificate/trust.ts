import { X509Certificate } from 'node:crypto'
import type { ValidatingWebhookConfiguration as WebhookConfiguration } from 'kubernetes-types/admissionregistration/v1.js'
import type { CustomResourceDefinition } from 'kubernetes-types/apiextensions/v1.js'
import type { ObjectMeta } from 'kubernetes-types/meta/v1.js'
import { hasCode } from '../../errors/error.ts'
import type { KubeClient } from '../../kube/client.ts'
import { customResourceDefinitions, validatingWebhookConfigurations } from '../../kube/core-resources.ts'
import type { KubeObject } from '../../kube/object.ts'
import type { Resource } from '../../kube/resource.ts'
import { authorityName, type CertificateSet, formatBundle, isNew } from './certificate-set.ts'
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

/** What became of the places, each with its kind. */
export interface TrustAnswer {
  /** Those that do not exist. */
  absent: string[]
  /** Those in which somebody else had put an authority; cert-manager is asked no more to do so. */
  takenOver: string[]
}

/** Puts the authorities into all places; only what differs is written. */
export async function injectTrust(
  client: KubeClient,
  { webhookConfiguration, definition }: TrustPlaces,
  trusted: Trust,
  signal: AbortSignal,
): Promise<TrustAnswer> {
  const answer: TrustAnswer = { absent: [], takenOver: [] }
  const note = (place: string, result: EditResult): void => {
    if (result !== 'done') answer[result].push(place)
  }
  note(
    `ValidatingWebhookConfiguration ${webhookConfiguration}`,
    await edit({ client, resource: validatingWebhookConfigurations, signal }, webhookConfiguration, (object) =>
      editConfiguration(object, trusted),
    ),
  )
  if (definition === undefined) return answer
  note(
    `CustomResourceDefinition ${definition}`,
    await edit({ client, resource: customResourceDefinitions, signal }, definition, (object) =>
      editConversion(object, trusted),
    ),
  )
  return answer
}

const parse = (certificate: string): X509Certificate | undefined => {
  try {
    return new X509Certificate(certificate)
  } catch {
    return undefined
  }
}

const readBundle = ({ caBundle = '' }: ClientConfig): string[] => splitPem(Buffer.from(caBundle, 'base64').toString())

/**
 * The authorities of the set, base64 of PEM. While the set is new, those that were trusted before stay behind them: other replicas
 * serve what these issued until they look again.
 */
function makeBundle(config: ClientConfig, { set, nowMs }: Trust): string {
  const own = formatBundle(set)
  const before = isNew(set, nowMs) ? readBundle(config).map((each) => `${each.trim()}\n`) : []
  const isValid = (each: string): boolean => new Date(parse(each)?.validTo ?? 0).getTime() > nowMs
  const kept = before.filter((each) => !own.includes(each) && isValid(each)).slice(0, mostKept)
  return Buffer.from([own, ...kept].join('')).toString('base64')
}

/** True for authorities of others alone. */
function isForeign(config: ClientConfig): boolean {
  const subjects = readBundle(config).map((each) => parse(each)?.subject.split('\n'))
  return subjects.length > 0 && subjects.every((lines) => !lines?.includes(`CN=${authorityName}`))
}

const injectorPrefix = 'cert-manager.io/inject-'

/** The metadata; without what asks cert-manager to put its authority over ours, where it did. */
function claim({ metadata = {} }: KubeObject, configs: readonly ClientConfig[]): ObjectMeta {
  if (!configs.some(isForeign)) return metadata
  const { annotations = {}, ...rest } = metadata
  const others = Object.entries(annotations).filter(([key]) => !key.startsWith(injectorPrefix))
  return { ...rest, annotations: Object.fromEntries(others) }
}

function editConfiguration(object: WebhookConfiguration, trusted: Trust): WebhookConfiguration | undefined {
  const { webhooks = [] } = object
  const trust = <T extends ClientConfig>(config: T): T => ({ ...config, caBundle: makeBundle(config, trusted) })
  const configs = webhooks.map(({ clientConfig }) => clientConfig)
  if (configs.every((each) => each.caBundle === makeBundle(each, trusted))) return undefined
  const edited = webhooks.map((each) => ({ ...each, clientConfig: trust(each.clientConfig) }))
  return { ...object, metadata: claim(object, configs), webhooks: edited }
}

function editConversion(object: CustomResourceDefinition, trusted: Trust): CustomResourceDefinition | undefined {
  const { conversion } = object.spec
  const { webhook } = conversion ?? {}
  if (conversion === undefined || webhook?.clientConfig === undefined) return undefined
  const caBundle = makeBundle(webhook.clientConfig, trusted)
  if (webhook.clientConfig.caBundle === caBundle) return undefined
  const clientConfig = { ...webhook.clientConfig, caBundle }
  const spec = { ...object.spec, conversion: { ...conversion, webhook: { ...webhook, clientConfig } } }
  return { ...object, metadata: claim(object, [webhook.clientConfig]), spec }
}

interface Access<T extends KubeObject> {
  client: KubeClient
  resource: Resource<T>
  signal: AbortSignal
}

type EditResult = keyof TrustAnswer | 'done'

/** A Conflict is thrown: the next pass reads again. */
async function edit<T extends KubeObject>(
  { client, resource, signal }: Access<T>,
  name: string,
  change: (object: T) => T | undefined,
): Promise<EditResult> {
  try {
    const present = await client.get(resource, { name }, signal)
    const changed = change(present)
    if (changed === undefined) return 'done'
    await client.replace(resource, changed, { signal })
    return changed.metadata === present.metadata ? 'done' : 'takenOver'
  } catch (error) {
    if (hasCode(error, 'NotFound')) return 'absent'
    throw error
  }
}
