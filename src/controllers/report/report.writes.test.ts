import { describe, expect, it } from 'vitest'
import type { ClusterObjects } from '../../../test/builders/caches.ts'
import { buildModule, markDeleted } from '../../../test/builders/module.ts'
import { buildNode } from '../../../test/builders/node.ts'
import { buildItem, buildLoaded, buildNodeConfig } from '../../../test/builders/node-modules-config.ts'
import { buildNamespace, decideReport, reportMs, reportStatus } from '../../../test/builders/report.ts'
import { buildReported } from '../../../test/builders/work.ts'
import { moduleFinalizer } from '../../api/finalizers.ts'
import { getModuleInUseLabel } from '../../api/labels.ts'

const typesOf = (objects: ClusterObjects): string[] => decideReport(objects).actions.map(({ type }) => type)
const fresh = buildModule({ metadata: { finalizers: ['example.test/other'] } })
const deleted = markDeleted(buildModule({ metadata: { finalizers: ['example.test/other', moduleFinalizer] } }))

describe('a new Module', () => {
  it('has its namespace guarded and its finalizer set, before anything is said of it', () => {
    const { actions } = decideReport({ modules: [fresh], namespaces: [buildNamespace(false)] })
    expect(actions).toMatchObject([
      { type: 'labelNamespace', name: 'ns', present: true },
      { type: 'setFinalizers', finalizers: ['example.test/other', moduleFinalizer] },
    ])
  })

  it('has its status written after that', () => {
    expect(typesOf({ modules: [buildModule()] })).toEqual(['writeStatus'])
  })
})

describe('a Module that is being deleted', () => {
  const inUse = { [getModuleInUseLabel('ns', 'mod')]: '' }

  it.each([
    ['a plan that names it', buildNodeConfig({ entries: [buildItem()] })],
    ['a kernel that has it', buildNodeConfig({ loaded: [buildLoaded()] })],
    ['a label that says that it may be in use', buildNodeConfig({ metadata: { labels: inUse } })],
    ['a node that is gone', buildNodeConfig({ name: 'gone', loaded: [buildLoaded()] })],
  ])('keeps its finalizer for %s', (_title, config) => {
    expect(typesOf({ modules: [deleted], nodes: [buildNode()], nodeModulesConfigs: [config] })).toEqual(['writeStatus'])
  })

  it('keeps its finalizer while a write that names it is under way, and looks again soon', () => {
    const { actions, waits } = decideReport({ modules: [deleted], nodes: [buildNode()], claimed: true })
    expect(actions.map(({ type }) => type)).toEqual(['writeStatus'])
    expect(waits).toMatchObject([{ untilMs: reportMs + 500 }])
  })

  it('keeps its finalizer while a NodeModulesConfig that somebody deleted is not made again', () => {
    const { actions, waits } = decideReport({ modules: [deleted], nodes: [buildNode()], lost: true })
    expect(actions.map(({ type }) => type)).toEqual(['writeStatus'])
    expect(waits).toMatchObject([{ untilMs: reportMs + 500 }])
  })

  it('loses its finalizer, and no other, when nothing of it is left', () => {
    const other = buildNodeConfig({ entries: [buildItem({ namespace: 'other' })] })
    const { actions } = decideReport({ modules: [deleted], nodes: [buildNode()], nodeModulesConfigs: [other] })
    expect(actions).toMatchObject([{ type: 'setFinalizers', finalizers: ['example.test/other'] }])
  })

  it('has nothing done about its namespace, nor its finalizer set again', () => {
    const bare = markDeleted(buildModule({ metadata: { finalizers: ['example.test/other'] } }))
    expect(typesOf({ modules: [bare], namespaces: [buildNamespace(false)] })).toEqual(['writeStatus'])
  })
})

describe("a namespace's guard", () => {
  it('goes with the last Module', () => {
    expect(decideReport({}).actions).toEqual([{ type: 'labelNamespace', name: 'ns', present: false }])
    expect(decideReport({}, 0, reportMs, 'ns/').actions).toEqual([
      { type: 'labelNamespace', name: 'ns', present: false },
    ])
  })

  it('stays while another Module is there, also one that is being deleted', () => {
    expect(typesOf({ modules: [buildModule({ name: 'two' })] })).toEqual([])
    expect(typesOf({ modules: [markDeleted(buildModule({ name: 'two' }))] })).toEqual([])
  })

  it('is not taken off twice', () => {
    expect(typesOf({ namespaces: [buildNamespace(false)] })).toEqual([])
  })
})

describe('the status of a Module', () => {
  const objects = { modules: [buildModule()], nodes: [buildNode()] }

  it('is written at most once a second', () => {
    expect(decideReport(objects, reportMs - 999)).toEqual({
      actions: [],
      waits: [expect.objectContaining({ untilMs: reportMs + 1 })],
    })
    expect(decideReport(objects, reportMs - 1_000).actions).toHaveLength(1)
  })

  it('is not written when it says the same', () => {
    const status = reportStatus(objects)
    expect(decideReport({ ...objects, modules: [buildModule({ status })] }, 0, reportMs + 60_000)).toEqual({
      actions: [],
      waits: [],
    })
  })

  it('is not written for zero values that the Go operator left', () => {
    const status = { ...reportStatus(objects), dra: {}, devicePlugin: {} }
    expect(typesOf({ ...objects, modules: [buildModule({ status })] })).toEqual([])
  })
})

describe('a failure', () => {
  const nodes = [buildNode(), buildNode({ name: 'n2', uid: 'uid-n2' })]
  const failing = { entries: [buildItem()], workers: [buildReported()] }
  const objects = { nodes, nodeModulesConfigs: [buildNodeConfig(failing), buildNodeConfig({ name: 'n2', ...failing })] }

  it('is an event when it is new, one for all nodes, before the status that makes it known', () => {
    expect(decideReport({ ...objects, modules: [buildModule()] }).actions).toMatchObject([
      { type: 'recordFailure', reason: 'UnknownSymbol', message: '2 nodes, first n1: what to do' },
      { type: 'writeStatus' },
    ])
  })

  it('is no event when it is known', () => {
    const status = { reasons: [{ reason: 'UnknownSymbol', nodes: 1 }] }
    expect(typesOf({ ...objects, modules: [buildModule({ status })] })).toEqual(['writeStatus'])
  })

  it('is no event in a namespace that is going away, which takes none, and is told all the same', () => {
    const namespaces = [{ ...buildNamespace(), status: { phase: 'Terminating' } }]
    const modules = [markDeleted(buildModule())]
    expect(typesOf({ ...objects, modules, namespaces })).toEqual(['writeStatus'])
  })

  it('is not what is merely under way', () => {
    expect(typesOf({ nodes, modules: [buildModule()] })).toEqual(['writeStatus'])
  })
})
