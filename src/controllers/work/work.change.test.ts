import { describe, expect, it } from 'vitest'
import { buildItem, buildLoaded } from '../../../test/builders/node-modules-config.ts'
import {
  buildFailure,
  buildReported,
  buildWorkerState,
  decideWork,
  findAction,
  loadedState,
  loadIntent,
  otherImage,
  startMs,
  typesOf,
  unloadIntent,
  type WorkParts,
} from '../../../test/builders/work.ts'
import { getKernelModuleReadyNodeLabel } from '../../api/labels.ts'
import type { WorkerState } from './worker-state.ts'

const ready = getKernelModuleReadyNodeLabel('ns', 'mod')
const labelled = { labels: { role: 'worker', [ready]: '' } }
const pending: WorkerState = { kind: 'pending', reason: 'ErrImagePull', message: '', started: false }
const failed: WorkerState = { kind: 'failed', failed: buildFailure() }

describe('a module whose image changes', () => {
  const changed = { entry: buildItem(otherImage), loaded: buildLoaded() }

  it('loses its label first, is unloaded as it was loaded, and waits for its device plugin to be gone', () => {
    const { actions, waits } = decideWork({ ...changed, node: labelled, pluginPods: 1 })
    expect(typesOf(actions)).toEqual(['labelNode', 'writeStatus'])
    expect(findAction(actions, 'labelNode').labels).toEqual({ [ready]: null })
    expect(findAction(actions, 'writeStatus').workers).toEqual([
      expect.objectContaining({ action: 'Unload', reason: 'DevicePluginStillRunning' }),
    ])
    expect(waits.map(({ reason }) => reason)).toEqual(['DevicePluginStillRunning'])
  })

  it('is unloaded once the device plugin is gone', () => {
    const { actions } = decideWork({ ...changed, node: labelled })
    expect(typesOf(actions)).toEqual(['labelNode', 'createPod'])
    expect(findAction(actions, 'createPod').intent).toEqual(unloadIntent())
  })

  it('is not said to be ready again while the pod of an unload that is given up is still there', () => {
    const back = { entry: buildItem(), loaded: buildLoaded() }
    for (const deleting of [false, true]) {
      const workers = [buildWorkerState(unloadIntent(), pending, { deleting })]
      expect(typesOf(decideWork({ ...back, workers }).actions)).toEqual(deleting ? [] : ['deletePod'])
    }
    expect(typesOf(decideWork(back).actions)).toEqual(['labelNode'])
  })

  it('is loaded once it is unloaded', () => {
    const { actions } = decideWork({ entry: changed.entry })
    expect(findAction(actions, 'createPod').intent).toEqual(loadIntent(otherImage))
  })
})

describe('a plan that somebody changed by hand, or that is about to be put right', () => {
  const changed = { entry: buildItem(otherImage), loaded: buildLoaded() }

  it('has nothing unloaded that the Module asks for', () => {
    const { actions, waits } = decideWork({ ...changed, answer: { kind: 'want', item: buildItem() } })
    expect(typesOf(actions)).toEqual([])
    expect(waits).toEqual([expect.objectContaining({ reason: 'NodeModulesConfigPending', untilMs: startMs + 1_000 })])
  })

  it('keeps no unload from its end where something else still is asked for', () => {
    const item = buildItem({ config: { ...otherImage.config, containerImage: 'registry.test/mod:v3' } })
    const worker = buildWorkerState(unloadIntent(), { kind: 'running' })
    expect(decideWork({ ...changed, answer: { kind: 'want', item }, workers: [worker] }).actions).toEqual([])
  })
})

describe('a module that is to go', () => {
  it('waits for the device plugin, too', () => {
    const { actions } = decideWork({ loaded: buildLoaded(), node: labelled, pluginPods: 2 })
    expect(typesOf(actions)).toEqual(['labelNode', 'writeStatus'])
    expect(findAction(actions, 'writeStatus').workers[0]?.message).toMatch(/^2 device plugin or DRA pod/)
  })

  it('is not waited for by a load', () => {
    expect(typesOf(decideWork({ entry: buildItem(), pluginPods: 2 }).actions)).toEqual(['createPod'])
  })
})

