import type { Pod } from 'kubernetes-types/core/v1.js'
import { expect, it } from 'vitest'
import { type ClusterObjects, fillCaches } from '../../../test/builders/caches.ts'
import { buildDraModule, buildPluginModule } from '../../../test/builders/module.ts'
import { buildNode } from '../../../test/builders/node.ts'
import { createWorkloadRefusals } from '../cluster/refusals.ts'
import { decide } from './decide.ts'
import { observe } from './observe.ts'

const startMs = Date.parse('2030-01-01T00:00:00Z')

interface Parts {
  role?: string
  node?: string
  phase?: string
  deletedAt?: string
}

/** A pod of a device plugin that ends by 00:00:30, unless it says otherwise. */
function buildPod({ role = 'device-plugin', node = 'n1', phase = 'Running', deletedAt }: Parts = {}): Pod {
  const metadata = {
    namespace: 'ns',
    name: 'old',
    uid: 'uid-old',
    resourceVersion: '1',
    labels: { 'kmm.node.kubernetes.io/module.name': 'mod', 'kmm.node.kubernetes.io/role': role },
    ownerReferences: [{ apiVersion: 'apps/v1', kind: 'DaemonSet', name: 'old', uid: 'uid-ds' }],
    ...(deletedAt === undefined ? {} : { deletionTimestamp: deletedAt, deletionGracePeriodSeconds: 30 }),
  }
  return {
    metadata: metadata as unknown as NonNullable<Pod['metadata']>,
    spec: { nodeName: node, containers: [{ name: 'c', image: 'a:1' }] },
    status: { phase },
  }
}

const inTime = '2030-01-01T00:00:30Z'
const dra = buildDraModule()

function look(objects: ClusterObjects, nowMs = startMs) {
  const caches = fillCaches({ modules: [dra], nodes: [buildNode()], ...objects })
  const { actions, waits } = decide(observe('ns/mod', { caches, refusals: createWorkloadRefusals() }), nowMs)
  return { isMade: actions.some(({ type }) => type === 'createDaemonSet'), waits }
}

it('starts a driver when the pods of the device plugin before it are gone, and says for which it waits', () => {
  expect(look({ pods: [buildPod({ deletedAt: inTime })] })).toEqual({
    isMade: false,
    waits: [
      {
        reason: 'DevicePluginStillRunning',
        message:
          'the DRA driver is started when what was there before it is gone: 1 pod(s) of the device plugin, first old on n1',
        untilMs: startMs + 60_000,
      },
    ],
  })
  expect(look({})).toEqual({ isMade: true, waits: [] })
})

it('starts a device plugin after a driver in the same way', () => {
  const modules = [buildPluginModule()]
  expect(look({ modules, pods: [buildPod({ role: 'dra', deletedAt: inTime })] }).isMade).toBe(false)
  expect(look({ modules, pods: [buildPod({ deletedAt: inTime })] }).isMade).toBe(true)
})

it('waits for one that nobody has deleted yet, whenever that will be', () => {
  const { isMade, waits } = look({ pods: [buildPod()] })
  expect(isMade).toBe(false)
  expect(waits[0]).not.toHaveProperty('untilMs')
})

it.each<[string, Parts]>([
  ['has ended', { phase: 'Failed' }],
  ['is on a node that is gone', { node: 'gone' }],
  ['is on no node', { node: '' }],
])('does not wait for one that %s', (_title, parts) => {
  expect(look({ pods: [buildPod({ deletedAt: inTime, ...parts })] }).isMade).toBe(true)
})

it('does not wait for a node that does not answer, nor half a minute longer than a pod has to end', () => {
  const pods = [buildPod({ deletedAt: inTime })]
  expect(look({ pods, nodes: [buildNode({ ready: false })] }).isMade).toBe(true)
  expect(look({ pods }, startMs + 59_999).isMade).toBe(false)
  expect(look({ pods }, startMs + 60_000)).toEqual({ isMade: true, waits: [] })
})

it('waits for nobody where the Module asks for both', () => {
  const devicePlugin = { container: { image: 'a:1' } }
  const both = { ...dra, spec: { selector: {}, ...dra.spec, devicePlugin } }
  expect(look({ modules: [both], pods: [buildPod({ deletedAt: inTime })] }).isMade).toBe(true)
})
