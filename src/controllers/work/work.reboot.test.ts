import { describe, expect, it } from 'vitest'
import { buildItem, buildLoaded, buildModuleConfig } from '../../../test/builders/node-modules-config.ts'
import {
  buildWorkerState,
  decideWork,
  findAction,
  loadIntent,
  typesOf,
  unloadIntent,
} from '../../../test/builders/work.ts'
import { getKernelModuleReadyNodeLabel } from '../../api/labels.ts'

const ready = getKernelModuleReadyNodeLabel('ns', 'mod')
const rebooted = { bootId: 'boot-2', labels: { role: 'worker', [ready]: '' } }
const otherKernel = { ...rebooted, kernelVersion: '6.1.0-2-amd64' }
const loaded = buildLoaded()

describe('a node that was started again', () => {
  it('loses its label at once and loads again', () => {
    const { actions } = decideWork({ entry: buildItem(), loaded, node: rebooted })
    expect(typesOf(actions)).toEqual(['labelNode', 'createPod'])
    expect(findAction(actions, 'labelNode').labels).toEqual({ [ready]: null })
    expect(findAction(actions, 'createPod').intent).toEqual(loadIntent())
  })

  it('has its label back only after a report of the new boot', () => {
    const running = { entry: buildItem(), loaded, node: { ...rebooted, labels: {} } }
    const pending = buildWorkerState(loadIntent(), { kind: 'running' })
    expect(decideWork({ ...running, workers: [pending] }).actions).toEqual([])
    const done = decideWork({ ...running, loaded: buildLoaded({ bootId: 'boot-2' }) })
    expect(findAction(done.actions, 'labelNode').labels).toEqual({ [ready]: '' })
  })

  it('loses its label while it is not ready, and loads when it is', () => {
    const { actions, waits } = decideWork({ entry: buildItem(), loaded, node: { ...rebooted, ready: false } })
    expect(typesOf(actions)).toEqual(['labelNode'])
    expect(waits.map(({ reason }) => reason)).toEqual(['NodeNotReady'])
  })

  it('loads another image without an unload: nothing is in the kernel', () => {
    const entry = buildItem({ config: buildModuleConfig({ containerImage: 'registry.test/mod:v2' }) })
    const { actions } = decideWork({ entry, loaded, node: rebooted })
    expect(findAction(actions, 'createPod').intent).toMatchObject({ action: 'Load', config: entry.config })
  })

  it('forgets what was loaded and is no longer wanted, without a worker', () => {
    const { actions } = decideWork({ loaded, node: rebooted })
    expect(typesOf(actions)).toEqual(['labelNode', 'writeStatus'])
    expect(findAction(actions, 'writeStatus').modules).toEqual([])
  })

  it('gives up an unload of the earlier boot', () => {
    const worker = buildWorkerState(unloadIntent(), {
      kind: 'failed',
      failed: { attempt: 1, exitCode: 1, exitReason: 'Error', text: '' },
    })
    const { actions } = decideWork({ loaded, workers: [worker], node: rebooted })
    expect(typesOf(actions)).toEqual(['labelNode', 'deletePod'])
    expect(findAction(decideWork({ loaded, node: rebooted }).actions, 'writeStatus').modules).toEqual([])
  })
})

describe('a node that was started with another kernel', () => {
  it('waits for the plan of that kernel, without its label', () => {
    const { actions, waits } = decideWork({ entry: buildItem(), loaded, node: otherKernel })
    expect(typesOf(actions)).toEqual(['labelNode'])
    expect(waits).toEqual([
      {
        reason: 'NodeModulesConfigPending',
        message: 'the node runs kernel 6.1.0-2-amd64; the plan is still for 6.1.0-1-amd64',
      },
    ])
  })

  it('gives up a worker for the earlier kernel', () => {
    const worker = buildWorkerState(loadIntent(), { kind: 'pending', reason: '', message: '', started: false })
    const { actions } = decideWork({ entry: buildItem(), workers: [worker], node: otherKernel })
    expect(typesOf(actions)).toContain('deletePod')
  })

  it('loads what the plan says for the new kernel, without an unload', () => {
    const entry = buildItem({ config: buildModuleConfig({ kernelVersion: '6.1.0-2-amd64' }) })
    const { actions } = decideWork({ entry, loaded, node: otherKernel })
    expect(findAction(actions, 'createPod').intent.action).toBe('Load')
  })

  it('has nothing in it of what perhaps was loaded into the earlier kernel', () => {
    const doubt = buildLoaded({ bootId: '' })
    const entry = buildItem({ config: buildModuleConfig({ kernelVersion: '6.1.0-2-amd64' }) })
    const { actions } = decideWork({ entry, loaded: doubt, node: otherKernel })
    expect(findAction(actions, 'createPod').intent.action).toBe('Load')
    expect(findAction(decideWork({ loaded: doubt, node: otherKernel }).actions, 'writeStatus').modules).toEqual([])
    const plus = decideWork({ loaded: doubt, node: { kernelVersion: '6.1.0-1-amd64+' } })
    expect(findAction(plus.actions, 'createPod').intent.action).toBe('Unload')
  })

  it("does not take one trailing '+' for another kernel", () => {
    const { actions } = decideWork({ entry: buildItem(), node: { kernelVersion: '6.1.0-1-amd64+' } })
    expect(typesOf(actions)).toEqual(['createPod'])
  })
})

it('loads again what an upstream operator loaded in a boot that it did not note', () => {
  const { actions } = decideWork({ entry: buildItem(), loaded: buildLoaded({ bootId: '' }) })
  expect(findAction(actions, 'createPod').intent.action).toBe('Load')
})

it('publishes no label on a node that does not say its boot', () => {
  expect(decideWork({ entry: buildItem(), loaded: buildLoaded({ bootId: '' }), node: { bootId: '' } }).actions).toEqual(
    [expect.objectContaining({ type: 'createPod' })],
  )
})

it('forgets nothing on a node that does not say yet what it runs', () => {
  const silent = { bootId: '', kernelVersion: '', ready: false }
  const { actions, waits } = decideWork({ loaded, node: silent })
  expect(actions).toEqual([])
  expect(waits.map(({ reason }) => reason)).toEqual(['NodeNotReady'])
})
