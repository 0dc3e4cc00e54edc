import type { Pod } from 'kubernetes-types/core/v1.js'
import { describe, expect, it } from 'vitest'
import type { ClusterObjects } from '../../../test/builders/caches.ts'
import { buildModule, markDeleted } from '../../../test/builders/module.ts'
import { buildNode, cordoned } from '../../../test/builders/node.ts'
import {
  buildItem,
  buildLoaded,
  buildModuleConfig,
  buildNodeConfig,
  type ConfigParts,
} from '../../../test/builders/node-modules-config.ts'
import { buildImages, reportCondition, reportStatus } from '../../../test/builders/report.ts'
import { buildReported } from '../../../test/builders/work.ts'
import type { ImageStatus } from '../../api/module-images-config.ts'
import type { Module } from '../../api/module.ts'
import type { NodeView } from '../cluster/node-view.ts'

interface Scene {
  module?: Module
  node?: Partial<NodeView>
  config?: ConfigParts
  image?: Partial<ImageStatus>
  gone?: boolean
}

const cluster = ({ module = buildModule(), node, config, image, gone }: Scene): ClusterObjects => ({
  modules: [module],
  nodes: gone ? [] : [buildNode(node)],
  nodeModulesConfigs: config ? [buildNodeConfig(config)] : [],
  moduleImagesConfigs: [buildImages(image)],
})

const present: ConfigParts = { entries: [buildItem()], loaded: [buildLoaded()] }
const loading: ConfigParts = { entries: [buildItem()] }
const leaving = { deletionTimestamp: '2030-01-01T00:00:00Z', finalizers: ['example.test/hold'] }
const changed = buildItem({ config: buildModuleConfig({ containerImage: 'registry.test/mod:v0' }) })
const other = buildItem({ name: 'other' })
const withPolicy = (policy: string): Module =>
  buildModule({ metadata: { annotations: { 'kmm.sigs.x-k8s.io/unload-policy': policy } } })
const otherKernel = buildModule({
  container: { kernelMappings: [{ literal: '5.15.0-1', containerImage: 'registry.test/mod:v0' }] },
})

