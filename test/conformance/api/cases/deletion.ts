import type { ApiAnswer } from '../client.ts'
import type { ApiCase } from '../context.ts'
import { at, configMap, configMaps, dig, metaOf, module, modules, nodeModulesConfigs, pod, pods } from '../objects.ts'

const namespaces = 'v1/namespaces'
const held = { finalizers: ['example.com/hold'] }
const uidOf = (answer: { body: unknown }): string => String(dig(answer.body, 'metadata', 'uid'))
const ownedBy = (name: string, uid: string, more: Record<string, unknown> = {}): Record<string, unknown> => ({
  ownerReferences: [{ apiVersion: 'v1', kind: 'ConfigMap', name, uid, ...more }],
})

const isMarked = ({ body }: ApiAnswer): boolean => dig(body, 'metadata', 'deletionTimestamp') !== undefined

const saysRemaining = ({ body }: ApiAnswer): boolean =>
  JSON.stringify(dig(body, 'status', 'conditions') ?? []).includes('ContentDeletionFailed')

/** Finalizers, preconditions, propagation, garbage collection, namespaces. */
export const deletionCases: readonly ApiCase[] = [
  {
    name: 'a finalizer holds an object that is being deleted',
    observe: async ({ api, ns }) => {
      const path = at(modules, ns, 'a')
      await api.post(at(modules, ns), module('a', {}, held))
      const deleted = await api.delete(path)
      const again = await api.delete(path)
      const added = await api.patch(path, 'merge', {
        metadata: { finalizers: [...held.finalizers, 'example.com/new'] },
      })
      const spec = await api.patch(path, 'merge', { spec: { selector: { c: 'd' } } })
      const status = await api.patch(`${path}/status`, 'merge', { status: { moduleLoader: { desiredNumber: 1 } } })
      const created = await api.post(at(modules, ns), module('a'))
      const revived = await api.patch(path, 'merge', { metadata: { deletionTimestamp: null } })
      const released = await api.patch(path, 'merge', { metadata: { finalizers: null } })
      return {
        deleted,
        again: metaOf(again),
        added,
        spec: metaOf(spec),
        status: metaOf(status),
        created,
        revived: metaOf(revived),
        released,
        gone: await api.get(path),
      }
    },
  },
  {
    name: 'deletions with preconditions',
    observe: async ({ api, ns }) => {
      const path = at(configMaps, ns, 'a')
      const created = await api.post(at(configMaps, ns), configMap('a'))
      await api.post(at(modules, ns), module('m'))
      const other = '00000000-0000-0000-0000-000000000000'
      return {
        uid: await api.delete(path, { preconditions: { uid: other } }),
        version: await api.delete(path, { preconditions: { resourceVersion: '1' } }),
        moduleUid: await api.delete(at(modules, ns, 'm'), { preconditions: { uid: other } }),
        right: await api.delete(path, {
          kind: 'DeleteOptions',
          apiVersion: 'v1',
          preconditions: { uid: uidOf(created) },
        }),
      }
    },
  },
  {
    name: 'what a delete answers',
    observe: async ({ api, ns }) => {
      await api.post(at(configMaps, ns), configMap('a'))
      await api.post(at(modules, ns), module('m'))
      await api.post(at(modules, ns), module('f'))
      await api.post(at('v1/serviceaccounts', ns), { metadata: { name: 's' } })
      await api.post(at(pods, ns), pod('p', { schedulingGates: [{ name: 'example.com/wait' }] }))
      return {
        configMap: await api.delete(at(configMaps, ns, 'a')),
        module: await api.delete(at(modules, ns, 'm')),
        foreground: await api.delete(at(modules, ns, 'f'), { propagationPolicy: 'Foreground' }),
        serviceAccount: await api.delete(at('v1/serviceaccounts', ns, 's')),
        pod: await api.delete(at(pods, ns, 'p')),
        policy: await api.delete(at(configMaps, ns, 'b'), { propagationPolicy: 'Sideways' }),
        body: await api.delete(at(configMaps, ns, 'b'), 'nonsense'),
        status: await api.send('DELETE', at(modules, ns, 'm', 'status')),
      }
    },
  },
  {
    name: 'a pod on a node waits for its kubelet, unless it is forced or has ended',
    observe: async ({ api, ns, token }) => {
      const make = (name: string): Promise<unknown> =>
        api.post(at(pods, ns), pod(name, { nodeName: token, terminationGracePeriodSeconds: 7 }))
      await Promise.all(['graceful', 'forced', 'short', 'ended'].map(make))
      await api.patch(at(pods, ns, 'ended', 'status'), 'merge', { status: { phase: 'Succeeded' } })
      const graceful = await api.delete(at(pods, ns, 'graceful'))
      const sooner = await api.delete(at(pods, ns, 'graceful'), { gracePeriodSeconds: 1 })
      const later = await api.delete(at(pods, ns, 'graceful'), { gracePeriodSeconds: 60 })
      const short = await api.delete(at(pods, ns, 'short'), { gracePeriodSeconds: 3 })
      const forced = await api.delete(at(pods, ns, 'forced'), { gracePeriodSeconds: 0 })
      const ended = await api.delete(at(pods, ns, 'ended'))
      const negative = await api.delete(at(pods, ns, 'short'), { gracePeriodSeconds: -1 })
      return {
        metadata: [graceful, sooner, later, short, negative].map(metaOf),
        forced: forced.status,
        ended: ended.status,
        left: dig((await api.get(at(pods, ns))).body, 'items', 'length'),
      }
    },
  },
  {
    name: 'the collector removes what an owner leaves, and only that',
    observe: async ({ api, ns, gone }) => {
      const owner = await api.post(at(configMaps, ns), configMap('owner'))
      const other = await api.post(at(configMaps, ns), configMap('other'))
      await api.post(at(configMaps, ns), configMap('child', ownedBy('owner', uidOf(owner))))
      const two = {
        ownerReferences: [owner, other].map((each) => ({
          apiVersion: 'v1',
          kind: 'ConfigMap',
          name: String(dig(each.body, 'metadata', 'name')),
          uid: uidOf(each),
        })),
      }
      await api.post(at(configMaps, ns), configMap('shared', two))
      await api.post(at(configMaps, ns), configMap('free'))
      await api.delete(at(configMaps, ns, 'owner'))
      await gone(at(configMaps, ns, 'child'))
      const shared = await api.get(at(configMaps, ns, 'shared'))
      return { shared: shared.status, free: (await api.get(at(configMaps, ns, 'free'))).status }
    },
  },
  {
    name: 'an owner with a wrong uid, and one that never was',
    observe: async ({ api, ns, gone }) => {
      await api.post(at(configMaps, ns), configMap('owner'))
      await api.post(at(configMaps, ns), configMap('wrong', ownedBy('owner', '00000000-0000-0000-0000-000000000001')))
      await api.post(at(configMaps, ns), configMap('absent', ownedBy('nobody', '00000000-0000-0000-0000-000000000002')))
      await Promise.all([gone(at(configMaps, ns, 'wrong')), gone(at(configMaps, ns, 'absent'))])
      return { owner: (await api.get(at(configMaps, ns, 'owner'))).status }
    },
  },
  {
    name: 'owners across scopes: cluster-scoped is good, another namespace is not',
    observe: async ({ api, ns, token, gone, until }) => {
      const nmc = {
        apiVersion: 'kmm.sigs.x-k8s.io/v1beta1',
        kind: 'NodeModulesConfig',
        metadata: { name: token },
        spec: {},
      }
      const cluster = await api.post(at(nodeModulesConfigs), nmc)
      const reference = { apiVersion: nmc.apiVersion, kind: nmc.kind, name: token, uid: uidOf(cluster) }
      await api.post(at(configMaps, ns), configMap('ofCluster'.toLowerCase(), { ownerReferences: [reference] }))
      const elsewhere = await api.get(at(configMaps, 'kube-system', 'kube-root-ca.crt'))
      await api.post(at(configMaps, ns), configMap('ofother', ownedBy('kube-root-ca.crt', uidOf(elsewhere))))
      await gone(at(configMaps, ns, 'ofother'))
      const kept = await api.get(at(configMaps, ns, 'ofcluster'))
      await api.delete(at(nodeModulesConfigs, '', token))
      await gone(at(configMaps, ns, 'ofcluster'))
      const namespacedOwner = {
        ...nmc,
        metadata: { name: `${token}n`, ...ownedBy('x', '00000000-0000-0000-0000-000000000003') },
      }
      await api.post(at(nodeModulesConfigs), namespacedOwner)
      await until(at(nodeModulesConfigs, '', `${token}n`), ({ status }) => status === 200)
      await new Promise((resolve) => setTimeout(resolve, 1500))
      const ofNamespaced = await api.get(at(nodeModulesConfigs, '', `${token}n`))
      await api.delete(at(nodeModulesConfigs, '', `${token}n`))
      return { kept: kept.status, ofNamespaced: ofNamespaced.status }
    },
  },
  {
    name: 'foreground deletion waits for what blocks it',
    observe: async ({ api, ns, gone, until }) => {
      const owner = await api.post(at(configMaps, ns), configMap('owner'))
      const blocking = { ...ownedBy('owner', uidOf(owner), { blockOwnerDeletion: true }), ...held }
      await api.post(at(configMaps, ns), configMap('child', blocking))
      const loose = { ...ownedBy('owner', uidOf(owner)), ...held }
      await api.post(at(configMaps, ns), configMap('loose', loose))
      const deleted = await api.delete(at(configMaps, ns, 'owner'), { propagationPolicy: 'Foreground' })
      const child = await until(
        at(configMaps, ns, 'child'),
        ({ body }) => dig(body, 'metadata', 'deletionTimestamp') !== undefined,
      )
      const waiting = await api.get(at(configMaps, ns, 'owner'))
      await api.patch(at(configMaps, ns, 'child'), 'merge', { metadata: { finalizers: null } })
      await gone(at(configMaps, ns, 'owner'))
      const looseNow = await until(
        at(configMaps, ns, 'loose'),
        ({ body }) => dig(body, 'metadata', 'deletionTimestamp') !== undefined,
      )
      await api.patch(at(configMaps, ns, 'loose'), 'merge', { metadata: { finalizers: null } })
      return {
        deleted: [deleted.status, metaOf(deleted)],
        child: metaOf(child),
        waiting: metaOf(waiting),
        loose: metaOf(looseNow),
      }
    },
  },
  {
    name: 'an orphaning deletion leaves the dependents without owner',
    observe: async ({ api, ns, gone }) => {
      const owner = await api.post(at(configMaps, ns), configMap('owner'))
      await api.post(at(configMaps, ns), configMap('child', ownedBy('owner', uidOf(owner))))
      const deleted = await api.delete(at(configMaps, ns, 'owner'), { propagationPolicy: 'Orphan' })
      await gone(at(configMaps, ns, 'owner'))
      return { deleted: [deleted.status, metaOf(deleted)], child: metaOf(await api.get(at(configMaps, ns, 'child'))) }
    },
  },
  {
    name: 'a namespace is made, and its finalizer cannot be edited away',
    observe: async ({ api, token, until }) => {
      const name = `m-${token}`
      const created = await api.post(at(namespaces), { metadata: { name, labels: { a: 'b' } } })
      const account = await until(at('v1/serviceaccounts', name, 'default'), ({ status }) => status === 200)
      const ca = await until(at(configMaps, name, 'kube-root-ca.crt'), ({ status }) => status === 200)
      const patched = await api.patch(at(namespaces, '', name), 'merge', { spec: { finalizers: [] } })
      const label = await api.patch(at(namespaces, '', name), 'merge', {
        metadata: { labels: { 'kubernetes.io/metadata.name': 'other' } },
      })
      const labelRemoved = await api.patch(at(namespaces, '', name), 'merge', {
        metadata: { labels: { 'kubernetes.io/metadata.name': null } },
      })
      await api.delete(at(namespaces, '', name))
      return {
        created,
        account: account.body,
        ca: [ca.body.metadata, Object.keys(ca.body['data'] as object)],
        patched,
        label,
        labelRemoved: dig(labelRemoved.body, 'metadata', 'labels'),
      }
    },
  },
  {
    name: 'a namespace that is being deleted takes nothing new and waits for finalizers',
    observe: async ({ api, token, gone, until }) => {
      const name = `d-${token}`
      const path = at(namespaces, '', name)
      await api.post(at(namespaces), { metadata: { name } })
      await until(at('v1/serviceaccounts', name, 'default'), ({ status }) => status === 200)
      await api.post(at(modules, name), module('m', {}, held))
      await api.post(at(configMaps, name), configMap('c'))
      const deleted = await api.delete(path)
      const isDeleted = (answer: { body: unknown }): boolean =>
        dig(answer.body, 'metadata', 'deletionTimestamp') !== undefined
      await until(at(modules, name, 'm'), isDeleted)
      await gone(at(configMaps, name, 'c'))
      const waiting = await until(path, ({ body }) =>
        JSON.stringify(dig(body, 'status', 'conditions') ?? []).includes('SomeFinalizersRemain'),
      )
      const create = await api.post(at(configMaps, name), configMap('new'))
      const createModule = await api.post(at(modules, name), module('new'))
      const createPod = await api.post(at(pods, name), pod('new'))
      const update = await api.patch(at(modules, name, 'm'), 'merge', { metadata: { labels: { l: '1' } } })
      const again = await api.delete(path)
      await api.patch(at(modules, name, 'm'), 'merge', { metadata: { finalizers: null } })
      await gone(path)
      const after = await api.post(at(configMaps, name), configMap('new'))
      return { deleted, waiting, create, createModule, createPod, update: update.status, again, after }
    },
  },
  {
    name: 'a namespace deletion takes the pods first, and everything else when they are gone',
    observe: async ({ api, token, gone, until }) => {
      const name = `p-${token}`
      const path = at(namespaces, '', name)
      await api.post(at(namespaces), { metadata: { name } })
      await until(at('v1/serviceaccounts', name, 'default'), ({ status }) => status === 200)
      await api.post(at(pods, name), pod('p', { nodeName: token, terminationGracePeriodSeconds: 1 }))
      await api.post(at(modules, name), module('m'))
      await api.post(at(configMaps, name), configMap('c'))
      await api.delete(path)
      const waiting = await until(at(pods, name, 'p'), isMarked)
      const remaining = await until(path, saysRemaining)
      const statuses = [at(modules, name, 'm'), at(configMaps, name, 'c')].map(
        async (each) => (await api.get(each)).status,
      )
      const others = await Promise.all(statuses)
      await api.delete(at(pods, name, 'p'), { gracePeriodSeconds: 0 })
      await gone(path)
      return { waiting: metaOf(waiting), others, status: remaining.body['status'] }
    },
  },
  {
    name: 'the namespaces that cannot go',
    observe: async ({ api }) => {
      const remove = (name: string): Promise<unknown> => api.send('DELETE', `${at(namespaces, '', name)}?dryRun=All`)
      return {
        default: await remove('default'),
        system: await remove('kube-system'),
        public: await remove('kube-public'),
        collection: await api.send('DELETE', at(namespaces)),
      }
    },
  },
]
