import type { DaemonSet } from 'kubernetes-types/apps/v1.js'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { getDevicePluginReadyLabel, getDraReadyLabel, roleLabel } from '../../src/api/labels.ts'
import { daemonSets, pods, serviceAccounts } from '../../src/kube/core-resources.ts'
import { isEqualJson } from '../../src/kube/json.ts'
import { deviceClasses } from '../../src/kube/device-class.ts'
import { Cluster } from './cluster.ts'
import { buildClass, buildDra, classOf, createDriver, DraView } from './dra-scene.ts'
import { patience } from './engine.ts'
import { Scene } from './scene.ts'

let cluster: Cluster
let dra: DraView
let stopOperator: () => Promise<void>
beforeAll(async () => {
  cluster = await Cluster.start({ nodes: [] })
  dra = new DraView(cluster)
  stopOperator = await cluster.startOperator()
})
afterAll(async () => {
  await dra.stop()
  await cluster.stop()
})

const restartOperator = async (between: () => Promise<void>): Promise<void> => {
  await stopOperator()
  await between()
  stopOperator = await cluster.startOperator()
}

const untilDriverRuns = (scene: Scene): Promise<void> => scene.untilCondition('Ready', 'True', 'Loaded')
const hasLabel = (scene: Scene, label: string): boolean => label in cluster.labels(scene.name)
const hasDraLabel = (scene: Scene): boolean => hasLabel(scene, getDraReadyLabel(scene.name, 'demo'))
const driversOf = (scene: Scene) => dra.daemonSetsOf('dra', 'demo', scene.name)
const podsOf = ({ name }: Scene) => cluster.view.pods.list().filter(({ metadata }) => metadata?.namespace === name)
const counted = { nodesMatchingSelectorNumber: 1, desiredNumber: 1, availableNumber: 1 }
const isCounted = ({ module }: Scene, which: 'dra' | 'devicePlugin', counts: object): boolean =>
  isEqualJson(module?.status?.[which] ?? {}, counts)
/** A real control plane takes a minute to collect the pods of a Node that is gone. */
const timeoutMs = 60_000 * patience

it(
  'runs a driver where the module is loaded and keeps its DeviceClass; its deletion leaves nothing',
  async () => {
    const scene = await Scene.open(cluster, 'whole')
    await scene.create(await scene.push('1'), ({ spec }) => {
      if (spec) spec.dra = buildDra(scene)
    })
    await scene.untilReady()
    await scene.until('the label', () => hasDraLabel(scene))
    const { selectors, config } = buildClass('')
    await scene.until(
      'the DeviceClass and the DaemonSet',
      () => dra.class(classOf(scene)) && driversOf(scene).length > 0,
    )
    expect(dra.class(classOf(scene))).toMatchObject({
      metadata: {
        labels: {
          'kmm.node.kubernetes.io/module.name': 'demo',
          'kmm.node.kubernetes.io/module.namespace': scene.name,
        },
      },
      spec: { selectors, config },
    })
    const [daemonSet, ...others] = driversOf(scene)
    expect(others).toEqual([])
    expect(daemonSet?.metadata?.name).toMatch(/^demo-dra-[0-9a-f]{5}$/)
    expect(daemonSet?.spec?.template.spec).toMatchObject({ hostNetwork: true, serviceAccountName: 'demo-dra' })
    await cluster.sandbox.client.get(serviceAccounts, { namespace: scene.name, name: 'demo-dra' })
    await scene.until('the counts', () => isCounted(scene, 'dra', counted))
    expect(scene.module?.status).toMatchObject({ moduleLoader: counted, devicePlugin: {} })
    expect(scene.condition('Ready')?.message).toBe('loaded on 1 node')

    await scene.delete()
    await scene.untilGone()
    await scene.until('the DeviceClass is gone', () => dra.class(classOf(scene)) === undefined)
    await scene.until('DaemonSet and pods are gone', () => driversOf(scene).length + podsOf(scene).length === 0)
    await scene.until('the label is gone', () => !hasDraLabel(scene))
    expect(scene.kernel.isLoaded('kmm_demo')).toBe(false)
  },
  timeoutMs,
)

