import { describe, expect, it } from 'vitest'
import type { ClusterObjects } from '../../../test/builders/caches.ts'
import { buildModule, buildPluginModule } from '../../../test/builders/module.ts'
import { buildNode, cordoned } from '../../../test/builders/node.ts'
import { buildItem, buildLoaded, buildNodeConfig } from '../../../test/builders/node-modules-config.ts'
import { buildDaemonSet, buildImages, reportCondition, reportStatus } from '../../../test/builders/report.ts'
import { buildReported } from '../../../test/builders/work.ts'
import { getDevicePluginTargetLabel, getSchedulePodVersionLabelName } from '../../api/labels.ts'
import type { NodeView, Taint } from '../cluster/node-view.ts'

const withPlugin = buildModule({ spec: { devicePlugin: { container: { image: 'registry.test/plugin:v1' } } } })
const name = (index: number): string => `n${String(index).padStart(2, '0')}`

function buildNodes(count: number, changes: Partial<NodeView> = {}): NodeView[] {
  return Array.from({ length: count }, (_each, index) =>
    buildNode({ name: name(index), uid: `uid-${name(index)}`, ...changes }),
  )
}

describe('the counts of a Module', () => {
  it('are those of upstream: nodes that may get it, nodes that the plan names, nodes where it is loaded', () => {
    const [first, second, third, fourth] = buildNodes(4)
    const nodes = [
      first,
      second,
      third && { ...third, taints: [cordoned] },
      fourth,
      buildNode({ name: 'x', labels: {} }),
    ]
    const nodeModulesConfigs = [
      buildNodeConfig({ name: name(0), entries: [buildItem()], loaded: [buildLoaded()] }),
      buildNodeConfig({ name: name(1), entries: [buildItem()], loaded: [buildLoaded({ bootId: 'boot-0' })] }),
      buildNodeConfig({ name: name(3), entries: [buildItem({ namespace: 'other' })] }),
    ]
    const status = reportStatus({
      modules: [buildModule()],
      nodes: nodes.filter((node) => node !== undefined),
      nodeModulesConfigs,
    })
    expect(status.moduleLoader).toEqual({ nodesMatchingSelectorNumber: 3, desiredNumber: 2, availableNumber: 1 })
    expect([status.devicePlugin, status.dra]).toEqual([{}, {}])
  })

  it('count a tainted node that has it', () => {
    const nodes = buildNodes(1, { taints: [cordoned] })
    const nodeModulesConfigs = [buildNodeConfig({ name: name(0), entries: [buildItem()], loaded: [buildLoaded()] })]
    expect(reportStatus({ modules: [buildModule()], nodes, nodeModulesConfigs }).moduleLoader).toEqual({
      nodesMatchingSelectorNumber: 1,
      desiredNumber: 1,
      availableNumber: 1,
    })
  })

  it('leave out what is zero, as upstream does', () => {
    expect(reportStatus({ modules: [buildModule()] }).moduleLoader).toEqual({})
  })

  it("count a device plugin's nodes by the selector and the Module's tolerations", () => {
    const nodes = [...buildNodes(3), buildNode({ name: 'tainted', uid: 'uid-t', taints: [cordoned] })]
    const objects = { modules: [withPlugin], nodes, daemonSets: [buildDaemonSet(2, 1)] }
    expect(reportStatus(objects).devicePlugin).toEqual({
      nodesMatchingSelectorNumber: 3,
      desiredNumber: 3,
      availableNumber: 1,
    })
  })
})

describe('the reasons of a Module', () => {
  const nodes = buildNodes(15)
  const failAt = (index: number, reason: string, minute: number) =>
    buildNodeConfig({
      name: name(index),
      entries: [buildItem()],
      workers: [buildReported({ reason, since: `2029-01-01T00:${String(minute).padStart(2, '0')}:00Z` })],
    })
  const nodeModulesConfigs = [
    ...Array.from({ length: 8 }, (_each, index) => failAt(index, 'UnknownSymbol', 30 - index)),
    ...Array.from({ length: 4 }, (_each, index) => failAt(index + 8, 'ModuleInUse', 40)),
    buildNodeConfig({ name: name(12), entries: [buildItem()], loaded: [buildLoaded()] }),
  ]
  const status = reportStatus({ modules: [buildModule()], nodes, nodeModulesConfigs })

  it('are counted, the most frequent first', () => {
    expect(status.reasons).toEqual([
      { reason: 'UnknownSymbol', nodes: 8 },
      { reason: 'ModuleInUse', nodes: 4 },
      { reason: 'NodeModulesConfigPending', nodes: 2 },
    ])
  })

  it('are shown for the ten worst nodes: what fails for longest first, by name where it is the same', () => {
    expect(status.worstNodes?.map(({ node }) => node)).toEqual([7, 6, 5, 4, 3, 2, 1, 0, 8, 9].map(name))
    expect(status.worstNodes?.[0]).toEqual({
      node: name(7),
      reason: 'UnknownSymbol',
      message: 'what to do',
      since: '2029-01-01T00:23:00Z',
    })
  })

  it('are not there when nothing is wrong', () => {
    const all = nodes.map((node) =>
      buildNodeConfig({ name: node.name, entries: [buildItem()], loaded: [buildLoaded()] }),
    )
    const fine = reportStatus({ modules: [buildModule()], nodes, nodeModulesConfigs: all })
    expect(fine).not.toHaveProperty('reasons')
    expect(fine).not.toHaveProperty('worstNodes')
  })
})

