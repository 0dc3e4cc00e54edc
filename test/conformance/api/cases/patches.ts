import type { ApiCase } from '../context.ts'
import { at, configMap, configMaps, dig, module, modules, node, nodes, pod, pods } from '../objects.ts'

const strategic = 'application/strategic-merge-patch+json'

/** Merge, JSON, strategic and apply patches. */
export const patchCases: readonly ApiCase[] = [
  {
    name: 'a merge patch adds, replaces and removes',
    observe: async ({ api, ns }) => {
      await api.post(at(configMaps, ns), configMap('a', { labels: { x: '1', y: '2' } }, { a: '1', b: '2' }))
      const change = { metadata: { labels: { x: null, z: '3' } }, data: { a: null, c: '3' } }
      const patched = await api.patch(at(configMaps, ns, 'a'), 'merge', change)
      const emptied = await api.patch(at(configMaps, ns, 'a'), 'merge', { metadata: { labels: null }, data: null })
      const list = await api.patch(at(configMaps, ns, 'a'), 'merge', [1])
      const text = await api.patch(at(configMaps, ns, 'a'), 'merge', '{not json')
      return { patched, emptied, list, text }
    },
  },
  {
    name: 'a JSON patch does all or nothing',
    observe: async ({ api, ns }) => {
      const path = at(configMaps, ns, 'a')
      await api.post(at(configMaps, ns), configMap('a', { labels: { 'a/b': '1' } }, { a: '1', b: '2' }))
      return {
        done: await api.patch(path, 'json', [
          { op: 'test', path: '/data/a', value: '1' },
          { op: 'replace', path: '/data/a', value: '2' },
          { op: 'remove', path: '/data/b' },
          { op: 'add', path: '/data/c', value: '3' },
          { op: 'replace', path: '/metadata/labels/a~1b', value: '4' },
          { op: 'copy', from: '/data/c', path: '/data/d' },
          { op: 'move', from: '/data/d', path: '/data/e' },
        ]),
        failedTest: await api.patch(path, 'json', [{ op: 'test', path: '/data/a', value: '9' }]),
        removeAbsent: await api.patch(path, 'json', [{ op: 'remove', path: '/data/zz' }]),
        replaceAbsent: await api.patch(path, 'json', [{ op: 'replace', path: '/data/zz', value: '1' }]),
        addBelowAbsent: await api.patch(path, 'json', [{ op: 'add', path: '/metadata/annotations/x', value: '1' }]),
        unknown: await api.patch(path, 'json', [{ op: 'jump', path: '/data/a' }]),
        noList: await api.patch(path, 'json', { op: 'add' }),
        read: await api.get(path),
      }
    },
  },
  {
    name: 'a JSON patch guarded by a test of the finalizers',
    observe: async ({ api, ns }) => {
      const path = at(modules, ns, 'a')
      await api.post(at(modules, ns), module('a', {}, { finalizers: ['example.com/a', 'example.com/b'] }))
      const removal = [
        { op: 'test', path: '/metadata/finalizers/0', value: 'example.com/a' },
        { op: 'remove', path: '/metadata/finalizers/0' },
      ]
      const first = await api.patch(path, 'json', removal)
      return { first, second: await api.patch(path, 'json', removal) }
    },
  },
  {
    name: 'a strategic merge patch merges lists by their keys',
    observe: async ({ api, ns }) => {
      const path = at(pods, ns, 'p')
      const containers = [
        { name: 'a', image: 'one' },
        { name: 'b', image: 'two' },
      ]
      await api.post(at(pods, ns), pod('p', { containers, tolerations: [{ key: 'x', operator: 'Exists' }] }))
      const image = await api.patch(path, 'strategic', { spec: { containers: [{ name: 'b', image: 'three' }] } })
      const toleration = { key: 'y', operator: 'Exists' }
      const atomic = await api.patch(path, 'strategic', { spec: { tolerations: [toleration] } })
      const finalizers = await api.patch(path, 'strategic', { metadata: { finalizers: ['example.com/a'] } })
      const more = await api.patch(path, 'strategic', { metadata: { finalizers: ['example.com/b'] } })
      const less = { metadata: { '$deleteFromPrimitiveList/finalizers': ['example.com/a', 'example.com/b'] } }
      const without = await api.patch(path, 'strategic', less)
      const images = (dig(image.body, 'spec', 'containers') as object[]).map((each) => dig(each, 'image'))
      return {
        images,
        atomic,
        finalizers: [finalizers, more, without].map((each) => dig(each.body, 'metadata', 'finalizers')),
      }
    },
  },
  {
    name: 'a strategic merge patch of a node: taints, conditions, directives',
    observe: async ({ api, token }) => {
      const path = at(nodes, '', token)
      const taints = [
        { key: 'a', value: '1', effect: 'NoSchedule' },
        { key: 'b', effect: 'NoExecute' },
      ]
      await api.post(at(nodes), node(token, {}, { taints }))
      const show = (answer: { body: unknown; status: number }): unknown =>
        answer.status === 200 ? dig(answer.body, 'spec') : answer
      const patch = async (change: unknown): Promise<unknown> => show(await api.patch(path, 'strategic', change))
      const conditions = [{ type: 'MemoryPressure', status: 'False', reason: 'r', message: 'm' }]
      const result = {
        changed: await patch({ spec: { taints: [{ key: 'a', effect: 'PreferNoSchedule' }] } }),
        removed: await patch({ spec: { taints: [{ key: 'b', $patch: 'delete' }] } }),
        replaced: await patch({ spec: { taints: [{ $patch: 'replace' }, { key: 'c', effect: 'NoSchedule' }] } }),
        unschedulable: await patch({ spec: { unschedulable: true, taints: null } }),
        unknownDirective: await patch({ spec: { $patch: 'other' } }),
        conditions: dig(
          (await api.patch(`${path}/status`, 'strategic', { status: { conditions } })).body,
          'status',
          'conditions',
        ),
      }
      await api.delete(path)
      return result
    },
  },
  {
    name: 'lists inside a pod template follow their merge keys',
    observe: async ({ api, ns }) => {
      const path = at('apps/v1/deployments', ns, 'd')
      const container = {
        name: 'c',
        image: 'i',
        env: [
          { name: 'A', value: '1' },
          { name: 'B', value: '2' },
        ],
        ports: [{ containerPort: 80 }],
        volumeMounts: [{ name: 'v', mountPath: '/v' }],
        args: ['1', '2'],
      }
      const volumes = [{ name: 'v', emptyDir: {} }]
      const template = { metadata: { labels: { a: 'b' } }, spec: { containers: [container], volumes } }
      const deployment = {
        metadata: { name: 'd' },
        spec: { replicas: 0, selector: { matchLabels: { a: 'b' } }, template },
      }
      const created = await api.post(at('apps/v1/deployments', ns), deployment)
      const change = {
        name: 'c',
        env: [
          { name: 'B', $patch: 'delete' },
          { name: 'C', value: '3' },
        ],
        ports: [{ containerPort: 81 }],
        volumeMounts: [{ mountPath: '/w', name: 'w' }],
        args: ['3'],
      }
      const more = [{ name: 'w', hostPath: { path: '/w' } }]
      const patched = await api.patch(path, 'strategic', {
        spec: { template: { spec: { containers: [change], volumes: more } } },
      })
      const retain = { $retainKeys: ['name', 'configMap'], name: 'v', configMap: { name: 'x' } }
      const retained = await api.patch(path, 'strategic', { spec: { template: { spec: { volumes: [retain] } } } })
      const spec = (answer: { body: unknown }): unknown => dig(answer.body, 'spec', 'template', 'spec')
      return {
        created: created.body['spec'],
        patched: spec(patched),
        retained: retained.status === 200 ? spec(retained) : retained,
      }
    },
  },
  {
    name: 'a strategic merge patch of a custom resource is refused',
    observe: async ({ api, ns }) => {
      await api.post(at(modules, ns), module('a'))
      return api.patch(at(modules, ns, 'a'), 'strategic', { metadata: { labels: { a: 'b' } } })
    },
  },
  {
    name: 'a patch needs a known content type',
    observe: async ({ api, ns }) => {
      await api.post(at(configMaps, ns), configMap('a'))
      const send = async (type: string): Promise<unknown> =>
        api.send('PATCH', at(configMaps, ns, 'a'), { body: { data: { q: '1' } }, type })
      return {
        json: await send('application/json'),
        nonsense: await send('text/nonsense'),
        good: await send(strategic),
      }
    },
  },
  {
    name: 'a patch may not make an object invalid',
    observe: async ({ api, ns }) => {
      await api.post(at(modules, ns), module('a'))
      await api.post(at(pods, ns), pod('p'))
      return {
        module: await api.patch(at(modules, ns, 'a'), 'merge', { spec: { selector: 'text' } }),
        pod: await api.patch(at(pods, ns, 'p'), 'merge', { spec: { hostNetwork: true } }),
        podType: await api.patch(at(pods, ns, 'p'), 'merge', { spec: { containers: 'text' } }),
        configMap: await api.patch(at(configMaps, ns, 'kube-root-ca.crt'), 'merge', { data: ['x'] }),
      }
    },
  },
  {
    name: 'server-side apply creates, owns and conflicts',
    observe: async ({ api, ns }) => {
      const apply = async (manager: string, data: Record<string, string>, query = ''): Promise<unknown> =>
        api.send('PATCH', `${at(configMaps, ns, 'a')}?fieldManager=${manager}${query}`, {
          body: configMap('a', {}, data),
          type: 'application/apply-patch+yaml',
        })
      return {
        created: await apply('one', { a: '1', b: '1' }),
        same: await apply('one', { a: '1', b: '1' }),
        conflict: await apply('two', { a: '2' }),
        forced: await apply('two', { a: '2' }, '&force=true'),
        dropped: await apply('one', {}),
        noManager: await api.send('PATCH', at(configMaps, ns, 'b'), {
          body: configMap('b'),
          type: 'application/apply-patch+yaml',
        }),
      }
    },
  },
]
