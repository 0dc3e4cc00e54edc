import { createHash } from 'node:crypto'
import { apiVersionOf } from '../../../kube/resource.ts'
import type { OpenApiSchema } from '../hooks.ts'
import { isRecord } from '../object.ts'
import type { Registry, ServedResource } from '../registry.ts'
import { builtInComponentName, builtInComponents, metadataComponents, metadataName } from './built-in-components.ts'
import { serverVersion } from './version.ts'

/** What `kubectl explain` says of metadata. */
const metadataWords: Readonly<Record<string, string>> = {
  name: 'Unique within a namespace; cannot be changed.',
  generateName: 'A prefix from which the server makes a name.',
  namespace: 'The space in which the name is unique.',
  uid: 'Unique in time and space; made by the server.',
  resourceVersion: 'Changes with each write; compare for equality only.',
  generation: 'Counts changes of what is wanted.',
  creationTimestamp: 'When it was stored.',
  deletionTimestamp: 'Set when it is being deleted.',
  deletionGracePeriodSeconds: 'Seconds left to end well.',
  labels: 'Pairs that selectors pick objects by.',
  annotations: 'Pairs for tools, not for selection.',
  finalizers: 'Must be empty before it is removed.',
  ownerReferences: 'Objects that this one depends on.',
}

function describeMetadata(): Record<string, OpenApiSchema> {
  const components = metadataComponents()
  const metadata = components[metadataName] ?? {}
  const properties = isRecord(metadata['properties']) ? metadata['properties'] : {}
  const described = Object.entries(properties).map(([name, schema]): [string, unknown] => {
    const description = metadataWords[name]
    return [name, description === undefined ? schema : { ...(schema as OpenApiSchema), description }]
  })
  const description = 'What every stored object has: its names, times and labels.'
  return { ...components, [metadataName]: { ...metadata, description, properties: Object.fromEntries(described) } }
}

/** The name of a kind's schema: `io.k8s.api.apps.v1.DaemonSet`, `io.x-k8s.sigs.kmm.v1beta1.Module`. */
function componentName({ group, version, kind }: ServedResource): string {
  return builtInComponentName(group, version, kind) ?? [...group.split('.').reverse(), version, kind].join('.')
}

function describeKind(resource: ServedResource): Record<string, OpenApiSchema> {
  const { group, version, kind } = resource
  const components = resource.custom ? {} : builtInComponents(group, version, kind)
  const name = componentName(resource)
  const base = resource.custom ? (resource.schema ?? {}) : (components[name] ?? {})
  const properties = isRecord(base['properties']) ? base['properties'] : {}
  const described: OpenApiSchema = {
    ...base,
    type: 'object',
    properties: {
      ...properties,
      apiVersion: { type: 'string', description: 'The version of this kind of object.' },
      kind: { type: 'string', description: 'The kind of object.' },
      metadata: {
        allOf: [{ $ref: `#/components/schemas/${metadataName}` }],
        default: {},
        description: 'Standard metadata.',
      },
    },
    'x-kubernetes-group-version-kind': [{ group, version, kind }],
  }
  return { ...components, [name]: described }
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
  const strategic = resource.custom ? {} : { 'application/strategic-merge-patch+json': {} }
  const patches = { 'application/json-patch+json': {}, 'application/merge-patch+json': {}, ...strategic }
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
  const schemas = Object.assign({}, ...resources.map(describeKind)) as Record<string, OpenApiSchema>
  return {
    openapi: '3.0.0',
    info: { title: 'KMM sandbox', version: serverVersion.gitVersion },
    paths: Object.assign({}, ...resources.map(describePaths)) as Record<string, unknown>,
    components: { schemas: { ...schemas, ...describeMetadata() } },
  }
}
