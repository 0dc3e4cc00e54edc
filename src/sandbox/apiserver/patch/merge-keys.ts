/**
 * How a strategic merge patch treats a list of a built-in kind: `key` merges items that agree in that field, `set`
 * merges plain values. Lists that are not named here are replaced whole, as tolerations and taints are.
 */
export type ListStrategy = { kind: 'key'; key: string } | { kind: 'set' }

const byKey = (key: string): ListStrategy => ({ kind: 'key', key })
const set: ListStrategy = { kind: 'set' }

const podSpecLists: Readonly<Record<string, ListStrategy>> = {
  containers: byKey('name'),
  initContainers: byKey('name'),
  ephemeralContainers: byKey('name'),
  volumes: byKey('name'),
  imagePullSecrets: byKey('name'),
  hostAliases: byKey('ip'),
  topologySpreadConstraints: byKey('topologyKey'),
  resourceClaims: byKey('name'),
  schedulingGates: byKey('name'),
}

const containerLists: Readonly<Record<string, ListStrategy>> = {
  env: byKey('name'),
  volumeMounts: byKey('mountPath'),
  volumeDevices: byKey('devicePath'),
  ports: byKey('containerPort'),
}

const metadataLists: Readonly<Record<string, ListStrategy>> = { finalizers: set, ownerReferences: byKey('uid') }

const containerFields = ['containers', 'initContainers', 'ephemeralContainers']

/** Lists of single kinds, by the path that leads to them. */
const ownLists: Readonly<Record<string, Readonly<Record<string, ListStrategy>>>> = {
  Node: { 'status.addresses': byKey('type'), 'spec.podCIDRs': set },
  Pod: { 'status.podIPs': byKey('ip') },
  ServiceAccount: { secrets: byKey('name'), imagePullSecrets: byKey('name') },
  ValidatingWebhookConfiguration: { webhooks: byKey('name') },
}

/** Kinds whose `status.conditions` are merged by type. */
const conditionKinds = ['Pod', 'Node', 'Namespace', 'DaemonSet', 'Deployment']

/** The strategy of the list at a path (field names only, no indexes) of an object of a kind. */
export function listStrategyAt(kind: string, path: readonly string[]): ListStrategy | undefined {
  const field = path.at(-1) ?? ''
  const parent = path.at(-2) ?? ''
  if (path.length === 2 && parent === 'metadata') return metadataLists[field]
  if (containerFields.includes(parent)) return containerLists[field]
  if (parent === 'spec' && isPodSpec(kind, path)) return podSpecLists[field]
  return ownList(kind, path.join('.'))
}

function ownList(kind: string, path: string): ListStrategy | undefined {
  if (path === 'status.conditions' && conditionKinds.includes(kind)) return byKey('type')
  return ownLists[kind]?.[path]
}

function isPodSpec(kind: string, path: readonly string[]): boolean {
  return kind === 'Pod' ? path.length === 2 : path.at(-3) === 'template'
}