describe('how a Module stands on a node', () => {
  const missing = { phase: 'Missing' as const, reason: 'ImageNotFound', message: 'no such tag' }
  // Status of Ready, Progressing and Degraded, and the reason of Ready.
  const rows: [string, Scene, string][] = [
    ['loaded', { config: present }, 'True False False Loaded'],
    ['loaded on a node that is cordoned', { config: present, node: { taints: [cordoned] } }, 'True False False Loaded'],
    ['loaded on a node that is not ready', { config: present, node: { ready: false } }, 'True False False Loaded'],
    ['not planned yet', {}, 'False True False NodeModulesConfigPending'],
    ['being loaded', { config: loading }, 'False True False WorkerRunning'],
    [
      'started again, not loaded yet',
      { config: present, node: { bootId: 'boot-2' } },
      'False True False WorkerRunning',
    ],
    [
      'waiting for a node that is not ready',
      { config: loading, node: { ready: false } },
      'False True False NodeNotReady',
    ],
    ['failing', { config: { ...loading, workers: [buildReported()] } }, 'False False True UnknownSymbol'],
    [
      'waiting for the device plugin',
      {
        config: {
          loaded: [buildLoaded()],
          workers: [buildReported({ action: 'Unload', reason: 'DevicePluginStillRunning' })],
        },
      },
      'False True False DevicePluginStillRunning',
    ],
    [
      'refused',
      { config: { ...loading, workers: [buildReported({ reason: 'WorkerPodRefused' })] } },
      'False False True WorkerPodRefused',
    ],
    ['without an image', { image: missing }, 'False False True ImageMissing'],
    [
      'loaded, and changed since the plan was made',
      { config: { entries: [changed], loaded: [buildLoaded(changed)] } },
      'False True False NodeModulesConfigPending',
    ],
    [
      'loaded, its new image missing',
      { config: { entries: [changed], loaded: [buildLoaded(changed)] }, image: missing },
      'False False True ImageMissing',
    ],
    [
      'loaded, its new image not to be had',
      {
        config: { entries: [changed], loaded: [buildLoaded(changed)] },
        image: { phase: 'Unverified', reason: 'RegistryUnauthorized', message: 'who?' },
      },
      'False False True ImageUnverified',
    ],
    [
      'being loaded, its new image missing',
      { config: { entries: [changed] }, image: missing },
      'False False True ImageMissing',
    ],
    [
      'started with another kernel, whose image is missing',
      { config: present, node: { kernelVersion: '6.2.0-1-amd64', bootId: 'boot-2' }, image: missing },
      'False False True ImageMissing',
    ],
    [
      'started with another kernel, whose image is not known',
      { config: present, node: { kernelVersion: '6.2.0-1-amd64', bootId: 'boot-2' }, image: { phase: 'Unknown' } },
      'False True False ImageUnknown',
    ],
    [
      'loaded, whether the new image exists is not known',
      { config: present, image: { phase: 'Unknown' } },
      'True False False Loaded',
    ],
    ['waiting for its image', { image: { phase: 'Unknown' } }, 'False True False ImageUnknown'],
    ['for other kernels', { module: otherKernel }, 'False False False NoKernelMapping'],
    [
      'for other kernels, and still loaded',
      { module: otherKernel, config: { loaded: [buildLoaded()] } },
      'False True False WorkerRunning',
    ],
    ['kept off by a taint', { node: { taints: [cordoned] } }, 'False False False NodeNotSchedulable'],
    [
      'kept off by a taint, its image missing',
      { node: { taints: [cordoned] }, image: missing },
      'False False False NodeNotSchedulable',
    ],
    [
      'unloaded for a taint',
      { module: withPolicy('OnTaint'), node: { taints: [cordoned] } },
      'False False False NodeTainted',
    ],
    [
      'loaded, never to be unloaded, its new image waiting for a reboot',
      { module: withPolicy('Never'), config: { entries: [changed], loaded: [buildLoaded(changed)] } },
      'False True False UnloadForbidden',
    ],
    [
      "loaded, and in another Module's plan, too",
      { config: { entries: [buildItem(), other], loaded: [buildLoaded(), buildLoaded(other)] } },
      'False False True ModuleClaimed',
    ],
    [
      'kept off by another Module',
      { config: { entries: [other], loaded: [buildLoaded(other)] } },
      'False False True ModuleClaimed',
    ],
    [
      'loaded, and its record is being deleted',
      { config: { ...present, metadata: leaving } },
      'True False False Loaded',
    ],
    [
      'to come when its record is deleted',
      { config: { metadata: leaving } },
      'False True False NodeModulesConfigPending',
    ],
    [
      'to be loaded again when its record is deleted',
      { config: { ...present, metadata: leaving }, node: { bootId: 'boot-2' } },
      'False True False NodeModulesConfigPending',
    ],
    ['on a node that is gone', { gone: true, config: present }, 'False True False NodeGone'],
    [
      'on a node that is gone, where somebody holds its record',
      { gone: true, config: { ...present, metadata: leaving } },
      'False True False NodeGone',
    ],
    ['on no node', { node: { labels: {} } }, 'False False False NoMatchingNodes'],
  ]
  it.each(rows)('%s', (_title, scene, expected) => {
    const objects = cluster(scene)
    const status = (type: string) => reportCondition(objects, type).status
    expect(
      `${status('Ready')} ${status('Progressing')} ${status('Degraded')} ${reportCondition(objects, 'Ready').reason}`,
    ).toBe(expected)
  })

  it('says for whom it waits where somebody holds the NodeModulesConfig that is being deleted', () => {
    const objects = cluster({ config: { ...present, metadata: leaving }, node: { bootId: 'boot-2' } })
    expect(reportCondition(objects, 'Ready').message).toContain(
      'NodeModulesConfig n1 is being deleted, waits for who has the finalizer example.test/hold, and is made again then',
    )
  })
})