it(
  'writes nothing once all is as it should be, also when it is looked at anew',
  async () => {
    const scene = await Scene.open(cluster, 'quiet')
    await createDriver(scene)
    await untilDriverRuns(scene)
    await scene.until('the label', () => hasDraLabel(scene))
    await scene.until('the counts', () => isCounted(scene, 'dra', counted))
    const isServed = ({ status }: DaemonSet): boolean => status?.numberAvailable === 1
    await scene.until('those of the DaemonSet', () => driversOf(scene).some(isServed))
    await cluster.quiet(1_500)
    const from = cluster.sandbox.writes.length
    await restartOperator(() => Promise.resolve())
    await cluster.quiet(2_000)
    expect(cluster.operatorWrites(from)).toEqual([])
  },
  timeoutMs,
)

it(
  'follows the list of DeviceClasses, and undoes what somebody else changes',
  async () => {
    const scene = await Scene.open(cluster, 'list')
    const { client } = cluster.sandbox
    const [name, other] = [classOf(scene), `nic.${classOf(scene)}`]
    await createDriver(scene)
    await untilDriverRuns(scene)
    await scene.patch({ dra: { deviceClasses: [{ ...buildClass(name), selectors: [] }, { name: other }] } })
    await scene.until('both are right', () => dra.class(other) && dra.class(name)?.spec?.selectors === undefined)
    const body = {
      metadata: { labels: { mine: 'yes' } },
      spec: { config: null, extendedResourceName: 'a.example/gpu' },
    }
    const edited = await client.patch(deviceClasses, { name }, { type: 'merge', body })
    expect(edited.spec?.config).toBeUndefined()
    await scene.until(
      'it is undone',
      () => dra.class(name)?.metadata?.labels?.['mine'] && dra.class(name)?.spec?.config,
    )
    expect(dra.class(name)).toMatchObject({
      metadata: { uid: edited.metadata?.uid, labels: { mine: 'yes' } },
      spec: { config: buildClass(name).config, extendedResourceName: 'a.example/gpu' },
    })
    const uid = dra.class(other)?.metadata?.uid
    await client.delete(deviceClasses, { name: other })
    const remade = (): unknown => dra.class(other) && dra.class(other)?.metadata?.uid !== uid
    await scene.until('it is made again', remade)
    await scene.patch({ dra: { deviceClasses: [{ name: other }] } })
    await scene.until('the first is gone', () => dra.class(name) === undefined)
    expect(dra.class(other)).toBeDefined()
    await scene.patch({ dra: null })
    await scene.until('the other, too', () => dra.class(other) === undefined)
    await scene.until('and the driver', () => driversOf(scene).length + podsOf(scene).length === 0)
    await scene.until('the counts', () => isCounted(scene, 'dra', {}))
  },
  timeoutMs,
)

it(
  'changes from a device plugin to a driver, and back, without touching the module',
  async () => {
    const scene = await Scene.open(cluster, 'change')
    const devicePlugin = { container: { image: 'registry.example/plugin:1' } }
    await scene.create(await scene.push('1'), ({ spec }) => {
      if (spec) spec.devicePlugin = devicePlugin
    })
    await scene.untilReady()
    const { history } = scene.kernel
    const together: string[] = []
    cluster.view.pods.onChange(({ before, after }) => {
      if (before !== undefined || after?.metadata?.namespace !== scene.name) return
      const role = after.metadata.labels?.[roleLabel]
      const others = podsOf(scene).filter(({ metadata }) => metadata?.labels?.[roleLabel] !== role)
      together.push(...others.map(({ metadata }) => `${after.metadata?.name} beside ${metadata?.name}`))
    })
    const labels = {
      dra: getDraReadyLabel(scene.name, 'demo'),
      'device-plugin': getDevicePluginReadyLabel(scene.name, 'demo'),
    }
    const untilRole = async (role: keyof typeof labels, other: keyof typeof labels): Promise<void> => {
      await scene.until(`${role} runs`, () => hasLabel(scene, labels[role]))
      await scene.until(`${other} is gone`, () => dra.daemonSetsOf(other, 'demo', scene.name).length === 0)
      await scene.until('with its pods', () => podsOf(scene).length === 1)
      await scene.until('and its label', () => !hasLabel(scene, labels[other]))
    }
    await scene.patch({ devicePlugin: null, dra: buildDra(scene) })
    await untilRole('dra', 'device-plugin')
    await scene.until('the counts', () => isCounted(scene, 'dra', counted) && isCounted(scene, 'devicePlugin', {}))
    await scene.patch({ devicePlugin, dra: null })
    await untilRole('device-plugin', 'dra')
    await scene.until('no class is left', () => dra.class(classOf(scene)) === undefined)
    await scene.until('the counts', () => isCounted(scene, 'devicePlugin', counted) && isCounted(scene, 'dra', {}))
    expect(scene.kernel.history).toEqual(history)
    expect(together).toEqual([])
  },
  timeoutMs,
)

