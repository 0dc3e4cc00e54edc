import type { DaemonSet } from 'kubernetes-types/apps/v1.js'
import { describe, expect, it } from 'vitest'
import { type ClusterObjects, fillCaches } from '../../../test/builders/caches.ts'
import { buildDraModule, buildModule, markDeleted } from '../../../test/builders/module.ts'
import { buildObserved } from '../../../test/builders/workloads.ts'
import type { DRA, Module } from '../../api/module.ts'
import type { DeviceClass } from '../../kube/device-class.ts'
import { createWorkloadRefusals } from '../cluster/refusals.ts'
import { buildDeviceClass } from '../cluster/device-class.ts'
import { type Action, decide } from './decide.ts'
import { observe } from './observe.ts'

const act = (module: Module | undefined, daemonSets: readonly DaemonSet[] = []): readonly Action[] =>
  decide(buildObserved(module, daemonSets), 0).actions
const typesOf = (actions: readonly Action[]): string[] => actions.map(({ type }) => type)

function create(module: Module): DaemonSet {
  const action = act(module).find((each) => each.type === 'createDaemonSet')
  if (action === undefined) throw new Error('no DaemonSet is made')
  return action.daemonSet
}

const stored = (daemonSet: DaemonSet, name = 'a'): DaemonSet => ({
  ...daemonSet,
  metadata: { ...daemonSet.metadata, name, uid: `uid-${name}`, resourceVersion: '5' },
})

const withVersion = (version: string): Module => buildDraModule({}, { container: { version } })

