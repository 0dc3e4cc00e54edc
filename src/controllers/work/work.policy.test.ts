import { describe, expect, it } from 'vitest'
import { buildItem, buildLoaded, buildModuleConfig } from '../../../test/builders/node-modules-config.ts'
import {
  buildFailure,
  buildReported,
  buildWorkerState,
  decideWork,
  findAction,
  loadIntent,
  observeWork,
  otherImage,
  startMs,
  typesOf,
  unloadIntent,
  type WorkParts,
} from '../../../test/builders/work.ts'
import { getKernelModuleReadyNodeLabel } from '../../api/labels.ts'
import type { ReleaseReason } from '../../errors/reason.ts'
import type { Answer } from '../plan/answered.ts'
import { decide } from './decide.ts'
import type { WorkerState } from './worker-state.ts'

const labelled = { labels: { role: 'worker', [getKernelModuleReadyNodeLabel('ns', 'mod')]: '' } }
const pending: WorkerState = { kind: 'pending', reason: '', message: '', started: false }
const running: WorkerState = { kind: 'running' }
const released = (reason: ReleaseReason): Answer => ({ kind: 'release', reason, message: 'words' })
const kept: Answer = { kind: 'keep', reason: 'ImageMissing', message: 'words' }
const wanted: Answer = { kind: 'want', item: buildItem() }
const away = { key: 'node.kubernetes.io/unreachable', value: '', effect: 'NoExecute' }

describe('an unload that has not begun', () => {
  it.each([
    ['begins while the plan lets the Module go', released('SelectorMismatch'), ['createPod']],
    ['begins where there is no Module', undefined, ['createPod']],
    ['does not where the plan is about to name it again', wanted, []],
    ['does not where the plan keeps it for another reason', kept, []],
  ])('%s', (_title, answer, expected) => {
    expect(typesOf(decideWork({ loaded: buildLoaded(), ...(answer ? { answer } : {}) }).actions)).toEqual(expected)
  })

  it.each([wanted, kept])('is given up for a newer intent, and leaves no doubt', (answer) => {
    const workers = [buildWorkerState(unloadIntent(), pending)]
    const { actions } = decideWork({ loaded: buildLoaded(), answer, workers })
    expect(typesOf(actions)).toEqual(['deletePod'])
  })

  it('begins on such a node for every other reason', () => {
    const answer = released('ModuleDeleted')
    expect(typesOf(decideWork({ loaded: buildLoaded(), answer, node: { taints: [away] } }).actions)).toEqual([
      'createPod',
    ])
  })
})

describe('a Module that is released under the policy Never', () => {
  const parts: WorkParts = { loaded: buildLoaded(), answer: released('ModuleDeleted'), policy: 'Never' }

  it('loses label and status at once, also on a dead node, and that is told before it is forgotten', () => {
    for (const ready of [true, false]) {
      const { actions } = decideWork({ ...parts, node: { ...labelled, ready }, pluginPods: 1 })
      expect(typesOf(actions)).toEqual(['labelNode', 'recordLeft', 'writeStatus'])
      expect(findAction(actions, 'writeStatus').modules).toEqual([])
    }
  })

  it('gives up an unload that was begun under another policy, then the rest', () => {
    const workers = [buildWorkerState(unloadIntent(), running)]
    const { actions } = decideWork({ ...parts, workers, reported: buildReported({ action: 'Unload' }) })
    expect(typesOf(actions)).toEqual(['writeStatus', 'deletePod'])
    const doubt = findAction(actions, 'writeStatus').modules[0]
    expect(doubt).toEqual(buildLoaded({ bootId: '' }))
    expect(typesOf(decideWork({ ...parts, ...(doubt ? { loaded: doubt } : {}) }).actions)).toEqual([
      'recordLeft',
      'writeStatus',
    ])
  })

  it('gives up a load that runs, and one that has not started leaves nothing', () => {
    const giveUp = (state: WorkerState) =>
      decideWork({
        answer: released('ModuleDeleted'),
        policy: 'Never',
        workers: [buildWorkerState(loadIntent(), state)],
      })
    expect(typesOf(giveUp(running).actions)).toEqual(['writeStatus', 'deletePod'])
    expect(typesOf(giveUp(pending).actions)).toEqual(['deletePod'])
  })
})

describe('a change under the policy Never', () => {
  const item = buildItem(otherImage)
  const parts: WorkParts = { entry: item, policy: 'Never', answer: { kind: 'want', item } }

  it('waits while the old one is loaded', () => {
    const { actions, waits } = decideWork({ ...parts, loaded: buildLoaded() })
    expect([actions, waits.map(({ reason }) => reason)]).toEqual([[], ['UnloadForbidden']])
  })

  it('comes in the next boot', () => {
    const { actions } = decideWork({ ...parts, loaded: buildLoaded({ bootId: 'boot-0' }) })
    expect(findAction(actions, 'createPod').intent).toEqual(loadIntent(otherImage))
  })

  it('is tried where nobody knows whether the old one is loaded', () => {
    const { actions } = decideWork({ ...parts, loaded: buildLoaded({ bootId: '' }) })
    expect(findAction(actions, 'createPod').intent).toEqual(loadIntent(otherImage))
  })

  it.each([
    ['changes the entry', { kind: 'want', item } satisfies Answer],
    ['takes it away', released('SelectorMismatch')],
  ])('nothing old is loaded in a new boot before the plan %s', (_title, answer) => {
    const { actions, waits } = decideWork({ ...parts, entry: buildItem(), answer })
    expect([actions, waits.map(({ reason }) => reason)]).toEqual([[], ['NodeModulesConfigPending']])
  })
})