/** The driver's DaemonSet as the Go operator makes it, under a generated name. */
function upstreamDaemonSet(scene: Scene, uid: string): DaemonSet {
  const labels = { 'kmm.node.kubernetes.io/module.name': 'demo', 'kmm.node.kubernetes.io/role': 'dra' }
  const volumes = [
    ['kubelet-plugins', '/var/lib/kubelet/plugins/', 'DirectoryOrCreate'],
    ['kubelet-plugins-registry', '/var/lib/kubelet/plugins_registry/', 'Directory'],
    ['cdi', '/var/run/cdi', 'DirectoryOrCreate'],
  ].map(([name = '', path = '', type = '']) => ({ name, hostPath: { path, type } }))
  const field = (fieldPath: string) => ({ fieldRef: { fieldPath } })
  const owner = { apiVersion: 'kmm.sigs.x-k8s.io/v1beta1', kind: 'Module', name: 'demo', uid }
  const container = {
    name: 'dra',
    image: 'registry.example/dra-driver:1',
    securityContext: { privileged: true },
    volumeMounts: volumes.map(({ name, hostPath: { path } }) => ({ name, mountPath: path })),
    env: [
      { name: 'NODE_NAME', valueFrom: field('spec.nodeName') },
      { name: 'POD_UID', valueFrom: field('metadata.uid') },
      { name: 'CDI_ROOT', value: '/var/run/cdi' },
      { name: 'KUBELET_REGISTRAR_DIRECTORY_PATH', value: '/var/lib/kubelet/plugins_registry/' },
      { name: 'KUBELET_PLUGINS_DIRECTORY_PATH', value: '/var/lib/kubelet/plugins/' },
      { name: 'HEALTHCHECK_PORT', value: '51515' },
    ],
    livenessProbe: {
      grpc: { port: 51515, service: 'liveness' },
      initialDelaySeconds: 30,
      periodSeconds: 10,
      timeoutSeconds: 5,
      failureThreshold: 3,
    },
  }
  return {
    metadata: {
      generateName: 'demo-dra-',
      namespace: scene.name,
      labels,
      ownerReferences: [{ ...owner, controller: true, blockOwnerDeletion: true }],
    },
    spec: {
      selector: { matchLabels: labels },
      template: {
        metadata: { labels, finalizers: ['kmm.node.kubernetes.io/node-labeler'] },
        spec: {
          priorityClassName: 'system-node-critical',
          hostNetwork: true,
          nodeSelector: scene.selector,
          containers: [container],
          volumes,
        },
      },
    },
  }
}

it(
  'takes over what the Go operator made and rewrites none of it; a duplicate is healed',
  async () => {
    const scene = await Scene.open(cluster, 'takeover')
    const { client } = cluster.sandbox
    let uid = ''
    let adopted: unknown
    let first: DaemonSet | undefined
    let from = 0
    await restartOperator(async () => {
      uid = (await createDriver(scene)).metadata.uid ?? ''
      first = await client.create(daemonSets, upstreamDaemonSet(scene, uid))
      const labels = {
        'kmm.node.kubernetes.io/module.name': 'demo',
        'kmm.node.kubernetes.io/module.namespace': scene.name,
      }
      const { name, selectors = [], config = [] } = buildClass(classOf(scene))
      adopted = await client.create(deviceClasses, { metadata: { name, labels }, spec: { selectors, config } })
      await scene.until('its pod', () => podsOf(scene).length === 1)
      from = cluster.sandbox.writes.length
    })
    await untilDriverRuns(scene)
    await cluster.quiet(1_500)
    const writes = cluster.operatorWrites(from)
    expect(writes.filter((write) => /daemonsets|deviceclasses|serviceaccounts/.test(write))).toEqual([])
    expect(dra.class(classOf(scene))).toEqual(adopted)
    const created = Date.parse(String(first?.metadata?.creationTimestamp))
    await scene.until('a second has gone by', () => Date.now() > created + 1_100)
    const duplicate = await client.create(daemonSets, upstreamDaemonSet(scene, uid))
    const isOfDuplicate = ({ verb, resource, name }: Cluster['sandbox']['writes'][number]): boolean =>
      verb === 'delete' && resource === 'daemonsets' && name === duplicate.metadata?.name
    await scene.until('the duplicate is deleted', () => cluster.sandbox.writes.some(isOfDuplicate))
    const names = (): unknown[] => driversOf(scene).map(({ metadata }) => metadata?.name)
    await scene.until('the first alone is left', () => isEqualJson(names(), [first?.metadata?.name]))
  },
  timeoutMs,
)