describe('the DaemonSet of a DRA driver', () => {
  const module = buildDraModule(
    {
      container: {
        image: 'registry.test/driver:v1',
        env: [{ name: 'A', value: 'b' }],
        volumeMounts: [{ name: 'config', mountPath: '/config' }],
      },
      initContainer: { image: 'registry.test/wait:v1', command: ['/wait'] },
      volumes: [{ name: 'config', configMap: { name: 'config' } }],
      serviceAccountName: 'driver',
      automountServiceAccountToken: true,
    },
    {
      spec: { imageRepoSecret: { name: 'pull' }, tolerations: [{ key: 'gpu', operator: 'Exists' }] },
      container: { version: '2' },
    },
  )
  const daemonSet = create(module)
  const labels = {
    'kmm.node.kubernetes.io/module.name': 'mod',
    'kmm.node.kubernetes.io/role': 'dra',
    'beta.kmm.node.kubernetes.io/version-schedule-pod.ns.mod': '2',
  }

  it('is named, labelled and owned as upstream has it', () => {
    expect(daemonSet.metadata?.name).toMatch(/^mod-dra-[0-9a-f]{5}$/)
    expect(daemonSet.metadata).toMatchObject({ labels, ownerReferences: [{ uid: 'uid-ns-mod', controller: true }] })
    expect(daemonSet.spec?.selector).toEqual({ matchLabels: labels })
    expect(daemonSet.spec?.template.metadata).toEqual({ labels, finalizers: ['kmm.node.kubernetes.io/node-labeler'] })
  })

  it('goes where the module is ready, for its version, and needs no target label', () => {
    expect(daemonSet.spec?.template.spec?.nodeSelector).toEqual({
      'kmm.node.kubernetes.io/ns.mod.ready': '',
      'beta.kmm.node.kubernetes.io/version-schedule-pod.ns.mod': '2',
    })
  })

  it('has the pod that upstream makes', () => {
    const { nodeSelector: _nodes, ...spec } = daemonSet.spec?.template.spec ?? { containers: [] }
    expect(spec).toEqual({
      priorityClassName: 'system-node-critical',
      serviceAccountName: 'driver',
      automountServiceAccountToken: true,
      imagePullSecrets: [{ name: 'pull' }],
      tolerations: [{ key: 'gpu', operator: 'Exists' }],
      hostNetwork: true,
      containers: [
        {
          name: 'dra',
          image: 'registry.test/driver:v1',
          env: [
            { name: 'NODE_NAME', valueFrom: { fieldRef: { fieldPath: 'spec.nodeName' } } },
            { name: 'POD_UID', valueFrom: { fieldRef: { fieldPath: 'metadata.uid' } } },
            { name: 'CDI_ROOT', value: '/var/run/cdi' },
            { name: 'KUBELET_REGISTRAR_DIRECTORY_PATH', value: '/var/lib/kubelet/plugins_registry/' },
            { name: 'KUBELET_PLUGINS_DIRECTORY_PATH', value: '/var/lib/kubelet/plugins/' },
            { name: 'HEALTHCHECK_PORT', value: '51515' },
            { name: 'A', value: 'b' },
          ],
          volumeMounts: [
            { name: 'kubelet-plugins', mountPath: '/var/lib/kubelet/plugins/' },
            { name: 'kubelet-plugins-registry', mountPath: '/var/lib/kubelet/plugins_registry/' },
            { name: 'cdi', mountPath: '/var/run/cdi' },
            { name: 'config', mountPath: '/config' },
          ],
          livenessProbe: {
            grpc: { port: 51515, service: 'liveness' },
            initialDelaySeconds: 30,
            periodSeconds: 10,
            timeoutSeconds: 5,
            failureThreshold: 3,
          },
          securityContext: { privileged: true },
        },
      ],
      initContainers: [
        {
          name: 'dra-init',
          image: 'registry.test/wait:v1',
          command: ['/wait'],
          securityContext: { privileged: true },
        },
      ],
      volumes: [
        { name: 'kubelet-plugins', hostPath: { path: '/var/lib/kubelet/plugins/', type: 'DirectoryOrCreate' } },
        {
          name: 'kubelet-plugins-registry',
          hostPath: { path: '/var/lib/kubelet/plugins_registry/', type: 'Directory' },
        },
        { name: 'cdi', hostPath: { path: '/var/run/cdi', type: 'DirectoryOrCreate' } },
        { name: 'config', configMap: { name: 'config' } },
      ],
    })
  })

  it('goes by the selector alone without a moduleLoader, and has no version', () => {
    const { moduleLoader: _none, ...spec } = module.spec ?? { selector: {} }
    const alone = create({ ...module, spec })
    expect(alone.spec?.template.spec?.nodeSelector).toEqual({ role: 'worker' })
    expect(Object.keys(alone.metadata?.labels ?? {})).toHaveLength(2)
  })

  it('has a service account made for it where the Module names none', () => {
    const actions = act(buildDraModule())
    expect(actions).toMatchObject([{ type: 'createServiceAccount', name: 'mod-dra' }, { type: 'createDaemonSet' }])
  })

  it('is at rest when it is as wanted; what somebody adds to it is taken off', () => {
    const present = stored(create(buildDraModule()))
    expect(act(buildDraModule(), [present])).toEqual([])
    const spec = present.spec?.template.spec
    const edited = structuredClone(present)
    if (spec && edited.spec?.template.spec) edited.spec.template.spec.hostNetwork = false
    expect(typesOf(act(buildDraModule(), [edited]))).toContain('replaceDaemonSet')
  })

  it('is one for each version, and only the oldest of several', () => {
    const [old, current] = [stored(create(withVersion('1')), 'old'), stored(create(withVersion('2')), 'current')]
    expect(act(withVersion('2'), [old, current, stored(current, 'twin')])).toMatchObject([
      { type: 'deleteDaemonSet', daemonSet: { metadata: { name: 'twin' } } },
      { type: 'deleteDaemonSet', daemonSet: { metadata: { name: 'old' } } },
    ])
  })

  it('takes the place of the device plugin, and gives it back', () => {
    const withPlugin = buildModule({ spec: { devicePlugin: { container: { image: 'registry.test/plugin:v1' } } } })
    const change = ['createServiceAccount', 'createDaemonSet', 'deleteDaemonSet']
    expect(typesOf(act(buildDraModule(), [stored(create(withPlugin))])).sort()).toEqual([...change].sort())
    expect(typesOf(act(withPlugin, [stored(create(buildDraModule()))])).sort()).toEqual([...change].sort())
  })

  it('goes with the Module, and leaves DaemonSets of other roles alone', () => {
    const present = stored(create(buildDraModule()))
    expect(typesOf(act(markDeleted(buildDraModule()), [present]))).toEqual(['deleteDaemonSet'])
    const ancient = stored(structuredClone(present))
    if (ancient.metadata) ancient.metadata.labels = { 'kmm.node.kubernetes.io/role': 'module-loader' }
    expect(act(buildModule(), [ancient])).toEqual([])
  })

  it.each([
    { kind: 'absent', message: 'too old' },
    { kind: 'unknown', message: 'no answer' },
  ] as const)('is neither made nor changed where DRA is $kind; one that runs stays', (dra) => {
    const present = stored(create(buildDraModule()))
    const changed = buildDraModule({ container: { image: 'registry.test/driver:v2' } })
    for (const daemonSets of [[], [present]])
      expect(decide({ ...buildObserved(changed, daemonSets), dra }, 0).actions).toEqual([])
    expect(typesOf(decide({ ...buildObserved(buildModule(), [present]), dra }, 0).actions)).toEqual(['deleteDaemonSet'])
  })
})

