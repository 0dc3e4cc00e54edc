import { describe, expect, it } from 'vitest'
import { buildItem, buildLoaded, buildModuleConfig } from '../../../test/builders/node-modules-config.ts'
import { buildReport } from '../../../test/builders/pod.ts'
import { buildFailure, buildWorkerState, decideWork, startMs, type WorkParts } from '../../../test/builders/work.ts'
import { getKernelModuleReadyNodeLabel } from '../../api/labels.ts'
import type { NodeModuleItem, NodeModuleStatusItem, WorkerStatus } from '../../api/node-modules-config.ts'
import type { Action } from './action.ts'
import { intentOf, type WorkerIntent } from './worker-intent.ts'
import type { Worker } from './worker.ts'
import type { WorkerState } from './worker-state.ts'

const readyLabel = getKernelModuleReadyNodeLabel('ns', 'mod')

/** Its worker hangs: the registry never ends its answer. */
const hanging = 'hanging'

interface RealWorker {
  intent: WorkerIntent
  state: WorkerState['kind']
  deleting: boolean
  /** When its pod was created. */
  createdAtMs: number
}

/** What is really there: the node, its kernel and what the API server holds. */
interface World {
  entry: NodeModuleItem | undefined
  loaded: NodeModuleStatusItem | undefined
  reported: WorkerStatus | undefined
  worker: RealWorker | undefined
  plugins: number
  label: boolean
  /** The image whose module is in the kernel. */
  kernel: string | undefined
}

/** What a worker that runs does when its pod is deleted: it dies, ends its work and says so, or ends it unheard. */
type LastWords = 'none' | 'report' | 'unheard'

const entryOf = (image: string): NodeModuleItem =>
  buildItem({ tolerations: [], config: buildModuleConfig({ containerImage: image }) })
const loadedOf = (image: string, bootId: string): NodeModuleStatusItem => buildLoaded({ ...entryOf(image), bootId })

function stateOf({ state, intent }: RealWorker): WorkerState {
  const action = intent.action === 'Load' ? 'load' : 'unload'
  switch (state) {
    case 'pending':
      return { kind: state, reason: '', message: '', started: false }
    case 'running':
      return { kind: state }
    case 'succeeded':
      return { kind: state, report: buildReport({ action }) }
    case 'failed':
      return { kind: state, failed: buildFailure({ action }) }
    case 'lost':
      return { kind: state, message: 'Evicted', started: true }
  }
}

function observeWorkers(worker: RealWorker | undefined): Worker[] {
  if (worker === undefined) return []
  const { deleting, createdAtMs } = worker
  return [buildWorkerState(worker.intent, stateOf(worker), { deleting, createdAtMs })]
}

/** What the Module says of its unload. */
type Intent = Pick<WorkParts, 'policy' | 'answer'>

function decideIn(world: World, nowMs: number, intent: Intent): readonly Action[] {
  const { entry, loaded, reported, worker, plugins, label } = world
  const labels = { role: 'worker', ...(label ? { [readyLabel]: '' } : {}) }
  const parts = {
    entry,
    loaded,
    reported,
    workers: observeWorkers(worker),
    pluginPods: plugins,
    node: { labels },
    ...intent,
  }
  return decideWork(parts, nowMs - startMs).actions
}

function apply(world: World, action: Action, nowMs: number): World {
  switch (action.type) {
    case 'writeStatus':
      return { ...world, loaded: action.modules[0], reported: action.workers[0] }
    case 'labelNode':
      return { ...world, label: action.labels[readyLabel] === '' }
    case 'recordEvent':
    case 'recordVanished':
    case 'recordLeft':
    case 'forgetPods':
    case 'releasePod':
      return world
    case 'deletePod':
      return { ...world, worker: world.worker && { ...world.worker, deleting: true } }
    case 'createPod': {
      expect(world.worker, 'a second worker pod for one module').toBeUndefined()
      if (action.intent.action === 'Unload') expect(world.plugins, 'unload while plugin pods run').toBe(0)
      const { intent } = action
      return { ...world, worker: { intent, state: 'pending', deleting: false, createdAtMs: nowMs } }
    }
  }
}

/** The worker's work is done, if it can be: it refuses to load over another version, and says so. */
function finish(world: World, worker: RealWorker): World {
  const { action, config } = worker.intent
  if (action === 'Unload') return { ...world, kernel: undefined, worker: { ...worker, state: 'succeeded' } }
  const image = config.containerImage
  if (image === hanging) return world
  if (world.kernel !== undefined && world.kernel !== image) return { ...world, worker: { ...worker, state: 'failed' } }
  return { ...world, kernel: image, worker: { ...worker, state: 'succeeded' } }
}

function advanceDeleted(world: World, worker: RealWorker, lastWords: LastWords): World {
  if (worker.state !== 'running' || lastWords === 'none') return { ...world, worker: undefined }
  const finished = finish(world, worker)
  return lastWords === 'report' && finished !== world ? finished : { ...finished, worker: undefined }
}

/** The node goes on by one step: its worker runs and ends, its plugin pods leave once the label is gone. */
function advance(before: World, lastWords: LastWords): World {
  const world = { ...before, plugins: before.label ? before.plugins : 0 }
  const { worker } = world
  if (worker === undefined) return world
  if (worker.deleting) return advanceDeleted(world, worker, lastWords)
  if (worker.state === 'pending' || worker.state === 'failed')
    return { ...world, worker: { ...worker, state: 'running' } }
  return worker.state === 'running' ? finish(world, worker) : world
}

