import type { ApiResource, Equivalent, WriteRequest } from '../hooks.ts'
import type { ApiObject } from '../object.ts'
import type { Store } from '../store.ts'
import type { WebhookClientConfig } from '../webhook-call.ts'
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
  clientConfig?: WebhookClientConfig
  rules?: WebhookRule[]
  failurePolicy?: string
  /** `Equivalent`, the default, or `Exact`. */
  matchPolicy?: string
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

function matchesResource(names: readonly string[] | undefined, plural: string, subresource?: string): boolean {
  if (subresource === undefined) return listed(names, plural) || names?.includes('*/*') === true
  return [`${plural}/${subresource}`, `${plural}/*`, `*/${subresource}`, '*/*'].some((name) => names?.includes(name))
}

function matchesScope(scope: string | undefined, namespaced: boolean): boolean {
  if (scope === undefined || scope === '*') return true
  return scope === (namespaced ? 'Namespaced' : 'Cluster')
}

function matchesRule(rule: WebhookRule, request: WriteRequest, resource: ApiResource): boolean {
  const { operation } = request
  return (
    listed(rule.operations, operation) &&
    listed(rule.apiGroups, resource.group) &&
    listed(rule.apiVersions, resource.version) &&
    matchesResource(rule.resources, resource.plural, request.subresource) &&
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

/** The version in which a webhook wants to see a write; without `convert` it is that of the write. */
export interface MatchedVersion {
  resource: ApiResource
  convert?: Equivalent['convert']
}

/** The version that a webhook's rules name: that of the write, else the first other one of the same objects. */
function findVersion({ rules = [], matchPolicy }: Webhook, request: WriteRequest): MatchedVersion | undefined {
  const { resource } = request
  if (rules.some((rule) => matchesRule(rule, request, resource))) return { resource }
  if (matchPolicy === 'Exact') return undefined
  const { equivalents = [] } = resource
  const found = rules.map((rule) => equivalents.find((each) => matchesRule(rule, request, each.resource)))
  return found.find((each) => each !== undefined)
}

/** In which version a webhook is to be asked about a write; undefined when it does not want to see it. */
export function matchWebhook(webhook: Webhook, request: WriteRequest, store: Store): MatchedVersion | undefined {
  if (request.resource.group === 'admissionregistration.k8s.io') return undefined
  if (!matchesNamespace(webhook, request, store) || !matchesObject(webhook, request)) return undefined
  return findVersion(webhook, request)
}
