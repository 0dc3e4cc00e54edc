import { createHash } from 'node:crypto'
import { apiVersionOf } from '../../../kube/resource.ts'
import type { OpenApiSchema } from '../hooks.ts'
import { isRecord } from '../object.ts'
import type { Registry, ServedResource } from '../registry.ts'
import { serverVersion } from './version.ts'

const metaName = 'io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta'
const strings = { type: 'object', additionalProperties: { type: 'string', default: '' } }

const ownerReference: OpenApiSchema = {
  type: 'object',
  required: ['apiVersion', 'kind', 'name', 'uid'],
  properties: {
    apiVersion: { type: 'string' },
    kind: { type: 'string' },
    name: { type: 'string' },
    uid: { type: 'string' },
    controller: { type: 'boolean' },
    blockOwnerDeletion: { type: 'boolean' },
  },
}

const objectMeta: OpenApiSchema = {
  description: 'What every stored object has: its names, times and labels.',
  type: 'object',
  properties: {
    name: { type: 'string', description: 'Unique within a namespace; cannot be changed.' },
    generateName: { type: 'string', description: 'A prefix from which the server makes a name.' },
    namespace: { type: 'string', description: 'The space in which the name is unique.' },
    uid: { type: 'string', description: 'Unique in time and space; made by the server.' },
    resourceVersion: { type: 'string', description: 'Changes with each write; compare for equality only.' },
    generation: { type: 'integer', format: 'int64', description: 'Counts changes of what is wanted.' },
    creationTimestamp: { type: 'string', format: 'date-time', description: 'When it was stored.' },
    deletionTimestamp: { type: 'string', format: 'date-time', description: 'Set when it is being deleted.' },
    deletionGracePeriodSeconds: { type: 'integer', format: 'int64', description: 'Seconds left to end well.' },
    labels: { ...strings, description: 'Pairs that selectors pick objects by.' },
    annotations: { ...strings, description: 'Pairs for tools, not for selection.' },
    finalizers: { type: 'array', items: { type: 'string' }, description: 'Must be empty before it is removed.' },
    ownerReferences: { type: 'array', items: ownerReference, description: 'Objects that this one depends on.' },
  },
}

const open: OpenApiSchema = { type: 'object', 'x-kubernetes-preserve-unknown-fields': true }

/** Top-level fields of the built-in kinds besides type and metadata; their insides are not described. */
const builtInFields: Readonly<Record<string, readonly string[]>> = {
  ConfigMap: ['data', 'binaryData', 'immutable'],
  Secret: ['data', 'stringData', 'type', 'immutable'],
  ServiceAccount: ['secrets', 'imagePullSecrets', 'automountServiceAccountToken'],
  Event: ['involvedObject', 'reason', 'message', 'type', 'count', 'source', 'firstTimestamp', 'lastTimestamp'],
  ControllerRevision: ['data', 'revision'],
  PriorityClass: ['value', 'globalDefault', 'description', 'preemptionPolicy'],
  Role: ['rules'],
  ClusterRole: ['rules', 'aggregationRule'],
  RoleBinding: ['roleRef', 'subjects'],
  ClusterRoleBinding: ['roleRef', 'subjects'],
  ValidatingWebhookConfiguration: ['webhooks'],
  Lease: ['spec'],
  DeviceClass: ['spec'],
  LimitRange: ['spec'],
}

/** The name of a kind's schema: `io.k8s.api.apps.v1.DaemonSet`, `io.x-k8s.sigs.kmm.v1beta1.Module`. */
function componentName({ group, version, kind, custom }: ServedResource): string {
  if (custom) return [...group.split('.').reverse(), version, kind].join('.')
  return `io.k8s.api.${group === '' ? 'core' : group.split('.')[0]}.${version}.${kind}`
}

