import { describe, expect, it } from 'vitest'
import { buildItem, buildLoaded, buildModuleConfig } from '../../../test/builders/node-modules-config.ts'
import { buildWorker } from '../../../test/builders/pod.ts'
import {
  buildFailure,
  buildWorkerState,
  findAction,
  loadIntent,
  observeWork,
  startMs,
  typesOf,
  unloadIntent,
  type WorkParts,
} from '../../../test/builders/work.ts'
import type { ModuleConfig, NodeModuleItem } from '../../api/node-modules-config.ts'
import { decide } from './decide.ts'
import type { WorkerIntent } from './worker-intent.ts'
import type { WorkerState } from './worker-state.ts'

const pending: WorkerState = { kind: 'pending', reason: '', message: '', started: false }
const running: WorkerState = { kind: 'running' }
const failed: WorkerState = { kind: 'failed', failed: buildFailure({ action: 'unload', reason: 'ModuleInUse' }) }

const item = (name: string, modprobe: ModuleConfig['modprobe'], config: Partial<ModuleConfig> = {}): NodeModuleItem =>
  buildItem({ name, config: buildModuleConfig({ modprobe, ...config }) })

const top = item('a', { moduleName: 'top' })
const base = item('b', { moduleName: 'base' })
const going: WorkParts = { name: 'a', loaded: buildLoaded(top) }
const sparing = (intent: WorkerIntent, ...sparedModules: string[]): WorkerIntent => ({ ...intent, sparedModules })

function act(a: WorkParts, b: WorkParts) {
  const [first, second] = [observeWork(a), observeWork({ name: 'b', ...b })]
  const { actions, waits } = decide({ ...first, modules: [...first.modules, ...second.modules] }, startMs)
  const types = typesOf(actions).filter((type) => type !== 'writeStatus' && type !== 'labelNode')
  return { types, actions, waits }
}

/** What the worker of the first Module is told to spare. */
const sparedBy = (a: WorkParts, b: WorkParts): readonly string[] =>
  findAction(act(a, b).actions, 'createPod').intent.sparedModules

describe('the worker of an unload is told', () => {
  it.each<[string, WorkParts, string[]]>([
    ['what another Module is planned to have', { entry: base }, ['base']],
    ['what another one has, also when that is going', { loaded: buildLoaded(base) }, ['base']],
    ['what another one may have', { loaded: buildLoaded({ ...base, bootId: '' }) }, ['base']],
    ['nothing of what was in an earlier boot', { loaded: buildLoaded({ ...base, bootId: 'boot-0' }) }, []],
    ['nothing where there is nobody else', {}, []],
    [
      'all of a loading order, as the kernel spells it, and what is loaded until then',
      {
        entry: item('b', { moduleName: 'mod-b', modulesLoadingOrder: ['mod-b', 'dep-b'] }),
        loaded: buildLoaded(base),
        pluginPods: 1,
      },
      ['base', 'dep_b', 'mod_b'],
    ],
    [
      'each word of a raw command line that may be a name',
      { entry: item('b', { rawArgs: { load: ['-vd', '/tmp/opt', 'raw-mod', 'count=3'], unload: ['-r', 'x'] } }) },
      ['raw_mod'],
    ],
    ['nothing that its own Module asks for', { loaded: buildLoaded(item('b', { moduleName: 'top' })) }, []],
  ])('%s', (_title, b, spared) => {
    expect(sparedBy(going, b)).toEqual(spared)
  })

  it('the same before a reload', () => {
    const entry = buildItem({ ...top, config: { ...top.config, containerImage: 'registry.test/mod:v2' } })
    expect(sparedBy({ ...going, entry }, { entry: base })).toEqual(['base'])
  })

  it('by a file, and an annotation that only this worker has', () => {
    const annotations = (intent: WorkerIntent) => buildWorker(intent).metadata?.annotations
    const key = 'kmm.node.kubernetes.io/worker-spared-modules'
    expect(annotations(sparing(unloadIntent(), 'a', 'b'))).toMatchObject({ [key]: 'a\nb\n' })
    expect(annotations(unloadIntent())).not.toHaveProperty([key])
  })
})

describe('the worker of a load is told', () => {
  it('what it must spare where it removes in-tree modules, and else nothing', () => {
    const inTree = item('a', { moduleName: 'top' }, { inTreeModulesToRemove: ['old_top'] })
    const loaded = { entry: base, loaded: buildLoaded(base) }
    expect(sparedBy({ name: 'a', entry: inTree }, loaded)).toEqual(['base'])
    expect(sparedBy({ name: 'a', entry: top }, loaded)).toEqual([])
  })
})

describe('a Module that comes while another one is unloaded', () => {
  const unaware = (state: WorkerState, changes = {}): WorkParts => ({
    ...going,
    workers: [buildWorkerState(unloadIntent(top), state, { podName: 'unloader', ...changes })],
  })
  const aware = (state: WorkerState): WorkParts => ({
    ...going,
    workers: [buildWorkerState(sparing(unloadIntent(top), 'base', 'left_since'), state)],
  })

  it.each([
    ['runs', running],
    ['has not started', pending],
    ['fails', failed],
  ])('waits until the pod that does not know of it is gone: one that %s', (_title, state) => {
    const { types, waits } = act(unaware(state), { entry: base })
    expect(types).toEqual(['deletePod'])
    expect(waits.map(({ message }) => message).join()).toContain('pod unloader does not know of this Module')
    expect(act(unaware(state, { deleting: true }), { entry: base }).types).toEqual([])
  })

  it.each([
    ['runs', running],
    ['has not started', pending],
  ])('is loaded at once beside one that knows of it and %s, which goes on', (_title, state) => {
    const { types, actions } = act(aware(state), { entry: base })
    expect(types).toEqual(['createPod'])
    expect(findAction(actions, 'createPod').intent).toMatchObject({ action: 'Load', name: 'b' })
  })

  it('lets its own load go on', () => {
    const workers = [buildWorkerState(loadIntent(base), running)]
    expect(act(unaware(running), { entry: base, workers }).types).toEqual(['deletePod'])
  })

  it('waits for a load that removes in-tree modules, too, and does not break it off', () => {
    const inTree = item('a', { moduleName: 'top' }, { inTreeModulesToRemove: ['old_top'] })
    const load = (intent: WorkerIntent, state: WorkerState): WorkParts => ({
      name: 'a',
      entry: inTree,
      workers: [buildWorkerState(intent, state)],
    })
    const unknowing = act(load(loadIntent(inTree), running), { entry: base })
    expect([unknowing.types, unknowing.waits.map(({ reason }) => reason)]).toEqual([
      [],
      ['WorkerRunning', 'WorkerRunning'],
    ])
    expect(act(load(loadIntent(inTree), pending), { entry: base }).types).toEqual(['deletePod'])
    expect(act(load(sparing(loadIntent(inTree), 'base'), running), { entry: base }).types).toEqual(['createPod'])
  })
})