describe('a Module with a newer version than a node has', () => {
  const workerLabel = 'beta.kmm.node.kubernetes.io/version-worker-pod.ns.mod'
  const askedLabel = 'kmm.node.kubernetes.io/version-module.ns.mod'
  const old = { version: '1', config: buildModuleConfig({ containerImage: 'registry.test/mod:v0' }) }
  const scene: Scene = {
    module: buildModule({ container: { version: '2' } }),
    config: { entries: [buildItem(old)], loaded: [buildLoaded(old)] },
    node: { labels: { role: 'worker', [workerLabel]: '1', [askedLabel]: '1' } },
  }

  it('is well there, and says which label makes it change', () => {
    const words = `the node's label ${workerLabel} is 1, the Module's version is 2; set the node's label ${askedLabel}=2 to load it`
    const { reasons, worstNodes, moduleLoader } = reportStatus(cluster(scene))
    expect(reasons).toEqual([{ reason: 'VersionDiffers', nodes: 1 }])
    expect(worstNodes).toEqual([{ node: 'n1', reason: 'VersionDiffers', message: words }])
    expect(moduleLoader?.availableNumber).toBe(1)
    expect(reportCondition(cluster(scene), 'Ready')).toEqual({
      status: 'True',
      reason: 'Loaded',
      message: `loaded on 1 node; versions differ on 1 node, first n1: ${words}`,
    })
    for (const type of ['Progressing', 'Degraded'])
      expect(reportCondition(cluster(scene), type)).toEqual({ status: 'False', reason: 'AsExpected', message: '' })
  })

  it('is well there, too, where the node asks for a version that it does not have', () => {
    const labels = { role: 'worker', [workerLabel]: '1', [askedLabel]: '3' }
    for (const version of ['1', '2']) {
      const module = buildModule({ container: { version } })
      const there = version === '1' ? { version } : old
      const config = { entries: [buildItem(there)], loaded: [buildLoaded(there)] }
      const objects = cluster({ module, config, node: { labels } })
      expect(reportCondition(objects, 'Ready')).toMatchObject({ status: 'True', reason: 'Loaded' })
      expect(reportStatus(objects).worstNodes).toEqual([
        {
          node: 'n1',
          reason: 'VersionDiffers',
          message: `the node asks for version 3 of ns/mod, which has version ${version}; version 1 stays until the Module has the one that is asked for`,
        },
      ])
    }
  })

  it('waits there for the pods of its device plugin once it is asked for', () => {
    const labels = { role: 'worker', [workerLabel]: '1', [askedLabel]: '2' }
    const pods: Pod[] = [
      {
        metadata: {
          name: 'plugin',
          namespace: 'ns',
          uid: 'uid-plugin',
          resourceVersion: '1',
          labels: { 'kmm.node.kubernetes.io/module.name': 'mod', 'kmm.node.kubernetes.io/role': 'dra' },
        },
        spec: { nodeName: 'n1', containers: [{ name: 'plugin', image: 'plugin' }] },
      },
    ]
    const objects = { ...cluster({ ...scene, node: { labels } }), pods }
    const words =
      '1 device plugin or DRA pod(s) of ns/mod still run on the node: plugin (nobody has deleted it yet); version 1 is unloaded when they are gone'
    expect(reportStatus(objects).reasons).toEqual([{ reason: 'DevicePluginStillRunning', nodes: 1 }])
    expect(reportCondition(objects, 'Progressing')).toEqual({
      status: 'True',
      reason: 'DevicePluginStillRunning',
      message: `1 node, first n1: ${words}`,
    })
    expect(reportCondition(objects, 'Degraded').status).toBe('False')
  })
})

