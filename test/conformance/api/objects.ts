import type { ApiAnswer, Body } from './client.ts'

/** The path of a collection, an object or its subresource: `at('apps/v1/daemonsets', ns, 'd', 'status')`. */
export function at(resource: string, ns?: string, name?: string, subresource?: string): string {
  const cut = resource.lastIndexOf('/')
  const version = resource.slice(0, cut)
  const root = version.includes('/') ? `/apis/${version}` : `/api/${version}`
  const parts = [root, ...(ns === undefined || ns === '' ? [] : ['namespaces', ns]), resource.slice(cut + 1)]
  return [...parts, ...[name, subresource].filter((part) => part !== undefined)].join('/')
}

/** What stands at a place inside a body: `dig(body, 'spec', 'containers', 0, 'name')`. */
export function dig(value: unknown, ...path: (string | number)[]): unknown {
  let found: unknown = value
  for (const step of path) found = typeof found === 'object' && found !== null ? Reflect.get(found, step) : undefined
  return found
}

type Fields = Record<string, unknown>

/** A copy with fields replaced, merged into what is there: `changed(body, { metadata: { labels: … } })`. */
export function changed(base: Body, change: Fields): Body {
  const result: Fields = { ...base }
  for (const [name, value] of Object.entries(change)) {
    const old = result[name]
    const isMerged = isFields(old) && isFields(value)
    if (value === undefined) delete result[name]
    else result[name] = isMerged ? changed(old as Body, value) : value
  }
  return result as Body
}

const isFields = (value: unknown): value is Fields =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

/** The metadata of an answer's object. */
export const metaOf = (answer: ApiAnswer): unknown => answer.body.metadata

/** An answer without the object: its status, and the whole body of a refusal. */
export function brief(answer: ApiAnswer): unknown {
  return answer.status < 300 ? { ...answer, body: dig(answer.body, 'kind') } : answer
}

export const configMaps = 'v1/configmaps'
export const pods = 'v1/pods'
export const nodes = 'v1/nodes'
export const modules = 'kmm.sigs.x-k8s.io/v1beta1/modules'
export const nodeModulesConfigs = 'kmm.sigs.x-k8s.io/v1beta1/nodemodulesconfigs'
export const daemonSets = 'apps/v1/daemonsets'
export const leases = 'coordination.k8s.io/v1/leases'
export const definitions = 'apiextensions.k8s.io/v1/customresourcedefinitions'

export function configMap(name: string, metadata: Fields = {}, data: Fields = { a: '1' }): Body {
  return { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name, ...metadata }, data }
}

export function pod(name: string, spec: Fields = {}, metadata: Fields = {}): Body {
  const containers = [{ name: 'main', image: 'busybox' }]
  return { apiVersion: 'v1', kind: 'Pod', metadata: { name, ...metadata }, spec: { containers, ...spec } }
}

export function module(name: string, spec: Fields = {}, metadata: Fields = {}): Body {
  const container = { modprobe: { moduleName: 'm' }, kernelMappings: [{ regexp: '^.+$', containerImage: 'r/i:t' }] }
  return {
    apiVersion: 'kmm.sigs.x-k8s.io/v1beta1',
    kind: 'Module',
    metadata: { name, ...metadata },
    spec: { moduleLoader: { container }, selector: { a: 'b' }, ...spec },
  }
}

/** A node that says it is ready and that nothing runs on: whoever makes it is its kubelet. */
export function node(name: string, labels: Record<string, string> = {}, spec: Fields = {}): Body {
  const now = new Date().toISOString().replace(/\.\d+Z$/, 'Z')
  const ready = { type: 'Ready', status: 'True', reason: 'KubeletReady', message: 'ready' }
  return {
    apiVersion: 'v1',
    kind: 'Node',
    metadata: { name, labels },
    spec,
    status: {
      conditions: [{ ...ready, lastHeartbeatTime: now, lastTransitionTime: now }],
      capacity: { cpu: '4', memory: '8Gi', pods: '110' },
      allocatable: { cpu: '4', memory: '8Gi', pods: '110' },
      nodeInfo: {
        architecture: 'amd64',
        bootID: 'boot',
        containerRuntimeVersion: 'none://1',
        kernelVersion: '6.1.0',
        kubeProxyVersion: '',
        kubeletVersion: 'v1.36.2',
        machineID: 'machine',
        operatingSystem: 'linux',
        osImage: 'none',
        systemUUID: 'system',
      },
    },
  }
}

export interface DefinitionParts {
  /** The group, without which the definition would be shared by cases. */
  token: string
  schema: Fields
  version?: Fields
  names?: Fields
  spec?: Fields
}

/** A definition of `gadgets.<token>.example.com`, version v1. */
export function definition({ token, schema, version = {}, names = {}, spec = {} }: DefinitionParts): Body {
  const group = `${token}.example.com`
  const first = { name: 'v1', served: true, storage: true, schema: { openAPIV3Schema: schema }, ...version }
  return {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: { name: `gadgets.${group}` },
    spec: {
      group,
      scope: 'Namespaced',
      names: { plural: 'gadgets', singular: 'gadget', kind: 'Gadget', listKind: 'GadgetList', ...names },
      versions: [first],
      ...spec,
    },
  }
}

/** The gadgets of a definition, as `at` wants them. */
export const gadgetsOf = (token: string, version = 'v1'): string => `${token}.example.com/${version}/gadgets`

export function gadget(token: string, name: string, fields: Fields = {}, version = 'v1'): Body {
  return { apiVersion: `${token}.example.com/${version}`, kind: 'Gadget', metadata: { name }, ...fields }
}