describe('two Modules with one kernel module', () => {
  const one = { modprobe: { moduleName: 'one-mod' } }
  const order = { modprobe: { moduleName: 'top', modulesLoadingOrder: ['top', 'one_mod'] } }
  const item = (name: string, { modprobe } = one, image = 'registry.test/mod:v1') => ({
    name,
    config: buildModuleConfig({ modprobe, containerImage: image }),
  })
  const going: WorkParts = { name: 'a', loaded: buildLoaded(item('a')), answer: released('ModuleDeleted') }

  /** What is done about `a`, and about `b`. */
  function act(a: WorkParts, b: WorkParts) {
    const [first, second] = [observeWork(a), observeWork({ name: 'b', ...b })]
    const { actions, waits } = decide({ ...first, modules: [...first.modules, ...second.modules] }, startMs)
    return {
      types: typesOf(actions).filter((type) => type !== 'writeStatus' && type !== 'labelNode'),
      reasons: waits.map(({ reason }) => reason),
      actions,
    }
  }

  it('leave it loaded for the other when one goes, even if they share only one of several', () => {
    for (const modprobe of [one, order]) {
      const { types, actions } = act(going, {
        entry: buildItem(item('b', modprobe)),
        loaded: buildLoaded(item('b', modprobe)),
      })
      expect(types).toEqual(['recordLeft'])
      expect(findAction(actions, 'recordLeft').why).toBe('Module ns/b has kernel module one_mod, too')
    }
  })

  it('unload it with the last of them, and each its own when both go', () => {
    const both = act(going, { loaded: buildLoaded(item('b')), answer: released('ModuleDeleted') })
    expect(both.types).toEqual(['createPod', 'createPod'])
    expect(act(going, {}).types).toEqual(['createPod'])
    expect(act(going, { loaded: buildLoaded({ ...item('b'), bootId: 'boot-0' }) }).types).toEqual(['createPod'])
  })

  it('leave it where the other one goes and never unloads', () => {
    const b: WorkParts = { loaded: buildLoaded(item('b')), answer: released('ModuleDeleted'), policy: 'Never' }
    expect(act(going, b).types).toEqual(['recordLeft', 'recordLeft'])
  })

  it('hand it over: one is unloaded before the other is loaded', () => {
    const b: WorkParts = { entry: buildItem(item('b')) }
    const first = act(going, b)
    expect([first.types, first.reasons]).toEqual([['createPod'], ['ModuleClaimed']])
    expect(findAction(first.actions, 'createPod').intent.action).toBe('Unload')
    const workers = [buildWorkerState(unloadIntent(item('a')), running)]
    expect(act({ ...going, workers }, b).reasons).toEqual(['WorkerRunning', 'ModuleClaimed'])
    expect(findAction(act({ name: 'a' }, b).actions, 'createPod').intent.action).toBe('Load')
  })

  it('count on a load that runs, not on one that fails because the other version is there', () => {
    const workers = [buildWorkerState(loadIntent(item('b')), running)]
    const b: WorkParts = { entry: buildItem(item('b')), workers }
    expect(act(going, b).types).toEqual(['recordLeft'])
    const failing = { ...b, reported: { ...buildReported({ reason: 'OtherVersionLoaded' }), name: 'b' } }
    expect(act(going, failing).types).toEqual(['createPod'])
  })

  it.each<[string, WorkerState]>([
    ['has not started', pending],
    [
      'fails before it loads anything',
      { kind: 'failed', failed: buildFailure({ reason: 'ImageNotFound', modules: [] }) },
    ],
  ])('do not count on a load that %s: its pod goes before the unload begins', (_title, state) => {
    const b: WorkParts = { entry: buildItem(item('b')), workers: [buildWorkerState(loadIntent(item('b')), state)] }
    const first = act(going, b)
    expect([first.types, first.reasons]).toEqual([['deletePod'], ['ModuleClaimed', 'WorkerRunning']])
    const leaving = [buildWorkerState(loadIntent(item('b')), state, { deleting: true })]
    expect(act(going, { ...b, workers: leaving }).types).toEqual([])
    const { types, actions } = act(going, { ...b, workers: [] })
    expect(types).toEqual(['createPod'])
    expect(findAction(actions, 'createPod').intent.action).toBe('Unload')
  })

  it('do not replace it under each other', () => {
    const a: WorkParts = {
      name: 'a',
      entry: buildItem(item('a', one, 'registry.test/mod:v2')),
      loaded: buildLoaded(item('a')),
    }
    const b: WorkParts = { entry: buildItem(item('b')), loaded: buildLoaded(item('b')) }
    const { types, reasons } = act(a, b)
    expect([types.filter((type) => type === 'createPod'), reasons]).toEqual([[], ['ModuleClaimed']])
  })

  it('do not replace what one has besides, either: with it, it would forget what is shared', () => {
    const pair = { modprobe: { moduleName: 'two', modulesLoadingOrder: ['two', 'one_mod'] } }
    const a: WorkParts = {
      name: 'a',
      entry: buildItem(item('a', { modprobe: { moduleName: 'two' } }, 'registry.test/mod:v2')),
      loaded: buildLoaded(item('a', pair)),
    }
    const { types, reasons } = act(a, { entry: buildItem(item('b')), loaded: buildLoaded(item('b')) })
    expect([types, reasons]).toEqual([[], ['ModuleClaimed']])
  })

  it('leave it to the other when one of them asks for something else', () => {
    const other = { modprobe: { moduleName: 'two' } }
    const a: WorkParts = { name: 'a', entry: buildItem(item('a', other)), loaded: buildLoaded(item('a')) }
    const b: WorkParts = { entry: buildItem(item('b')), loaded: buildLoaded(item('b')) }
    expect(act(a, b).types).toContain('recordLeft')
    expect(act(a, b).types).not.toContain('createPod')
  })
})