describe('a worker whose work is no longer wanted', () => {
  const load = (state: WorkerState, changes = {}) => buildWorkerState(loadIntent(), state, changes)
  const unload = (state: WorkerState) => buildWorkerState(unloadIntent(), state)
  const doubt = buildLoaded({ bootId: '' })

  const rows: [string, WorkParts, unknown][] = [
    ['a load that hangs on its image', { entry: buildItem(otherImage), workers: [load(pending)] }, undefined],
    ['a load that hangs, and nothing is wanted', { workers: [load(pending)] }, undefined],
    [
      'a load that may be running modprobe',
      { entry: buildItem(otherImage), workers: [load({ kind: 'running' })] },
      [doubt],
    ],
    ['a load that failed somewhere', { workers: [load(failed)] }, [doubt]],
    [
      'a load that failed before modprobe',
      { workers: [load({ kind: 'failed', failed: buildFailure({ reason: 'ImageNotFound' }) })] },
      undefined,
    ],
    [
      'a load that failed before modprobe, with a module there',
      {
        workers: [
          load({ kind: 'failed', failed: buildFailure({ reason: 'ImageNotFound', modules: [{ name: 'mod' }] }) }),
        ],
      },
      [doubt],
    ],
    ['a load that was lost while it ran', { workers: [load({ kind: 'lost', message: '', started: true })] }, [doubt]],
    [
      'a load that was lost before it ran',
      { workers: [load({ kind: 'lost', message: '', started: false })] },
      undefined,
    ],
    ['an unload that is busy', { entry: buildItem(), loaded: buildLoaded(), workers: [unload(failed)] }, [doubt]],
    [
      'an unload that runs',
      { entry: buildItem(), loaded: buildLoaded(), workers: [unload({ kind: 'running' })] },
      [doubt],
    ],
    ['an unload that never ran', { entry: buildItem(), loaded: buildLoaded(), workers: [unload(pending)] }, undefined],
    [
      'an unload that failed before modprobe',
      {
        entry: buildItem(),
        loaded: buildLoaded(),
        workers: [unload({ kind: 'failed', failed: buildFailure({ reason: 'ImageNotFound' }) })],
      },
      [doubt],
    ],
  ]
  it.each(rows)('goes, and leaves a doubt where it may have done something: %s', (_title, parts, modules) => {
    const { actions } = decideWork(parts)
    expect(typesOf(actions)).toContain('deletePod')
    const status = actions.find((action) => action.type === 'writeStatus')
    expect(status?.modules).toEqual(modules)
  })

  it('has no successor before it is gone', () => {
    const parts = { entry: buildItem(otherImage), workers: [load(pending, { deleting: true })] }
    expect(decideWork(parts)).toMatchObject({ actions: [], waits: [{ reason: 'WorkerRunning' }] })
  })

  it('says for whom it waits where somebody holds its pod, and only then', () => {
    const ended = { deleting: true, heldBy: ['example.test/hold'] }
    const message =
      'pod kmm-worker-n1-mod is being deleted, and waits for who has the finalizer example.test/hold; its successor is made when it is gone'
    const told = buildReported({ action: 'Unload', reason: 'WorkerRunning', attempt: 0, message })
    const loaded = buildLoaded()
    const workersAfter = (parts: WorkParts) => findAction(decideWork(parts).actions, 'writeStatus').workers
    const worker = buildWorkerState(loadIntent(), loadedState, ended)
    expect(workersAfter({ entry: buildItem(otherImage), loaded, workers: [worker] })).toEqual([told])
    const failing = buildWorkerState(unloadIntent(), failed, ended)
    expect(workersAfter({ loaded, workers: [failing] })).toEqual([told])
    expect(decideWork({ entry: buildItem(), loaded, workers: [worker], node: labelled }).actions).toEqual([])
    const next = buildWorkerState(unloadIntent(), { kind: 'running' })
    expect(workersAfter({ loaded, workers: [next], reported: told })).toEqual([])
  })

  it('leaves the doubt that it earned while it was being deleted', () => {
    const { actions } = decideWork({ workers: [load({ kind: 'running' }, { deleting: true })] })
    expect(typesOf(actions)).toEqual(['writeStatus'])
    expect(findAction(actions, 'writeStatus').modules).toEqual([doubt])
  })

  it('leaves it also where the module is still wanted: it may not be any more when the pod is gone', () => {
    const { actions } = decideWork({ entry: buildItem(), workers: [load({ kind: 'running' }, { deleting: true })] })
    expect(findAction(actions, 'writeStatus').modules).toEqual([doubt])
  })
})

describe('a module that may be in the kernel', () => {
  const doubt = buildLoaded({ bootId: '' })

  it('is loaded again where it is wanted, and labelled only by the report', () => {
    expect(typesOf(decideWork({ entry: buildItem(), loaded: doubt, node: labelled }).actions)).toEqual([
      'labelNode',
      'createPod',
    ])
  })

  it('is unloaded where it is not, or where another image is', () => {
    for (const entry of [undefined, buildItem(otherImage)])
      expect(findAction(decideWork({ entry, loaded: doubt }).actions, 'createPod').intent).toEqual(unloadIntent())
  })
})

describe('a worker that does what is wanted', () => {
  it('is replaced while it hangs when its credentials are no longer those of the plan', () => {
    const worker = buildWorkerState(loadIntent(), pending)
    const { actions } = decideWork({ entry: buildItem({ imageRepoSecret: { name: 'new' } }), workers: [worker] })
    expect(typesOf(actions)).toContain('deletePod')
  })

  it('is let run to its end even then', () => {
    const worker = buildWorkerState(loadIntent(), { kind: 'running' })
    const { actions } = decideWork({ entry: buildItem({ imageRepoSecret: { name: 'new' } }), workers: [worker] })
    expect(actions).toEqual([])
  })

  it('has no duplicate for long', () => {
    const worker = buildWorkerState(loadIntent(), { kind: 'running' })
    const second = { ...worker, podName: 'kmm-worker-n1-mod-12345678', uid: 'uid-second' }
    const { actions } = decideWork({ entry: buildItem(), workers: [worker, second] })
    expect(actions).toEqual([{ type: 'deletePod', namespace: 'ns', name: second.podName, uid: 'uid-second' }])
  })

  it('is let end where the module is loaded already', () => {
    const worker = buildWorkerState(loadIntent(), { kind: 'running' })
    const { actions } = decideWork({ entry: buildItem(), loaded: buildLoaded(), node: labelled, workers: [worker] })
    expect(actions).toEqual([])
  })
})