describe('a Module with a device plugin', () => {
  const loadedEverywhere: ClusterObjects = {
    modules: [withPlugin],
    nodes: buildNodes(2),
    nodeModulesConfigs: [0, 1].map((index) =>
      buildNodeConfig({ name: name(index), entries: [buildItem()], loaded: [buildLoaded()] }),
    ),
  }
  const rows: [string, ClusterObjects, string][] = [
    ['no DaemonSet yet', {}, 'False the device plugin is being rolled out'],
    [
      'a DaemonSet that nobody has looked at',
      { daemonSets: [buildDaemonSet(2, 2, 0)] },
      'False the device plugin is being rolled out',
    ],
    [
      'a DaemonSet that does not know of the nodes yet',
      { daemonSets: [buildDaemonSet(0, 0)] },
      'False the device plugin is available on 0 of 2 nodes',
    ],
    [
      'one pod available',
      { daemonSets: [buildDaemonSet(2, 1)] },
      'False the device plugin is available on 1 of 2 nodes',
    ],
    ['all pods available', { daemonSets: [buildDaemonSet(2, 2)] }, 'True loaded on 2 nodes'],
    [
      'all pods that a taint lets come',
      {
        daemonSets: [buildDaemonSet(1, 1)],
        nodes: [...buildNodes(1), buildNode({ name: name(1), uid: `uid-${name(1)}`, taints: [cordoned] })],
      },
      'True loaded on 2 nodes',
    ],
    [
      'a pod that stayed on a node that was cordoned',
      {
        daemonSets: [buildDaemonSet(2, 1)],
        nodes: buildNodes(2, {
          taints: [cordoned],
          labels: { role: 'worker', [getDevicePluginTargetLabel('ns', 'mod')]: '' },
        }),
      },
      'False the device plugin is available on 1 of 2 nodes',
    ],
  ]
  const labels = { role: 'worker', [getDevicePluginTargetLabel('ns', 'mod')]: '' }
  const withTaint = (taint: Taint): ClusterObjects => ({
    daemonSets: [buildDaemonSet(1, 1)],
    nodes: [...buildNodes(1, { labels }), buildNode({ name: name(1), uid: 'uid-1', labels, taints: [taint] })],
  })
  rows.push(
    [
      'no pod where a taint came that drives it out',
      withTaint({ key: 'repair', value: '', effect: 'NoExecute' }),
      'True loaded on 2 nodes',
    ],
    [
      'a pod on a node that does not answer',
      withTaint({ key: 'node.kubernetes.io/unreachable', value: '', effect: 'NoExecute' }),
      'False the device plugin is available on 1 of 2 nodes',
    ],
  )
  it.each(rows)('is ready only when its pods are: %s', (_title, objects, expected) => {
    const { status, message } = reportCondition({ ...loadedEverywhere, ...objects }, 'Ready')
    expect(`${status} ${message}`).toBe(expected)
  })

  it('expects a pod of a version only where the label lets it', () => {
    const devicePlugin = { container: { image: 'registry.test/plugin:v1' } }
    const versioned = buildModule({ spec: { selector: { role: 'worker' } }, container: { version: '2' } })
    const module = { ...versioned, spec: { selector: { role: 'worker' }, ...versioned.spec, devicePlugin } }
    const workerLabel = 'beta.kmm.node.kubernetes.io/version-worker-pod.ns.mod'
    const labels = { role: 'worker', [workerLabel]: '2' }
    const scheduled = { ...labels, [getSchedulePodVersionLabelName('ns', 'mod')]: '2' }
    const on = (each: Record<string, string>): ClusterObjects => ({
      ...loadedEverywhere,
      modules: [module],
      nodes: buildNodes(2, { labels: each }),
      daemonSets: [buildDaemonSet(0, 0)],
    })
    expect(reportCondition(on(labels), 'Ready').status).toBe('True')
    expect(reportCondition(on(scheduled), 'Ready').message).toBe('the device plugin is available on 0 of 2 nodes')
  })

  it('alone is ready when its pods are, whatever its nodes', () => {
    const objects = { modules: [buildPluginModule()], nodes: buildNodes(2) }
    expect(reportCondition(objects, 'Ready').message).toBe('the device plugin is being rolled out')
    expect(reportCondition({ ...objects, daemonSets: [buildDaemonSet(2, 2)] }, 'Ready')).toEqual({
      status: 'True',
      reason: 'Loaded',
      message: 'the device plugin is available',
    })
    expect(reportStatus({ ...objects, daemonSets: [buildDaemonSet(2, 2)] }).moduleLoader).toEqual({})
  })
})

it('says of a Module with neither a loader nor a plugin that it asks for nothing', () => {
  const module = buildPluginModule()
  const empty = { ...module, spec: { selector: module.spec?.selector ?? {} } }
  expect(reportCondition({ modules: [empty], nodes: buildNodes(2) }, 'Ready').message).toMatch(/^it asks for nothing/)
})

it('tells which trigger was acted on', () => {
  const images = buildImages()
  const status = { imagesStates: [], ...images.status, imageRebuildTriggerGeneration: 3 }
  expect(reportStatus({ modules: [buildModule()], moduleImagesConfigs: [{ ...images, status }] })).toMatchObject({
    imageRebuildTriggerGeneration: 3,
  })
})
