import { describe, expect, it } from 'vitest'
import type { ClusterObjects } from '../../../test/builders/caches.ts'
import { buildDraModule, markDeleted } from '../../../test/builders/module.ts'
import { buildNode, cordoned } from '../../../test/builders/node.ts'
import { buildItem, buildLoaded, buildNodeConfig } from '../../../test/builders/node-modules-config.ts'
import {
  buildDaemonSet,
  buildImages,
  decideReport,
  reportCondition,
  reportStatus,
} from '../../../test/builders/report.ts'
import { getDraReadyLabel, roleLabel } from '../../api/labels.ts'
import { buildDeviceClass } from '../cluster/device-class.ts'

const gpu = { name: 'gpu.example.com', selectors: [{ cel: { expression: 'true' } }] }
const module = buildDraModule({ deviceClasses: [gpu] })
const gpuClass = { ...buildDeviceClass(module, gpu) }
const foreign = { ...gpuClass, metadata: { name: gpu.name } }

const ofDriver = (scheduled: number, available: number) => {
  const daemonSet = buildDaemonSet(scheduled, available)
  return {
    ...daemonSet,
    metadata: { ...daemonSet.metadata, labels: { ...daemonSet.metadata?.labels, [roleLabel]: 'dra' } },
  }
}

const loaded: ClusterObjects = {
  modules: [module],
  nodes: [buildNode()],
  nodeModulesConfigs: [buildNodeConfig({ entries: [buildItem()], loaded: [buildLoaded()] })],
  moduleImagesConfigs: [buildImages()],
  daemonSets: [ofDriver(1, 1)],
  deviceClasses: [gpuClass],
}

const tell = (objects: ClusterObjects, type: string): string => {
  const { status, reason, message } = reportCondition(objects, type) as {
    status: string
    reason: string
    message: string
  }
  return `${status} ${reason} ${message}`
}

describe('a Module with a DRA driver', () => {
  it('is ready with its driver and its DeviceClasses', () => {
    expect(tell(loaded, 'Ready')).toBe('True Loaded loaded on 1 node')
    expect(tell(loaded, 'Degraded')).toMatch(/^False/)
  })

  const rows: [string, ClusterObjects, RegExp, RegExp][] = [
    [
      'without a DaemonSet',
      { daemonSets: [] },
      /^False DRADriverNotReady the DRA driver is being rolled out/,
      /^False/,
    ],
    [
      'with pods that are not there',
      { daemonSets: [ofDriver(1, 0)] },
      /^False DRADriverNotReady the DRA driver is available on 0 of 1 node/,
      /^False/,
    ],
    [
      'without its DeviceClass',
      { deviceClasses: [] },
      /^False DRADriverNotReady DeviceClass .* is not made yet/,
      /^False/,
    ],
    [
      "with somebody else's DeviceClass",
      { deviceClasses: [foreign] },
      /^False DeviceClassConflict DeviceClass gpu.example.com exists already, and KMM did not make it/,
      /^True DeviceClassConflict/,
    ],
    [
      'on a cluster without DRA',
      { dra: { kind: 'absent', message: 'too old' }, daemonSets: [] },
      /^False DRAUnsupported too old/,
      /^True DRAUnsupported too old/,
    ],
    [
      'on a cluster that does not answer',
      { dra: { kind: 'unknown', message: 'no answer' } },
      /^False DRADriverNotReady whether this cluster has DRA is not known: no answer/,
      /^False/,
    ],
  ]
  it.each(rows)('%s says so', (_title, objects, ready, degraded) => {
    expect(tell({ ...loaded, ...objects }, 'Ready')).toMatch(ready)
    expect(tell({ ...loaded, ...objects }, 'Degraded')).toMatch(degraded)
  })

  it('says nothing of DRA while it is being deleted', () => {
    const objects = { ...loaded, modules: [markDeleted(module)], deviceClasses: [foreign] }
    expect(tell(objects, 'Ready')).toMatch(/^False Deleting/)
    expect(tell(objects, 'Degraded')).not.toContain('DeviceClassConflict')
  })

  it('has an event for what is wrong with DRA, once', () => {
    const events = (objects: ClusterObjects): string[] =>
      decideReport(objects).actions.flatMap((action) => (action.type === 'recordFailure' ? [action.reason] : []))
    const conflict = { ...loaded, deviceClasses: [foreign] }
    expect(events(conflict)).toEqual(['DeviceClassConflict'])
    const status = reportStatus(conflict)
    const dra = { kind: 'absent', message: 'too old' } as const
    const told = { ...module, status }
    expect(events({ ...conflict, modules: [told], daemonSets: [ofDriver(1, 0)] })).toEqual([])
    expect(events({ ...conflict, modules: [told], dra })).toEqual(['DRAUnsupported'])
  })

  it('has its counts under dra, as upstream, with a cordoned node where it runs', () => {
    const ready = { role: 'worker', [getDraReadyLabel('ns', 'mod')]: '' }
    const nodes = [
      buildNode(),
      buildNode({ name: 'n2', uid: 'uid-n2', labels: ready, taints: [cordoned] }),
      buildNode({ name: 'n3', uid: 'uid-n3', taints: [cordoned] }),
    ]
    const status = reportStatus({ ...loaded, nodes, daemonSets: [ofDriver(2, 1)] })
    expect(status.dra).toEqual({ nodesMatchingSelectorNumber: 2, desiredNumber: 2, availableNumber: 1 })
    expect(status.devicePlugin).toEqual({})
    const without = { ...module, spec: { selector: { role: 'worker' } }, status }
    expect(reportStatus({ ...loaded, modules: [without], nodes }).dra).toEqual({})
  })
})
