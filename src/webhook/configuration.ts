import { containsModulesLabel } from '../api/labels.ts'
import { managedClusterModules, modules, preflightValidations } from '../api/resources.ts'
import { webhookPaths } from './server/routes.ts'

/** A ValidatingWebhookConfiguration as it is applied to a cluster. */
export interface WebhookConfiguration {
  apiVersion: 'admissionregistration.k8s.io/v1'
  kind: 'ValidatingWebhookConfiguration'
  metadata: { name: string; annotations: Record<string, string> }
  webhooks: Webhook[]
}

interface Webhook {
  name: string
  admissionReviewVersions: string[]
  clientConfig: { service: { name: string; namespace: string; path: string } }
  failurePolicy: 'Fail'
  namespaceSelector?: { matchLabels: Record<string, string> }
  rules: { apiGroups: string[]; apiVersions: string[]; operations: string[]; resources: string[] }[]
  sideEffects: 'None'
}

interface Place {
  /** Before the names of everything that is installed: `kmm-operator-`. */
  prefix: string
  namespace: string
}

interface Subject {
  group: string
  version: string
  plural: string
}

function describeWebhook(
  { prefix, namespace }: Place,
  { name, path }: { name: string; path: string },
  { group, version, plural }: Subject,
  operations: string[],
): Webhook {
  return {
    name,
    admissionReviewVersions: ['v1'],
    clientConfig: { service: { name: `${prefix}webhook-service`, namespace, path } },
    failurePolicy: 'Fail',
    rules: [{ apiGroups: [group], apiVersions: [version], operations, resources: [plural] }],
    sideEffects: 'None',
  }
}

function describeConfiguration({ prefix, namespace }: Place, webhooks: Webhook[]): WebhookConfiguration {
  return {
    apiVersion: 'admissionregistration.k8s.io/v1',
    kind: 'ValidatingWebhookConfiguration',
    metadata: {
      name: `${prefix}validating-webhook-configuration`,
      // Means something where cert-manager makes the certificate, and nothing elsewhere.
      annotations: { 'cert-manager.io/inject-ca-from': `${namespace}/${prefix}serving-cert` },
    },
    webhooks,
  }
}

const operator = { prefix: 'kmm-operator-', namespace: 'kmm-operator-system' }
const hub = { prefix: 'kmm-operator-hub-', namespace: 'kmm-operator-system' }
const writes = ['CREATE', 'UPDATE']

/** What API servers ask the operator's webhook; names, paths and rules are upstream's. */
export const operatorConfiguration = describeConfiguration(operator, [
  describeWebhook(operator, { name: 'vmodule.kb.io', path: webhookPaths.module }, modules, writes),
  {
    ...describeWebhook(
      operator,
      { name: 'namespace-deletion.kmm.sigs.k8s.io', path: webhookPaths.namespace },
      { group: '', version: 'v1', plural: 'namespaces' },
      ['DELETE'],
    ),
    namespaceSelector: { matchLabels: { [containsModulesLabel]: '' } },
  },
  describeWebhook(
    operator,
    { name: 'vpreflightvalidation.kb.io', path: webhookPaths.preflightValidation },
    preflightValidations,
    writes,
  ),
])

/** What API servers ask the hub's webhook. */
export const hubConfiguration = describeConfiguration(hub, [
  describeWebhook(
    hub,
    { name: 'vmanagedclustermodule.kb.io', path: webhookPaths.managedClusterModule },
    managedClusterModules,
    writes,
  ),
])
