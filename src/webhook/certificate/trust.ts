import type { CustomResourceDefinition } from 'kubernetes-types/apiextensions/v1.js'
import { hasCode } from '../../errors/error.ts'
import type { KubeClient } from '../../kube/client.ts'
import { customResourceDefinitions, validatingWebhookConfigurations } from '../../kube/core-resources.ts'
import type { KubeObject } from '../../kube/object.ts'
import type { Resource } from '../../kube/resource.ts'

interface ClientConfig {
  caBundle?: string
}

/** Which objects of the cluster tell API servers whom to trust. */
export interface TrustPlaces {
  webhookConfiguration: string
  /** Name of the definition whose conversion is asked of the webhook; absent where it is asked of nobody. */
  definition?: string
}

/** Puts the bundle (PEM) into all of them. Answers those that do not exist; only what differs is written. */
export async function injectTrust(
  client: KubeClient,
  places: TrustPlaces,
  bundle: string,
  signal: AbortSignal,
): Promise<string[]> {
  const caBundle = Buffer.from(bundle).toString('base64')
  const trust = <T extends ClientConfig>(config: T): T => ({ ...config, caBundle })
  const foundConfiguration = await edit(
    { client, resource: validatingWebhookConfigurations, signal },
    places.webhookConfiguration,
    (object) => {
      const { webhooks = [] } = object
      if (webhooks.every(({ clientConfig }) => clientConfig.caBundle === caBundle)) return undefined
      return { ...object, webhooks: webhooks.map((each) => ({ ...each, clientConfig: trust(each.clientConfig) })) }
    },
  )
  const { definition } = places
  const foundDefinition =
    definition === undefined ||
    (await edit({ client, resource: customResourceDefinitions, signal }, definition, (object) =>
      editConversion(object, caBundle),
    ))
  return [
    ...(foundConfiguration ? [] : [`ValidatingWebhookConfiguration ${places.webhookConfiguration}`]),
    ...(foundDefinition ? [] : [`CustomResourceDefinition ${definition}`]),
  ]
}

function editConversion(object: CustomResourceDefinition, caBundle: string): CustomResourceDefinition | undefined {
  const { conversion } = object.spec
  const { webhook } = conversion ?? {}
  if (conversion === undefined || webhook?.clientConfig === undefined || webhook.clientConfig.caBundle === caBundle)
    return undefined
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