it(
  'leaves no pod Terminating when the Node is deleted',
  async () => {
    const scene = await Scene.open(cluster, 'lost')
    await createDriver(scene)
    await scene.until('its pod', () => hasDraLabel(scene))
    await scene.node.delete()
    await scene.until('nothing is left there', () => podsOf(scene).length === 0, 45_000)
    await scene.until('the counts', () => isCounted(scene, 'dra', {}))
    await scene.delete()
    await scene.untilGone()
    await scene.until('nor a class', () => dra.class(classOf(scene)) === undefined)
  },
  timeoutMs,
)

/** A scene whose module is loaded and whose driver runs; answers the driver's pod. */
async function openRunning(name: string): Promise<{ scene: Scene; key: { namespace: string; name: string } }> {
  const scene = await Scene.open(cluster, name)
  await scene.create(await scene.push('1'), ({ spec }) => {
    if (spec) spec.dra = buildDra(scene)
  })
  await scene.untilReady()
  await scene.until('the label', () => hasDraLabel(scene))
  await cluster.caughtUp()
  const [pod] = podsOf(scene).filter(({ metadata }) => metadata?.labels?.[roleLabel] === 'dra')
  return { scene, key: { namespace: scene.name, name: pod?.metadata?.name ?? '' } }
}

it(
  "waits for a driver's pod that somebody else holds, names it, and goes on when it is let go",
  async () => {
    const { scene, key } = await openRunning('held')
    const { client } = cluster.sandbox
    const hold = { op: 'add', path: '/metadata/finalizers/-', value: 'example.test/hold' }
    await client.patch(pods, key, { type: 'json', body: [hold] })
    await scene.delete()
    const message = await scene.untilFailed('DevicePluginStillRunning', 0)
    expect(message).toContain(key.name)
    await scene.until('the finalizer is named', () => scene.worker?.message?.includes('example.test/hold'))
    await scene.until('on the Module', () => scene.condition('Ready')?.message?.includes('example.test/hold'))
    const isLetGo = (): boolean =>
      podsOf(scene).some(
        ({ metadata }) => JSON.stringify(metadata?.finalizers) === JSON.stringify(['example.test/hold']),
      )
    await scene.until('our finalizer is off', isLetGo)
    await scene.until('the label is off', () => !hasDraLabel(scene))
    expect([scene.kernel.isLoaded('kmm_demo'), scene.pods.Unload.size]).toEqual([true, 0])
    await client.patch(pods, key, { type: 'json', body: [{ op: 'remove', path: '/metadata/finalizers/0' }] })
    await scene.untilGone()
    expect(scene.kernel.isLoaded('kmm_demo')).toBe(false)
  },
  timeoutMs,
)

it(
  'waits for the driver of a dead node and says so; deleting the Node leaves nothing',
  async () => {
    const { scene, key } = await openRunning('dead')
    await scene.node.setReady(false)
    await scene.delete()
    const told = (): string => scene.condition('Ready')?.message ?? ''
    await scene.until('the pod is named', () => told().includes(key.name) && told().includes('its node is not ready'))
    expect(scene.pods.Unload.size).toBe(0)
    await scene.node.delete()
    await scene.untilGone()
    await scene.until('no pod is left', () => podsOf(scene).length === 0, 45_000)
    await scene.until('nor a class', () => dra.class(classOf(scene)) === undefined)
  },
  timeoutMs,
)
