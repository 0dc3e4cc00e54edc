import { compareVersions } from '../definition.ts'
import type { Registry, ServedResource } from '../registry.ts'
import { reviewResources, type ReviewResource } from '../rest/reviews.ts'

/** One line of an APIResourceList. */
interface ResourceEntry {
  name: string
  singularName: string
  namespaced: boolean
  group?: string
  version?: string
  kind: string
  verbs: readonly string[]
  shortNames?: readonly string[]
  categories?: readonly string[]
}

const objectVerbs = ['create', 'delete', 'deletecollection', 'get', 'list', 'patch', 'update', 'watch']
const statusVerbs = ['get', 'patch', 'update']

/** Kinds of subresources that are not the kind of their object. */
const subresourceKinds: Readonly<Record<string, { kind: string; group?: string; verbs: readonly string[] }>> = {
  binding: { kind: 'Binding', verbs: ['create'] },
  eviction: { kind: 'Eviction', group: 'policy', verbs: ['create'] },
  log: { kind: 'Pod', verbs: ['get'] },
  finalize: { kind: 'Namespace', verbs: ['update'] },
}

function verbsOf(resource: ServedResource): readonly string[] {
  const collective = resource.kind !== 'Namespace' || resource.group !== ''
  return collective ? objectVerbs : objectVerbs.filter((verb) => verb !== 'deletecollection')
}

function listEntries(resource: ServedResource): ResourceEntry[] {
  const { plural, singular, namespaced, kind, shortNames, categories } = resource
  const own: ResourceEntry = { name: plural, singularName: singular, namespaced, kind, verbs: verbsOf(resource) }
  if (shortNames.length > 0) own.shortNames = shortNames
  if (categories.length > 0) own.categories = categories
  const names = [...(resource.hasStatus ? ['status'] : []), ...resource.subresources].sort()
  return [own, ...names.map((name) => subresourceEntry(resource, name))]
}

function subresourceEntry({ plural, namespaced, kind }: ServedResource, name: string): ResourceEntry {
  const other = subresourceKinds[name]
  return {
    name: `${plural}/${name}`,
    singularName: '',
    namespaced,
    ...(other?.group === undefined ? {} : { group: other.group, version: 'v1' }),
    kind: other?.kind ?? kind,
    verbs: other?.verbs ?? statusVerbs,
  }
}

const reviewEntry = ({ plural, kind }: ReviewResource): ResourceEntry => {
  return { name: plural, singularName: kind.toLowerCase(), namespaced: false, kind, verbs: ['create'] }
}

/** A version of a group with its kinds. */
interface GroupVersion {
  group: string
  version: string
  entries: ResourceEntry[]
}

function listGroupVersions(registry: Registry): GroupVersion[] {
  const found = new Map<string, GroupVersion>()
  const at = ({ group, version }: { group: string; version: string }): ResourceEntry[] => {
    const known = found.get(`${group}/${version}`) ?? { group, version, entries: [] }
    found.set(`${group}/${version}`, known)
    return known.entries
  }
  for (const resource of registry.list()) at(resource).push(...listEntries(resource))
  for (const review of reviewResources) at(review).push(reviewEntry(review))
  return [...found.values()].sort((a, b) => compareGroups(a.group, b.group) || compareVersions(a.version, b.version))
}

/** The core group first, then those of Kubernetes, then others. */
function compareGroups(a: string, b: string): number {
  const rank = (group: string): number => (group === '' ? 0 : group.includes('.') && !group.endsWith('.k8s.io') ? 2 : 1)
  return rank(a) - rank(b) || (a < b ? -1 : a > b ? 1 : 0)
}

function groupBy(versions: readonly GroupVersion[]): Map<string, GroupVersion[]> {
  const groups = new Map<string, GroupVersion[]>()
  for (const version of versions) groups.set(version.group, [...(groups.get(version.group) ?? []), version])
  return groups
}

function toApiGroup(name: string, versions: readonly GroupVersion[]): Record<string, unknown> {
  const list = versions.map(({ group, version }) => ({ groupVersion: `${group}/${version}`, version }))
  return { name, versions: list, preferredVersion: list[0] }
}

function toResourceList({ group, version, entries }: GroupVersion): Record<string, unknown> {
  const groupVersion = group === '' ? version : `${group}/${version}`
  return { kind: 'APIResourceList', apiVersion: 'v1', groupVersion, resources: entries }
}

/** Answers `/api`, `/apis` and below, in the plain form; undefined for a group or version that is not served. */
export function plainDiscovery(registry: Registry, path: string): Record<string, unknown> | undefined {
  const parts = path.split('/').filter((part) => part !== '')
  const versions = listGroupVersions(registry)
  if (parts[0] === 'api') {
    if (parts.length === 1) return { kind: 'APIVersions', versions: ['v1'], serverAddressByClientCIDRs: [] }
    const core = versions.find((each) => each.group === '' && each.version === parts[1])
    return core && toResourceList(core)
  }
  const [, group, version] = parts
  const groups = groupBy(versions.filter((each) => each.group !== ''))
  if (group === undefined) {
    const list = [...groups].map(([name, members]) => toApiGroup(name, members))
    return { kind: 'APIGroupList', apiVersion: 'v1', groups: list }
  }
  const members = groups.get(group) ?? []
  if (version !== undefined) {
    const found = members.find((each) => each.version === version)
    return found && toResourceList(found)
  }
  return members.length === 0 ? undefined : { kind: 'APIGroup', apiVersion: 'v1', ...toApiGroup(group, members) }
}

/** Answers `/api` and `/apis` in the aggregated form (`apidiscovery.k8s.io/v2`). */
export function aggregatedDiscovery(registry: Registry, root: 'api' | 'apis'): Record<string, unknown> {
  const versions = listGroupVersions(registry).filter((each) => (each.group === '') === (root === 'api'))
  const items = [...groupBy(versions)].map(([name, members]) => ({
    metadata: { ...(name === '' ? {} : { name }), creationTimestamp: null },
    versions: members.map(aggregateVersion),
  }))
  return { kind: 'APIGroupDiscoveryList', apiVersion: 'apidiscovery.k8s.io/v2', metadata: {}, items }
}

function aggregateVersion(groupVersion: GroupVersion): Record<string, unknown> {
  const { version, entries } = groupVersion
  const resources = entries.filter((entry) => !entry.name.includes('/'))
  const aggregated = resources.map((entry) => aggregateResource(groupVersion, entry))
  return { version, resources: aggregated, freshness: 'Current' }
}

function aggregateResource({ group, version, entries }: GroupVersion, entry: ResourceEntry): Record<string, unknown> {
  const kindOf = (each: ResourceEntry): object => {
    return { group: each.group ?? group, version: each.version ?? version, kind: each.kind }
  }
  const subresources = entries
    .filter((each) => each.name.startsWith(`${entry.name}/`))
    .map((each) => ({ subresource: each.name.split('/')[1], responseKind: kindOf(each), verbs: each.verbs }))
  return {
    resource: entry.name,
    responseKind: kindOf(entry),
    scope: entry.namespaced ? 'Namespaced' : 'Cluster',
    singularResource: entry.singularName,
    verbs: entry.verbs,
    ...(entry.shortNames === undefined ? {} : { shortNames: entry.shortNames }),
    ...(entry.categories === undefined ? {} : { categories: entry.categories }),
    ...(subresources.length === 0 ? {} : { subresources }),
  }
}