describe('the conditions of a Module', () => {
  it('say in words what is the case and on how many nodes', () => {
    const nodes = [1, 2, 3].map((index) => buildNode({ name: `n${index}`, uid: `uid-n${index}` }))
    const failing = {
      ...loading,
      workers: [buildReported({ message: 'symbol x is not known; build for this kernel' })],
    }
    const nodeModulesConfigs = [
      buildNodeConfig({ name: 'n1', ...failing }),
      buildNodeConfig({ name: 'n2', ...failing }),
    ]
    const objects = { modules: [buildModule()], nodes, nodeModulesConfigs }
    expect(reportCondition(objects, 'Ready')).toEqual({
      status: 'False',
      reason: 'UnknownSymbol',
      message: '2 nodes, first n1: symbol x is not known; build for this kernel',
    })
    expect(reportCondition(objects, 'Progressing').message).toBe('1 node, first n3: the plan is about to name it')
  })

  it('count the nodes that it is not for beside those where it is loaded', () => {
    const nodes = [buildNode(), buildNode({ name: 'n2', uid: 'uid-n2', taints: [cordoned] })]
    const objects = { modules: [buildModule()], nodes, nodeModulesConfigs: [buildNodeConfig(present)] }
    expect(reportCondition(objects, 'Ready')).toEqual({
      status: 'True',
      reason: 'Loaded',
      message: 'loaded on 1 node; not for 1 node',
    })
  })

  it('move their time only when their status does, and tell which generation they are about', () => {
    const before = [
      {
        type: 'Ready',
        status: 'True' as const,
        reason: 'Loaded',
        message: 'of old',
        lastTransitionTime: '2029-01-01T00:00:00Z',
      },
      {
        type: 'Degraded',
        status: 'True' as const,
        reason: 'Unknown',
        message: '',
        lastTransitionTime: '2029-01-01T00:00:00Z',
      },
    ]
    const module = buildModule({ metadata: { generation: 4 }, status: { conditions: before } })
    const status = reportStatus(cluster({ module, config: present }))
    const times = Object.fromEntries(
      status.conditions?.map(({ type, lastTransitionTime }) => [type, lastTransitionTime]) ?? [],
    )
    expect(times).toMatchObject({ Ready: '2029-01-01T00:00:00Z', Degraded: '2030-01-01T00:00:00Z' })
    expect(status.conditions?.map(({ observedGeneration }) => observedGeneration)).toEqual([4, 4, 4, 4])
    expect(status.observedGeneration).toBe(4)
  })

  it('are not longer than Kubernetes lets them be', () => {
    const workers = [buildReported({ message: 'x'.repeat(2_000) })]
    expect(reportCondition(cluster({ config: { ...loading, workers } }), 'Degraded').message).toHaveLength(1_024)
  })
})

describe('whether the images are ready', () => {
  const rows: [string, Partial<ImageStatus>, string][] = [
    ['exists', {}, 'True ImagesExist: 1 of 1 images exist'],
    [
      'is missing',
      { phase: 'Missing', reason: 'ImageNotFound', message: 'no such tag' },
      'False ImageNotFound: registry.test/mod:v1: no such tag',
    ],
    [
      'is missing, and its message names it',
      { phase: 'Missing', reason: 'ImageNotFound', message: 'image registry.test/mod:v1 does not exist' },
      'False ImageNotFound: image registry.test/mod:v1 does not exist',
    ],
    ['is not known', { phase: 'Unknown' }, 'Unknown ImageUnknown: registry.test/mod:v1: not looked at yet'],
    [
      'cannot be looked at',
      { phase: 'Unverified', reason: 'RegistryUnreachable', message: 'no route' },
      'Unknown RegistryUnreachable: registry.test/mod:v1: no route; the workers try it themselves',
    ],
  ]
  it.each(rows)('when the image %s', (_title, image, expected) => {
    const { status, reason, message } = reportCondition(cluster({ image }), 'ImagesReady')
    expect(`${status} ${reason}: ${message}`).toBe(expected)
  })

  it('is not known before anybody has asked, unless no node needs one', () => {
    const unasked = { ...cluster({}), moduleImagesConfigs: [] }
    expect(reportCondition(unasked, 'ImagesReady')).toMatchObject({ status: 'Unknown', reason: 'ImageUnknown' })
    expect(reportCondition({ ...unasked, nodes: [] }, 'ImagesReady').status).toBe('True')
  })
})

describe('a Module that is being deleted', () => {
  const deleted = markDeleted(buildModule())

  it('says which nodes it waits for, and for what', () => {
    const nodes = [
      buildNode(),
      buildNode({ name: 'n2', uid: 'uid-n2', ready: false }),
      buildNode({ name: 'n3', uid: 'uid-n3' }),
    ]
    const busy = buildReported({ action: 'Unload', reason: 'ModuleInUse', message: 'mod is used by other' })
    const nodeModulesConfigs = [
      buildNodeConfig({ loaded: [buildLoaded()], workers: [busy] }),
      buildNodeConfig({ name: 'n2', loaded: [buildLoaded()] }),
      buildNodeConfig({ name: 'gone', loaded: [buildLoaded()] }),
    ]
    const { status, reason, message } = reportCondition({ modules: [deleted], nodes, nodeModulesConfigs }, 'Ready')
    expect([status, reason]).toEqual(['False', 'Deleting'])
    expect(message).toBe(
      'being unloaded; waits for 3 nodes: n1 (ModuleInUse: mod is used by other), ' +
        'n2 (NodeNotReady: node n2 is not ready: its kubelet would not start a worker), ' +
        'gone (NodeGone: node gone is gone; its NodeModulesConfig goes with it)',
    )
  })
})
