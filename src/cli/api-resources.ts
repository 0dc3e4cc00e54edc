import { KmmError } from '../errors/error.ts'
import type { KubeClient } from '../kube/client.ts'
import type { Resource } from '../kube/resource.ts'

interface DiscoveredResource {
  name: string
  singularName?: string
  shortNames?: string[]
  kind: string
  namespaced: boolean
}

interface ResourceList {
  resources?: DiscoveredResource[]
}

interface GroupList {
  groups?: { name: string; versions?: { version: string }[] }[]
}

interface Found {
  resource: Resource
  names: readonly string[]
}

async function readJson<T>(client: KubeClient, path: string): Promise<T> {
  return JSON.parse(await client.getRaw(path)) as T
}

async function readGroup(client: KubeClient, group: string, version: string): Promise<Found[]> {
  const path = group === '' ? `/api/${version}` : `/apis/${group}/${version}`
  const { resources = [] } = await readJson<ResourceList>(client, path)
  return resources
    .filter(({ name }) => !name.includes('/'))
    .map(({ name, singularName = '', shortNames = [], kind, namespaced }) => ({
      resource: { group, version, kind, plural: name, namespaced },
      names: [name, singularName, kind, ...shortNames].flatMap((each) => {
        const text = each.toLowerCase()
        return text === '' ? [] : [text, `${text}.${group}`]
      }),
    }))
}

/**
 * Finds a kind by what a person calls it: plural, singular, kind or short name, with or without `.group`; the core group
 * first, and of each group the versions in the order in which the server prefers them. Throws `NotFound` with what to do.
 */
export async function findResource(client: KubeClient, called: string): Promise<Resource> {
  const { groups = [] } = await readJson<GroupList>(client, '/apis')
  const served = groups.flatMap(({ name, versions = [] }) => versions.map(({ version }) => ({ group: name, version })))
  const lists = await Promise.all(
    [{ group: '', version: 'v1' }, ...served].map(({ group, version }) => readGroup(client, group, version)),
  )
  const found = lists.flat().find(({ names }) => names.includes(called.toLowerCase()))
  if (found !== undefined) return found.resource
  throw new KmmError(
    `the server has no resource "${called}": try nodes, pods, modules, nodemodulesconfigs, or moduleimagesconfigs`,
    { code: 'NotFound', fate: 'terminal' },
  )
}
