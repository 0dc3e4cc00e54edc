import type { ApiCase } from '../context.ts'
import { at, brief, changed, configMap, configMaps, dig, leases, metaOf, module, modules } from '../objects.ts'

/** Create, read, replace, delete, and what the server keeps in metadata. */
export const objectCases: readonly ApiCase[] = [
  {
    name: 'a ConfigMap is created, read, replaced and deleted',
    observe: async ({ api, ns }) => {
      const created = await api.post(at(configMaps, ns), configMap('a', { labels: { x: 'y' } }))
      const read = await api.get(at(configMaps, ns, 'a'))
      const replaced = await api.put(at(configMaps, ns, 'a'), changed(read.body, { data: { b: '2' } }))
      const deleted = await api.delete(at(configMaps, ns, 'a'))
      return { created, read, replaced, deleted, again: await api.get(at(configMaps, ns, 'a')) }
    },
  },
  {
    name: 'an update that changes nothing keeps the resourceVersion',
    observe: async ({ api, ns }) => {
      const created = await api.post(at(modules, ns), module('a'))
      const same = await api.put(at(modules, ns, 'a'), created.body)
      const patched = await api.patch(at(modules, ns, 'a'), 'merge', { spec: { selector: { a: 'b' } } })
      const status = await api.patch(at(modules, ns, 'a', 'status'), 'merge', { status: {} })
      return [created, same, patched, status].map(metaOf)
    },
  },
  {
    name: 'the generation of a custom resource counts changes of its spec alone',
    observe: async ({ api, ns }) => {
      const path = at(modules, ns, 'a')
      const created = await api.post(at(modules, ns), module('a'))
      const labelled = await api.patch(path, 'merge', { metadata: { labels: { l: '1' } } })
      const finalized = await api.patch(path, 'merge', { metadata: { finalizers: ['example.com/f'] } })
      const specified = await api.patch(path, 'merge', { spec: { selector: { c: 'd' } } })
      const status = await api.patch(`${path}/status`, 'merge', { status: { moduleLoader: { desiredNumber: 1 } } })
      const deleted = await api.delete(path)
      await api.patch(path, 'merge', { metadata: { finalizers: null } })
      return [created, labelled, finalized, specified, status, deleted].map(metaOf)
    },
  },
  {
    name: 'a status update changes the status alone, and a spec update leaves the status',
    observe: async ({ api, ns }) => {
      const path = at(modules, ns, 'a')
      const status = { moduleLoader: { availableNumber: 1, desiredNumber: 2, nodesMatchingSelectorNumber: 3 } }
      const created = await api.post(at(modules, ns), { ...module('a'), status })
      const change = { metadata: { labels: { l: '1' } }, spec: { selector: { z: 'z' } }, status }
      const byStatus = await api.put(`${path}/status`, changed(created.body, change))
      const bySpec = await api.put(path, changed(byStatus.body, { spec: { selector: { q: 'q' } }, status: {} }))
      return { created, byStatus, bySpec, read: await api.get(`${path}/status`) }
    },
  },
  {
    name: 'writes with an old resourceVersion conflict',
    observe: async ({ api, ns }) => {
      const first = await api.post(at(configMaps, ns), configMap('a'))
      const second = await api.patch(at(configMaps, ns, 'a'), 'merge', { data: { a: '2' } })
      const version = dig(first.body, 'metadata', 'resourceVersion')
      const stale = { metadata: { resourceVersion: version }, data: { a: '3' } }
      return {
        put: await api.put(at(configMaps, ns, 'a'), first.body),
        patch: await api.patch(at(configMaps, ns, 'a'), 'merge', stale),
        remove: await api.delete(at(configMaps, ns, 'a'), { preconditions: { resourceVersion: version } }),
        status: second.status,
      }
    },
  },
  {
    name: 'updates without a resourceVersion, with zero and with nonsense',
    observe: async ({ api, ns }) => {
      const cm = at(configMaps, ns, 'a')
      const created = await api.post(at(configMaps, ns), configMap('a'))
      await api.post(at(modules, ns), module('a'))
      await api.post(at(leases, ns), { metadata: { name: 'a' }, spec: { holderIdentity: 'x' } })
      const lease = { apiVersion: 'coordination.k8s.io/v1', kind: 'Lease', metadata: { name: 'a' } }
      const withVersion = (resourceVersion: string): unknown =>
        configMap('a', { resourceVersion }, { a: resourceVersion })
      return {
        configMap: await api.put(cm, configMap('a', {}, { n: '1' })),
        zero: await api.put(cm, withVersion('0')),
        nonsense: await api.put(cm, withVersion('nonsense')),
        module: await api.put(at(modules, ns, 'a'), module('a')),
        moduleZero: await api.put(at(modules, ns, 'a'), module('a', {}, { resourceVersion: '0' })),
        lease: await api.put(at(leases, ns, 'a'), { ...lease, spec: { holderIdentity: 'y' } }),
        createdWith: await api.post(at(configMaps, ns), changed(created.body, { metadata: { name: 'b' } })),
        leaseCreatedByPut: brief(await api.put(at(leases, ns, 'new'), { ...lease, metadata: { name: 'new' } })),
        configMapNotCreatedByPut: await api.put(at(configMaps, ns, 'new'), configMap('new')),
      }
    },
  },
  {
    name: 'a name that is taken, a name that does not fit the path, a uid of another object',
    observe: async ({ api, ns }) => {
      const cm = at(configMaps, ns, 'a')
      await api.post(at(configMaps, ns), configMap('a'))
      const wrongUid = configMap('a', { uid: '00000000-0000-0000-0000-000000000000' })
      return {
        taken: await api.post(at(configMaps, ns), configMap('a')),
        otherName: await api.put(cm, configMap('b')),
        otherNamespace: await api.post(at(configMaps, ns), configMap('b', { namespace: 'default' })),
        otherKind: await api.post(at(configMaps, ns), { apiVersion: 'v1', kind: 'Secret', metadata: { name: 'b' } }),
        otherVersion: await api.post(at(configMaps, ns), { apiVersion: 'v2', kind: 'ConfigMap' }),
        noKind: brief(await api.post(at(configMaps, ns), { metadata: { name: 'c' } })),
        moduleWithoutKind: await api.post(at(modules, ns), { metadata: { name: 'c' } }),
        otherUid: await api.put(cm, wrongUid),
        absent: await api.put(at(configMaps, ns, 'absent'), configMap('absent')),
        patchAbsent: await api.patch(at(configMaps, ns, 'absent'), 'merge', {}),
        deleteAbsent: await api.delete(at(configMaps, ns, 'absent')),
        moduleAbsent: await api.get(at(modules, ns, 'absent')),
      }
    },
  },
  {
    name: 'generateName makes a name',
    observe: async ({ api, ns }) => {
      const generate = (generateName: string): unknown => ({ ...configMap(''), metadata: { generateName } })
      const made = await api.post(at(configMaps, ns), generate('made-'))
      const long = await api.post(at(configMaps, ns), generate('x'.repeat(70)))
      const none = await api.post(at(configMaps, ns), { ...configMap(''), metadata: {} })
      const bad = await api.post(at(configMaps, ns), generate('Bad_'))
      const length = String(dig(long.body, 'metadata', 'name')).length
      return { made, length, none, badStatus: bad.status, badReason: dig(bad.body, 'reason') }
    },
  },
  {
    name: 'names that are no names are refused',
    observe: async ({ api, ns }) => {
      const create = async (name: string): Promise<unknown> => api.post(at(configMaps, ns), configMap(name))
      return {
        upper: await create('Upper'),
        underscore: await create('a_b'),
        long: await create('x'.repeat(254)),
        dots: await create('a..b'),
        module: await api.post(at(modules, ns), module('Upper')),
        namespace: await api.post(at('v1/namespaces'), { metadata: { name: 'a.b' } }),
        namespaceLong: await api.post(at('v1/namespaces'), { metadata: { name: 'x'.repeat(64) } }),
        serviceAccount: await api.post(at('v1/serviceaccounts', ns), { metadata: { name: 'a_b' } }),
      }
    },
  },
  {
    name: 'labels, annotations, finalizers and owners are checked',
    observe: async ({ api, ns }) => {
      const create = async (metadata: Record<string, unknown>): Promise<unknown> =>
        api.post(at(configMaps, ns), configMap('a', metadata))
      const owner = { apiVersion: 'v1', kind: 'ConfigMap', name: 'o', uid: 'u', controller: true }
      return {
        labelKey: await create({ labels: { 'a/b/c': 'x' } }),
        labelPrefix: await create({ labels: { 'A_/b': 'x' } }),
        labelLong: await create({ labels: { ['k'.repeat(64)]: 'x' } }),
        labelValue: await create({ labels: { a: 'not good' } }),
        labelValueLong: await create({ labels: { a: 'v'.repeat(64) } }),
        labelNumber: await create({ labels: { a: 1 } }),
        labelOfModule: await api.post(at(modules, ns), module('a', {}, { labels: { a: 1, b: 'x y' } })),
        annotationKey: await create({ annotations: { 'a b': 'x' } }),
        annotationsLarge: await create({ annotations: { a: 'x'.repeat(262_145) } }),
        finalizer: await create({ finalizers: ['f'] }),
        finalizerBad: await create({ finalizers: ['a b/c'] }),
        ownerIncomplete: await create({ ownerReferences: [{ apiVersion: 'v1', kind: 'ConfigMap', name: 'o' }] }),
        twoControllers: await create({ ownerReferences: [owner, { ...owner, name: 'p', uid: 'w' }] }),
      }
    },
  },
  {
    name: 'what only the server sets is ignored or refused',
    observe: async ({ api, ns }) => {
      const path = at(configMaps, ns, 'a')
      const given = {
        creationTimestamp: '2001-01-01T00:00:00Z',
        generation: 7,
        deletionTimestamp: '2001-01-01T00:00:00Z',
      }
      const created = await api.post(at(configMaps, ns), configMap('a', { ...given, uid: 'u', selfLink: '/x' }))
      return {
        created,
        patched: await api.patch(path, 'merge', { metadata: given }),
        uid: await api.patch(path, 'merge', { metadata: { uid: 'other' } }),
        name: await api.patch(path, 'merge', { metadata: { name: 'other' } }),
        namespace: await api.patch(path, 'merge', { metadata: { namespace: 'other' } }),
        kind: await api.patch(path, 'merge', { kind: 'Secret' }),
        module: await api.post(at(modules, ns), module('m', {}, given)),
      }
    },
  },
  {
    name: 'a dry run answers and stores nothing',
    observe: async ({ api, ns }) => {
      const dry = '?dryRun=All'
      const created = await api.post(`${at(configMaps, ns)}${dry}`, configMap('a'))
      const absent = await api.get(at(configMaps, ns, 'a'))
      await api.post(at(configMaps, ns), configMap('b'))
      const patched = await api.send('PATCH', `${at(configMaps, ns, 'b')}${dry}`, {
        body: { data: { z: '1' } },
        type: 'application/merge-patch+json',
      })
      const deleted = await api.send('DELETE', `${at(configMaps, ns, 'b')}${dry}`)
      const wrong = await api.post(`${at(configMaps, ns)}?dryRun=Some`, configMap('c'))
      const module1 = await api.post(`${at(modules, ns)}${dry}`, module('m'))
      return { created, absent, patched, deleted, kept: await api.get(at(configMaps, ns, 'b')), wrong, module1 }
    },
  },
  {
    name: 'Secrets, immutable ConfigMaps and sizes',
    observe: async ({ api, ns }) => {
      const secrets = at('v1/secrets', ns)
      const secret = { metadata: { name: 's' }, stringData: { a: 'text' }, data: { b: 'Yg==' } }
      const created = await api.post(secrets, secret)
      await api.post(at(configMaps, ns), { ...configMap('i'), immutable: true })
      return {
        created,
        badBase64: await api.post(secrets, { metadata: { name: 't' }, data: { b: 'not base64!' } }),
        type: await api.patch(`${secrets}/s`, 'merge', { type: 'other' }),
        dockerConfig: await api.post(secrets, { metadata: { name: 'd' }, type: 'kubernetes.io/dockerconfigjson' }),
        dockerConfigBad: await api.post(secrets, {
          metadata: { name: 'd' },
          type: 'kubernetes.io/dockerconfigjson',
          stringData: { '.dockerconfigjson': 'no json' },
        }),
        tls: await api.post(secrets, { metadata: { name: 'd' }, type: 'kubernetes.io/tls' }),
        immutable: await api.patch(at(configMaps, ns, 'i'), 'merge', { data: { a: '2' } }),
        badKey: await api.post(at(configMaps, ns), configMap('k', {}, { 'a b': '1' })),
        large: await api.post(at(configMaps, ns), configMap('l', {}, { a: 'x'.repeat(1_048_577) })),
        number: await api.post(at(configMaps, ns), configMap('n', {}, { a: 1 })),
      }
    },
  },
]