function settle(first: World, lastWords: LastWords, intent: Intent = {}): World {
  let world = first
  for (let step = 0; step < 40; step++) {
    const nowMs = startMs + step * 60_000
    const actions = decideIn(world, nowMs, intent)
    for (const action of actions) {
      if (action.type === 'createPod') expect(intent.policy, 'a worker that nobody asked for').toBeUndefined()
      world = apply(world, action, nowMs)
    }
    if (world.label) expect(world.kernel, 'a ready label without the module').toBe(world.entry?.config.containerImage)
    const moved = advance(world, lastWords)
    if (actions.length === 0 && JSON.stringify(moved) === JSON.stringify(world)) return world
    world = moved
  }
  throw new Error(`no fixed point from ${JSON.stringify(first)}; stopped at ${JSON.stringify(world)}`)
}

const entries = [undefined, entryOf('a'), entryOf('b')]
const statuses = [
  { loaded: undefined, kernel: undefined },
  { loaded: loadedOf('a', 'boot-1'), kernel: 'a' },
  { loaded: loadedOf('b', 'boot-1'), kernel: 'b' },
  { loaded: loadedOf('a', 'boot-0'), kernel: undefined },
  { loaded: loadedOf('a', ''), kernel: 'a' },
  { loaded: loadedOf('a', ''), kernel: undefined },
]
const kinds = ['pending', 'running', 'succeeded', 'failed', 'lost'] as const

const workersFor = (action: 'Load' | 'Unload', image: string): RealWorker[] =>
  kinds.flatMap((state) =>
    state === 'succeeded' && image === hanging
      ? []
      : [{ intent: intentOf(action, entryOf(image)), state, deleting: false, createdAtMs: startMs }],
  )

/** Worker pods that the operator can have made in a state: it never loads over another version. */
function listWorkers(loaded: NodeModuleStatusItem | undefined): World['worker'][] {
  const image = loaded?.config?.containerImage ?? ''
  const loadable = loaded === undefined || loaded.bootId === 'boot-0' ? ['a', 'b', hanging] : [image]
  const unloads = loaded === undefined ? [] : workersFor('Unload', image)
  return [undefined, ...unloads, ...loadable.flatMap((each) => workersFor('Load', each))]
}

/** What is in the kernel once the worker is where it is. */
function kernelAfter(worker: World['worker'], kernel: string | undefined): string | undefined {
  if (worker?.state !== 'succeeded') return kernel
  return worker.intent.action === 'Load' ? worker.intent.config.containerImage : undefined
}

function listWorlds(): World[] {
  return entries.flatMap((entry) =>
    statuses.flatMap(({ loaded, kernel }) =>
      listWorkers(loaded).flatMap((worker) => {
        const after = kernelAfter(worker, kernel)
        const isReady = entry !== undefined && loaded?.bootId === 'boot-1' && worker === undefined
        const label = isReady && after === entry.config.containerImage
        return [0, 1].map((plugins) => ({ entry, loaded, reported: undefined, worker, plugins, label, kernel: after }))
      }),
    ),
  )
}

describe('from every state', () => {
  it.each(['none', 'report', 'unheard'] as const)(
    'the kernel, the status and the label come to rest as the plan wants them (last words of a deleted worker: %s)',
    (lastWords) => {
      const worlds = listWorlds()
      expect(worlds.length).toBeGreaterThan(200)
      for (const first of worlds) {
        const { kernel, label, loaded, worker, reported, entry } = settle(first, lastWords)
        const wanted = entry?.config.containerImage
        expect(
          { kernel, label, status: loaded?.config?.containerImage, worker, reported },
          JSON.stringify(first),
        ).toEqual({
          kernel: wanted,
          label: wanted !== undefined,
          status: wanted,
          worker: undefined,
          reported: undefined,
        })
      }
    },
  )
})

describe('from every state of a Module that the plan does not name', () => {
  const worlds = listWorlds().filter(({ entry }) => entry === undefined)
  const each = (['none', 'report', 'unheard'] as const).map((lastWords) => [lastWords] as const)
  const release: Intent['answer'] = { kind: 'release', reason: 'ModuleDeleted', message: '' }

  it.each(each)('nothing is left of one that is never unloaded, and no worker is made for it (%s)', (lastWords) => {
    for (const first of worlds) {
      const { loaded, label, worker, reported } = settle(first, lastWords, { policy: 'Never', answer: release })
      expect([loaded, label, worker, reported], JSON.stringify(first)).toEqual([undefined, false, undefined, undefined])
    }
  })

  it.each(each)('one that the plan does not let go stays as it is, and no worker is made for it (%s)', (lastWords) => {
    for (const first of worlds) {
      const answer: Intent['answer'] = { kind: 'keep', reason: 'ImageMissing', message: '' }
      const { loaded, label, worker, reported, kernel } = settle(first, lastWords, { policy: 'OnDelete', answer })
      expect([label, worker, reported], JSON.stringify(first)).toEqual([false, undefined, undefined])
      if (kernel !== undefined) expect(loaded?.config?.containerImage, JSON.stringify(first)).toBe(kernel)
    }
  })
})
