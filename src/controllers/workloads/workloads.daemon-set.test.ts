import type { DaemonSet } from 'kubernetes-types/apps/v1.js'
import { describe, expect, it } from 'vitest'
import { buildModule, buildPluginModule } from '../../../test/builders/module.ts'
import { buildNode } from '../../../test/builders/node.ts'
import { buildObserved } from '../../../test/builders/workloads.ts'
import type { DevicePlugin, Module } from '../../api/module.ts'
import { type Action, decide } from './decide.ts'

const plugin: DevicePlugin = { container: { image: 'registry.test/plugin:v1' } }
const withPlugin = (changes: Partial<DevicePlugin> = {}, version?: string): Module =>
  buildModule({
    spec: { devicePlugin: { ...plugin, ...changes } },
    container: version === undefined ? {} : { version },
  })

const act = (module: Module | undefined, daemonSets: readonly DaemonSet[] = []): readonly Action[] =>
  decide(buildObserved(module, daemonSets), 0).actions
const typesOf = (actions: readonly Action[]): string[] => actions.map(({ type }) => type)

function create(module: Module): DaemonSet {
  const action = act(module).find((each) => each.type === 'createDaemonSet')
  if (action === undefined) throw new Error('no DaemonSet is made')
  return action.daemonSet
}

const stored = (daemonSet: DaemonSet, name: string, desired = 0): DaemonSet => ({
  ...daemonSet,
  metadata: { ...daemonSet.metadata, name, uid: `uid-${name}`, resourceVersion: '5' },
  status: { currentNumberScheduled: 0, numberMisscheduled: 0, numberReady: 0, desiredNumberScheduled: desired },
})

describe('the DaemonSet of a device plugin', () => {
  const module = buildModule({
    spec: {
      imageRepoSecret: { name: 'pull' },
      tolerations: [{ key: 'gpu', operator: 'Exists' }],
      devicePlugin: {
        container: {
          image: 'registry.test/plugin:v1',
          command: ['/plugin'],
          args: ['-v'],
          env: [{ name: 'A', value: 'b' }],
          imagePullPolicy: 'Always',
          resources: { limits: { cpu: '1' } },
          volumeMounts: [{ name: 'config', mountPath: '/config' }],
        },
        initContainer: { image: 'registry.test/wait:v1', command: ['/wait'] },
        volumes: [{ name: 'config', configMap: { name: 'config' } }],
        serviceAccountName: 'plugin',
        automountServiceAccountToken: false,
      },
    },
    container: { version: '2' },
  })
  const daemonSet = create(module)
  const labels = {
    'kmm.node.kubernetes.io/module.name': 'mod',
    'kmm.node.kubernetes.io/role': 'device-plugin',
    'beta.kmm.node.kubernetes.io/version-schedule-pod.ns.mod': '2',
  }

  it('is labelled and owned as upstream has it', () => {
    expect(daemonSet.metadata).toMatchObject({
      namespace: 'ns',
      labels,
      ownerReferences: [{ kind: 'Module', name: 'mod', uid: 'uid-ns-mod', controller: true, blockOwnerDeletion: true }],
    })
    expect(daemonSet.metadata?.name).toMatch(/^mod-device-plugin-[0-9a-f]{5}$/)
    expect(daemonSet.spec?.selector).toEqual({ matchLabels: labels })
    expect(daemonSet.spec?.template.metadata).toEqual({ labels, finalizers: ['kmm.node.kubernetes.io/node-labeler'] })
  })

  it('goes where the module is ready, for its version', () => {
    expect(daemonSet.spec?.template.spec?.nodeSelector).toEqual({
      'kmm.node.kubernetes.io/ns.mod.ready': '',
      'kmm.node.kubernetes.io/ns.mod.device-plugin-target': '',
      'beta.kmm.node.kubernetes.io/version-schedule-pod.ns.mod': '2',
    })
  })

  it('has the pod that upstream makes', () => {
    const { nodeSelector: _nodes, ...spec } = daemonSet.spec?.template.spec ?? { containers: [] }
    expect(spec).toEqual({
      priorityClassName: 'system-node-critical',
      serviceAccountName: 'plugin',
      automountServiceAccountToken: false,
      imagePullSecrets: [{ name: 'pull' }],
      tolerations: [{ key: 'gpu', operator: 'Exists' }],
      containers: [
        {
          name: 'device-plugin',
          image: 'registry.test/plugin:v1',
          command: ['/plugin'],
          args: ['-v'],
          env: [{ name: 'A', value: 'b' }],
          imagePullPolicy: 'Always',
          resources: { limits: { cpu: '1' } },
          volumeMounts: [
            { name: 'kubelet-device-plugins', mountPath: '/var/lib/kubelet/device-plugins' },
            { name: 'config', mountPath: '/config' },
          ],
          securityContext: { privileged: true },
        },
      ],
      initContainers: [
        {
          name: 'device-plugin-init',
          image: 'registry.test/wait:v1',
          command: ['/wait'],
          securityContext: { privileged: true },
        },
      ],
      volumes: [
        { name: 'kubelet-device-plugins', hostPath: { path: '/var/lib/kubelet/device-plugins', type: 'Directory' } },
        { name: 'config', configMap: { name: 'config' } },
      ],
    })
  })

  it('goes by the selector alone without a moduleLoader', () => {
    expect(create(buildPluginModule()).spec?.template.spec?.nodeSelector).toEqual({ role: 'worker' })
  })
})

