import type { WriteRequest } from '../hooks.ts'
import type { ApiObject } from '../object.ts'
import type { Store } from '../store.ts'
import { isSameResource, namespaces } from './known-resources.ts'
import { type LabelSelector, matchesSelector } from './label-selector.ts'

/** What a webhook wants to be asked about. */
export interface WebhookRule {
  operations?: string[]
  apiGroups?: string[]
  apiVersions?: string[]
  resources?: string[]
  scope?: string
}

/** One webhook of a ValidatingWebhookConfiguration. */
export interface Webhook {
  name: string
  clientConfig?: {
    url?: string
    caBundle?: string
    service?: { namespace: string; name: string; path?: string; port?: number }
  }
  rules?: WebhookRule[]
  failurePolicy?: string
  timeoutSeconds?: number
  namespaceSelector?: LabelSelector
  objectSelector?: LabelSelector
  sideEffects?: string
  matchConditions?: unknown[]
}

/** A ValidatingWebhookConfiguration as the server stores it. */
export interface WebhookConfiguration extends ApiObject {
  webhooks?: Webhook[]
}

const listed = (list: readonly string[] | undefined, value: string): boolean =>
  list !== undefined && (list.includes('*') || list.includes(value))

function matchesResource(names: readonly string[] | undefined, { resource, subresource }: WriteRequest): boolean {
  const { plural } = resource
  if (subresource === undefined) return listed(names, plural) || names?.includes('*/*') === true
  return [`${plural}/${subresource}`, `${plural}/*`, `*/${subresource}`, '*/*'].some((name) => names?.includes(name))
}

function matchesScope(scope: string | undefined, namespaced: boolean): boolean {
  if (scope === undefined || scope === '*') return true
  return scope === (namespaced ? 'Namespaced' : 'Cluster')
}

function matchesRule(rule: WebhookRule, request: WriteRequest): boolean {
  const { resource, operation } = request
  return (
    listed(rule.operations, operation) &&
    listed(rule.apiGroups, resource.group) &&
    listed(rule.apiVersions, resource.version) &&
    matchesResource(rule.resources, request) &&
    matchesScope(rule.scope, resource.namespaced)
  )
}

function matchesNamespace(webhook: Webhook, request: WriteRequest, store: Store): boolean {
  if (webhook.namespaceSelector === undefined) return true
  if (isSameResource(request.resource, namespaces)) {
    const labels = (request.object ?? request.oldObject)?.metadata.labels ?? {}
    return matchesSelector(webhook.namespaceSelector, labels)
  }
  if (request.namespace === undefined) return true
  const labels = store.find(namespaces, { name: request.namespace })?.metadata.labels ?? {}
  return matchesSelector(webhook.namespaceSelector, labels)
}

function matchesObject(webhook: Webhook, request: WriteRequest): boolean {
  const versions = [request.object, request.oldObject].filter((object) => object !== undefined)
  return versions.some((object) => matchesSelector(webhook.objectSelector, object.metadata.labels ?? {}))
}

/** True when a write is one that the webhook wants to see. */
export function matchesWebhook(webhook: Webhook, request: WriteRequest, store: Store): boolean {
  if (request.resource.group === 'admissionregistration.k8s.io') return false
  return (
    (webhook.rules ?? []).some((rule) => matchesRule(rule, request)) &&
    matchesNamespace(webhook, request, store) &&
    matchesObject(webhook, request)
  )
}