const gpu = { name: 'gpu.example.com', selectors: [{ cel: { expression: 'true' } }] }
const nic = {
  name: 'nic.example.com',
  config: [{ opaque: { driver: 'nic.example.com', parameters: { empty: '', none: null, list: [], no: false } } }],
}
const withClasses = (...deviceClasses: NonNullable<DRA['deviceClasses']>): Module => buildDraModule({ deviceClasses })

const inCluster = ({ metadata, ...rest }: DeviceClass, changes: object = {}): DeviceClass => ({
  ...rest,
  metadata: { ...metadata, uid: `uid-${metadata?.name}`, resourceVersion: '7', ...changes },
})

interface ClassCase extends ClusterObjects {
  refusals?: ReturnType<typeof createWorkloadRefusals>
  nowMs?: number
}

function decideClasses({ refusals = createWorkloadRefusals(), nowMs = 0, ...objects }: ClassCase) {
  const { actions, waits } = decide(observe('ns/mod', { caches: fillCaches(objects), refusals }), nowMs)
  return { actions: actions.filter(({ type }) => type.endsWith('DeviceClass')), waits }
}

describe('the DeviceClasses of a Module', () => {
  const module = withClasses(gpu, nic)
  const [gpuClass, nicClass] = [gpu, nic].map((each) => inCluster(buildDeviceClass(module, each)))
  const both = [gpuClass, nicClass].filter((each) => each !== undefined)
  const foreignLabels = { labels: { 'kmm.node.kubernetes.io/module.name': 'mod' } }

  it('are made with the labels that upstream sets, and without an owner', () => {
    const { actions } = decideClasses({ modules: [module] })
    expect(actions).toMatchObject([
      {
        type: 'createDeviceClass',
        wanted: {
          metadata: {
            name: gpu.name,
            labels: { 'kmm.node.kubernetes.io/module.name': 'mod', 'kmm.node.kubernetes.io/module.namespace': 'ns' },
          },
          spec: { selectors: gpu.selectors },
        },
      },
      { type: 'createDeviceClass', wanted: { spec: { config: nic.config } } },
    ])
    expect(JSON.stringify(actions)).not.toContain('ownerReferences')
  })

  it('are at rest when they are as wanted, whatever the API server writes besides', () => {
    const deviceClasses = both.map((each) => ({ ...each, spec: { ...each.spec, extendedResourceName: 'a.b/c' } }))
    expect(decideClasses({ modules: [module], deviceClasses })).toEqual({ actions: [], waits: [] })
  })

  it('are changed when they differ, also where only a setting without content does', () => {
    const parameters = { none: null, list: [], no: false }
    const spec = { config: [{ opaque: { driver: 'nic.example.com', parameters } }] }
    const deviceClasses = both.map((each) => (each.metadata?.name === nic.name ? { ...each, spec } : each))
    expect(decideClasses({ modules: [module], deviceClasses }).actions).toMatchObject([
      {
        type: 'replaceDeviceClass',
        present: { metadata: { resourceVersion: '7' } },
        wanted: { spec: { config: nic.config } },
      },
    ])
  })

  it('go when they are no longer listed, when DRA is not asked for, and with the Module', () => {
    const names = (modules: Module[]): unknown[] =>
      decideClasses({ modules, deviceClasses: both }).actions.map((action) =>
        action.type === 'deleteDeviceClass' ? action.deviceClass.metadata?.name : action.type,
      )
    expect(names([withClasses(gpu)])).toEqual([nic.name])
    for (const modules of [[buildModule()], [markDeleted(module)], []])
      expect(names(modules)).toEqual([gpu.name, nic.name])
  })

  const foreign: [string, object, string][] = [
    ['of somebody else', { labels: undefined }, 'KMM did not make it'],
    ['with half of the labels', foreignLabels, 'KMM did not make it'],
    [
      'of another Module',
      { labels: { ...foreignLabels.labels, 'kmm.node.kubernetes.io/module.namespace': 'other' } },
      'it belongs to Module other/mod',
    ],
  ]
  it.each(foreign)('%s are neither taken over nor deleted, and told of', (_title, changes, words) => {
    const deviceClasses = [inCluster({ ...gpuClass, spec: {} }, changes)]
    const { actions, waits } = decideClasses({ modules: [module], deviceClasses })
    expect(actions).toMatchObject([{ type: 'createDeviceClass', wanted: { metadata: { name: nic.name } } }])
    expect(waits).toMatchObject([{ reason: 'DeviceClassConflict', message: expect.stringContaining(words) as string }])
    for (const modules of [[markDeleted(module)], [buildModule()], []])
      expect(decideClasses({ modules, deviceClasses }).actions).toEqual([])
  })

  it('are waited for while they are being deleted', () => {
    const deletionTimestamp = '2030-01-01T00:00:00Z'
    const deviceClasses = both.map((each) => inCluster(each, { deletionTimestamp, finalizers: ['example.test/hold'] }))
    for (const modules of [[module], [buildModule()], []])
      expect(decideClasses({ modules, deviceClasses })).toEqual({ actions: [], waits: [] })
  })

  it('that were refused are tried again after a while, and at once when the Module changes', () => {
    const refusals = createWorkloadRefusals()
    refusals.deviceClasses.set('ns/mod', gpu.name, {
      wanted: buildDeviceClass(module, gpu),
      message: 'bad',
      untilMs: 1_000,
    })
    const later = { modules: [module], deviceClasses: both.slice(1), refusals }
    expect(decideClasses(later)).toMatchObject({
      actions: [],
      waits: [{ reason: 'DeviceClassRefused', untilMs: 1_000 }],
    })
    expect(typesOf(decideClasses({ ...later, nowMs: 1_000 }).actions)).toEqual(['createDeviceClass'])
    const changed = withClasses({ ...gpu, selectors: [] }, nic)
    expect(decideClasses({ ...later, modules: [changed] })).toMatchObject({
      actions: [{ type: 'createDeviceClass' }],
      waits: [],
    })
  })

  it('of one name count once', () => {
    expect(decideClasses({ modules: [withClasses(gpu, { name: gpu.name })] }).actions).toMatchObject([
      { wanted: { spec: { selectors: gpu.selectors } } },
    ])
  })

  it('are not made where the cluster has none, and the Module says why', () => {
    const dra = { kind: 'absent', message: 'too old' } as const
    expect(decideClasses({ modules: [module], dra })).toEqual({
      actions: [],
      waits: [{ reason: 'DRAUnsupported', message: 'too old' }],
    })
    expect(decideClasses({ modules: [markDeleted(module)], dra })).toEqual({ actions: [], waits: [] })
  })
})
