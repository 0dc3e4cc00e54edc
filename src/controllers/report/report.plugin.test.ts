import type { ContainerStatus, Pod, PodStatus } from 'kubernetes-types/core/v1.js'
import { expect, it } from 'vitest'
import { fillCaches } from '../../../test/builders/caches.ts'
import { buildDraModule, buildModule } from '../../../test/builders/module.ts'
import { buildNode } from '../../../test/builders/node.ts'
import { buildItem, buildLoaded, buildNodeConfig } from '../../../test/builders/node-modules-config.ts'
import { buildDaemonSet, buildImages, reportCondition } from '../../../test/builders/report.ts'
import type { Module } from '../../api/module.ts'
import { createMappingResolver } from '../../kernel/resolver.ts'
import { createWorkloadRefusals } from '../cluster/refusals.ts'
import { createReportController } from './controller.ts'
import type { ReportTools } from './execute.ts'

const withPlugin = buildModule({ spec: { devicePlugin: { container: { image: 'registry.test/plugin:v1' } } } })

interface PluginPod {
  name?: string
  node?: string
  role?: string
  status?: PodStatus
  deleting?: boolean
}

function buildPod({ name = 'p1', node = 'n1', role = 'device-plugin', status = {}, deleting }: PluginPod): Pod {
  return {
    metadata: {
      namespace: 'ns',
      name,
      uid: `uid-${name}`,
      resourceVersion: '1',
      labels: { 'kmm.node.kubernetes.io/module.name': 'mod', 'kmm.node.kubernetes.io/role': role },
      ownerReferences: [{ apiVersion: 'apps/v1', kind: 'DaemonSet', name: 'plugin', uid: 'uid-ds' }],
      ...(deleting ? { deletionTimestamp: '2030-01-01T00:00:00Z', deletionGracePeriodSeconds: 30 } : {}),
    },
    spec: { ...(node === '' ? {} : { nodeName: node }), containers: [{ name: 'device-plugin', image: 'a:1' }] },
    status: { phase: 'Pending', ...status },
  }
}

const withContainer = (status: Partial<ContainerStatus>): PodStatus => ({
  containerStatuses: [{ name: 'device-plugin', image: 'a:1', imageID: '', ready: false, restartCount: 0, ...status }],
})

function tell(pods: readonly Pod[], module: Module = withPlugin, daemonSet = buildDaemonSet(2, 1)): string {
  const { message = '' } = reportCondition(
    {
      modules: [module],
      nodes: [buildNode()],
      nodeModulesConfigs: [buildNodeConfig({ entries: [buildItem()], loaded: [buildLoaded()] })],
      moduleImagesConfigs: [buildImages()],
      daemonSets: [daemonSet],
      pods,
    },
    'Ready',
  )
  return message
}

const crashed = {
  state: { waiting: { reason: 'CrashLoopBackOff', message: 'back-off 5m0s restarting failed container' } },
  lastState: { terminated: { exitCode: 2, reason: 'Error', message: 'no such device\n', finishedAt: '' } },
} as const

const rows: [string, PluginPod, string][] = [
  [
    'that crashes again and again',
    { status: withContainer(crashed) },
    'first n1: pod p1: CrashLoopBackOff: back-off 5m0s restarting failed container; it ended with exit code 2: no such device',
  ],
  [
    'that has just ended',
    { status: withContainer({ state: { terminated: { exitCode: 137, reason: 'OOMKilled' } } }) },
    'first n1: pod p1: it ended with exit code 137 (OOMKilled)',
  ],
  [
    'whose image is not there',
    { status: withContainer({ state: { waiting: { reason: 'ErrImagePull', message: 'not found' } } }) },
    'first n1: pod p1: ErrImagePull: not found',
  ],
  [
    'that fits on no node',
    {
      node: '',
      status: { conditions: [{ type: 'PodScheduled', status: 'False', message: '0/1 nodes: Insufficient cpu' }] },
    },
    'first pod p1: no node is found for it: 0/1 nodes: Insufficient cpu',
  ],
  [
    'that was evicted',
    { status: { phase: 'Failed', reason: 'Evicted', message: 'The node was low on memory' } },
    'first n1: pod p1: Evicted: The node was low on memory',
  ],
  [
    'that is being started',
    { status: withContainer({ state: { waiting: { reason: 'ContainerCreating' } } }) },
    'first n1: pod p1: is being started; if it stays so, kubectl -n ns describe pod p1 tells why',
  ],
]
it.each(rows)('says why a device plugin is not available: a pod %s', (_title, pod, words) => {
  expect(tell([buildPod(pod)])).toBe(`the device plugin is available on 1 of 2 nodes; ${words}`)
})

it('says why a DRA driver is not, and leaves the pods of the other role and those that go aside', () => {
  const driver = buildDaemonSet(2, 1)
  driver.metadata = { ...driver.metadata, labels: { ...driver.metadata?.labels, 'kmm.node.kubernetes.io/role': 'dra' } }
  const pods = [
    buildPod({ name: 'a', status: withContainer(crashed) }),
    buildPod({ name: 'b', role: 'dra', status: withContainer(crashed), deleting: true }),
    buildPod({ name: 'c', role: 'dra', status: { phase: 'Failed', reason: 'NodeAffinity' } }),
  ]
  expect(tell(pods, buildDraModule(), driver)).toBe(
    'the DRA driver is available on 1 of 2 nodes; first n1: pod c: NodeAffinity',
  )
})

it('says what a driver waits for that takes the place of a device plugin', () => {
  const { metadata, ...nothing } = buildDaemonSet(0, 0)
  const other = { ...nothing, metadata: { ...metadata, name: 'other', namespace: 'other' } }
  expect(tell([buildPod({ deleting: true }), buildPod({ name: 'p2' })], buildDraModule(), other)).toBe(
    'the DRA driver is being rolled out; it waits for pods of the device plugin to go: p1 on n1 and 1 more',
  )
})

it('tells of what fails before what is on its way', () => {
  const pods = [buildPod({ name: 'a' }), buildPod({ name: 'b', node: 'n2', status: withContainer(crashed) })]
  expect(tell(pods)).toContain('first n2: pod b: CrashLoopBackOff')
})

it('points at the DaemonSet whose pods cannot be made', () => {
  const daemonSet = buildDaemonSet(2, 0)
  const status = daemonSet.status && { ...daemonSet.status, currentNumberScheduled: 0 }
  expect(tell([], withPlugin, { ...daemonSet, ...(status ? { status } : {}) })).toBe(
    'the device plugin is available on 0 of 2 nodes; pods are missing; if they stay so, kubectl -n ns describe daemonset mod-device-plugin-1 tells why',
  )
})

it('cuts what a container says', () => {
  const message = 'x'.repeat(4_000)
  const pod = buildPod({ status: withContainer({ state: { terminated: { exitCode: 1, message } } }) })
  expect(tell([pod]).length).toBeLessThan(500)
})

it('looks again when a pod changes', () => {
  const caches = fillCaches({ modules: [withPlugin] })
  const sources = {
    caches,
    resolver: createMappingResolver(),
    lastWrites: new Map(),
    refusals: createWorkloadRefusals(),
    claims: { has: () => false },
    lost: { names: () => false },
  }
  const nudged: string[] = []
  createReportController(sources, { caches, lastWrites: new Map() } as unknown as ReportTools).watch(
    () => undefined,
    (key) => void nudged.push(key),
  )
  caches.pods.written(buildPod({}))
  expect(nudged).toEqual(['ns/mod'])
})