function describeKind(resource: ServedResource): OpenApiSchema {
  const { group, version, kind } = resource
  const base = resource.custom ? (resource.schema ?? {}) : describeBuiltIn(kind)
  const properties = isRecord(base['properties']) ? base['properties'] : {}
  return {
    ...base,
    type: 'object',
    properties: {
      ...properties,
      apiVersion: { type: 'string', description: 'The version of this kind of object.' },
      kind: { type: 'string', description: 'The kind of object.' },
      metadata: {
        allOf: [{ $ref: `#/components/schemas/${metaName}` }],
        default: {},
        description: 'Standard metadata.',
      },
    },
    'x-kubernetes-group-version-kind': [{ group, version, kind }],
  }
}

function describeBuiltIn(kind: string): OpenApiSchema {
  const fields = builtInFields[kind] ?? ['spec', 'status']
  const description = `${kind} is built in; the sandbox describes its top-level fields only.`
  return { description, type: 'object', properties: Object.fromEntries(fields.map((field) => [field, open])) }
}

const queryParameter = (name: string): object => ({ name, in: 'query', schema: { type: 'string', uniqueItems: true } })

function describePaths(resource: ServedResource): Record<string, unknown> {
  const { group, version, kind, plural, namespaced } = resource
  const root = group === '' ? `/api/${version}` : `/apis/${group}/${version}`
  const collection = namespaced ? `${root}/namespaces/{namespace}/${plural}` : `${root}/${plural}`
  const operation = (action: string, body: object): object => ({
    'x-kubernetes-action': action,
    'x-kubernetes-group-version-kind': { group, version, kind },
    parameters: ['dryRun', 'fieldManager', 'fieldValidation'].map(queryParameter),
    requestBody: { content: body, required: true },
    responses: { '200': { description: 'OK' } },
  })
  const schema = { $ref: `#/components/schemas/${componentName(resource)}` }
  const whole = { 'application/json': { schema } }
  // No strategic merge patch here: without merge keys in the schemas, clients must use the ones they know.
  const patches = { 'application/json-patch+json': {}, 'application/merge-patch+json': {} }
  return {
    [collection]: { post: operation('post', whole) },
    [`${collection}/{name}`]: { put: operation('put', whole), patch: operation('patch', patches) },
  }
}

/** Makes the OpenAPI v3 documents of the served kinds, one a group and version; kept until the kinds change. */
export class OpenApi {
  readonly #registry: Registry
  #documents = new Map<string, string>()
  #revision = -1

  constructor(registry: Registry) {
    this.#registry = registry
  }

  /** `/openapi/v3`: where the documents are. */
  index(): Record<string, unknown> {
    const paths = [...this.#current()].map(([path, text]) => {
      const hash = createHash('sha256').update(text).digest('hex').slice(0, 32).toUpperCase()
      return [path, { serverRelativeURL: `/openapi/v3/${path}?hash=${hash}` }]
    })
    return { paths: Object.fromEntries(paths) }
  }

  /** The document of `api/v1`, `apis/apps/v1` and so on, as JSON text. */
  document(path: string): string | undefined {
    return this.#current().get(path)
  }

  #current(): Map<string, string> {
    if (this.#revision === this.#registry.revision) return this.#documents
    const groups = new Map<string, ServedResource[]>()
    for (const resource of this.#registry.list()) {
      const path = `${resource.group === '' ? 'api' : 'apis'}/${apiVersionOf(resource)}`
      groups.set(path, [...(groups.get(path) ?? []), resource])
    }
    this.#documents = new Map([...groups].map(([path, resources]) => [path, JSON.stringify(describe(resources))]))
    this.#revision = this.#registry.revision
    return this.#documents
  }
}

function describe(resources: readonly ServedResource[]): Record<string, unknown> {
  const schemas = Object.fromEntries(resources.map((resource) => [componentName(resource), describeKind(resource)]))
  return {
    openapi: '3.0.0',
    info: { title: 'KMM sandbox', version: serverVersion.gitVersion },
    paths: Object.assign({}, ...resources.map(describePaths)) as Record<string, unknown>,
    components: { schemas: { ...schemas, [metaName]: objectMeta } },
  }
}