describe('the service account of a device plugin', () => {
  it('is made where the Module names none', () => {
    const actions = act(withPlugin())
    expect(typesOf(actions)).toEqual(['createServiceAccount', 'createDaemonSet'])
    expect(actions[0]).toMatchObject({ name: 'mod-device-plugin' })
    expect(create(withPlugin()).spec?.template.spec?.serviceAccountName).toBe('mod-device-plugin')
  })

  it('is not made where it names one', () => {
    expect(typesOf(act(withPlugin({ serviceAccountName: 'plugin' })))).toEqual(['createDaemonSet'])
  })

  it('is made in place of one that it named before', () => {
    const present = stored(create(withPlugin({ serviceAccountName: 'plugin' })), 'a')
    const [account, replaced] = act(withPlugin(), [present])
    expect(account).toMatchObject({ type: 'createServiceAccount' })
    expect(replaced).toMatchObject({
      wanted: { spec: { template: { spec: { serviceAccountName: 'mod-device-plugin' } } } },
    })
  })
})

describe('a Module with its DaemonSet', () => {
  const present = stored(create(withPlugin()), 'a', 1)

  it('is at rest', () => {
    expect(act(withPlugin(), [present])).toEqual([])
  })

  it('has it replaced when the Module changes', () => {
    expect(typesOf(act(withPlugin({ container: { image: 'registry.test/plugin:v2' } }), [present]))).toContain(
      'replaceDaemonSet',
    )
  })

  it('has it replaced when somebody edits it', () => {
    const edited = structuredClone(present)
    const [container] = edited.spec?.template.spec?.containers ?? []
    if (container) container.image = 'registry.test/evil'
    expect(typesOf(act(withPlugin(), [edited]))).toContain('replaceDaemonSet')
  })

  it('has only the oldest of several', () => {
    expect(act(withPlugin(), [present, stored(create(withPlugin()), 'b')])).toMatchObject([
      { type: 'deleteDaemonSet', daemonSet: { metadata: { name: 'b' } } },
    ])
  })

  it('has one for each version, until the old one targets no node', () => {
    const old = create(withPlugin({}, '1'))
    expect(typesOf(act(withPlugin({}, '2'), [stored(old, 'old', 3)]))).toEqual([
      'createServiceAccount',
      'createDaemonSet',
    ])
    const current = stored(create(withPlugin({}, '2')), 'current', 3)
    expect(act(withPlugin({}, '2'), [stored(old, 'old', 1), current])).toEqual([])
    expect(act(withPlugin({}, '2'), [stored(old, 'old', 0), current])).toMatchObject([
      { type: 'deleteDaemonSet', daemonSet: { metadata: { name: 'old' } } },
    ])
  })

  it('has that of an old version for as long as a node is to have the version, though no pod runs just now', () => {
    const daemonSets = ['1', '2'].map((version) => stored(create(withPlugin({}, version)), version))
    const observed = buildObserved(withPlugin({}, '2'), daemonSets)
    const actOn = (labels: Record<string, string>) => decide({ ...observed, nodes: [buildNode({ labels })] }, 0).actions
    const [worker, schedule] = ['worker', 'schedule'].map(
      (what) => `beta.kmm.node.kubernetes.io/version-${what}-pod.ns.mod`,
    ) as [string, string]
    for (const kept of [{ [worker]: '1' }, { [schedule]: '1' }]) expect(actOn(kept)).toEqual([])
    for (const gone of [{}, { [worker]: '2', [schedule]: '2' }])
      expect(actOn(gone)).toMatchObject([{ type: 'deleteDaemonSet', daemonSet: { metadata: { name: '1' } } }])
  })

  it('loses it with its device plugin, and when it is being deleted', () => {
    const deleted = {
      ...withPlugin(),
      metadata: { ...withPlugin().metadata, deletionTimestamp: '2030-01-01T00:00:00Z' },
    }
    for (const module of [buildModule(), deleted]) expect(typesOf(act(module, [present]))).toEqual(['deleteDaemonSet'])
  })

  it('waits for one that is being deleted, and touches none of a Module that vanished', () => {
    const deletionTimestamp = '2030-01-01T00:00:00Z' as unknown as NonNullable<
      DaemonSet['metadata']
    >['deletionTimestamp']
    const leaving: DaemonSet = {
      ...present,
      metadata: { ...present.metadata, ...(deletionTimestamp ? { deletionTimestamp } : {}) },
    }
    expect(act(buildModule(), [leaving])).toEqual([])
    expect(act(undefined, [present])).toEqual([])
  })
})
