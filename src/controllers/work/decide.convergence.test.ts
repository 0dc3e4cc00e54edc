import { expect, it } from 'vitest'
import { getKernelModuleReadyNodeLabel } from '../../api/labels.ts'
import type { ModuleConfig, NodeModuleItem, NodeModuleStatusItem, WorkerStatus } from '../../api/node-modules-config.ts'
import type { WorkerReport } from '../../api/worker-report.ts'
import type { NodeView } from '../cluster/node-view.ts'
import type { Action } from './action.ts'
import { decide } from './decide.ts'
import type { ObservedNode } from './observed.ts'
import { hashIntent, intentOf, type WorkerIntent } from './worker-intent.ts'
import type { Worker } from './worker.ts'
import type { WorkerState } from './worker-state.ts'

const key = Buffer.from('test')
const boot = 'boot-2'
const start = Date.parse('2030-01-01T00:00:00Z')
const readyLabel = getKernelModuleReadyNodeLabel('ns', 'mod')

const configOf = (image: string): ModuleConfig => ({
  kernelVersion: '6.1.0',
  containerImage: image,
  insecurePull: false,
  modprobe: { moduleName: 'mod' },
})

const entryOf = (image: string): NodeModuleItem => ({
  namespace: 'ns',
  name: 'mod',
  serviceAccountName: 'default',
  config: configOf(image),
})

/** What is really there: the node, its kernel and what the API server holds. */
interface World {
  entry: NodeModuleItem | undefined
  loaded: NodeModuleStatusItem | undefined
  reported: WorkerStatus | undefined
  worker: { intent: WorkerIntent; state: WorkerState['kind']; deleting: boolean } | undefined
  plugins: number
  label: boolean
  /** The image whose module is in the kernel. */
  kernel: string | undefined
}

const node: NodeView = {
  name: 'n1',
  uid: 'node-uid',
  labels: {},
  taints: [],
  kernelVersion: '6.1.0',
  bootId: boot,
  architecture: 'amd64',
  ready: true,
  unschedulable: false,
}

function report(action: 'load' | 'unload', outcome: 'ok' | 'failed'): WorkerReport {
  const reason = outcome === 'failed' ? 'Unknown' : action === 'load' ? 'Loaded' : 'Unloaded'
  return {
    v: 1,
    bootID: boot,
    kernel: '6.1.0',
    action,
    outcome,
    alreadyLoaded: false,
    reason,
    message: '',
    modules: [],
    durationsMs: {},
  }
}

function stateOf(kind: WorkerState['kind'], intent: WorkerIntent): WorkerState {
  const action = intent.action === 'Load' ? 'load' : 'unload'
  switch (kind) {
    case 'pending':
      return { kind, reason: '', message: '', started: false }
    case 'running':
      return { kind }
    case 'succeeded':
      return { kind, report: report(action, 'ok') }
    case 'failed':
      return {
        kind,
        failed: { attempt: 1, report: report(action, 'failed'), exitCode: 1, exitReason: 'Error', text: '' },
      }
    case 'lost':
      return { kind, message: 'Evicted', started: false }
  }
}

function observeWorld(world: World): ObservedNode {
  const workers: Worker[] = world.worker
    ? [
        {
          podNamespace: 'ns',
          podName: 'kmm-worker-n1-mod',
          uid: 'pod-uid',
          createdAtMs: start,
          deleting: world.worker.deleting,
          hash: hashIntent(key, node.uid, world.worker.intent),
          intent: world.worker.intent,
          state: stateOf(world.worker.state, world.worker.intent),
        },
      ]
    : []
  return {
    node: { ...node, labels: world.label ? { [readyLabel]: '' } : {} },
    config: {
      metadata: { name: 'n1', resourceVersion: '1' },
      spec: { modules: world.entry ? [world.entry] : [] },
      status: { modules: world.loaded ? [world.loaded] : [], ...(world.reported ? { workers: [world.reported] } : {}) },
    },
    modules: [
      {
        namespace: 'ns',
        name: 'mod',
        ...(world.entry ? { entry: world.entry } : {}),
        ...(world.loaded ? { loaded: world.loaded } : {}),
        ...(world.reported ? { reported: world.reported } : {}),
        workers,
        pluginPods: world.plugins,
        namespaceTerminating: false,
      },
    ],
    hashOfIntent: (intent) => hashIntent(key, node.uid, intent),
    operatorNamespace: 'kmm',
    stranded: [],
  }
}

function apply(world: World, action: Action): World {
  switch (action.type) {
    case 'writeStatus':
      return { ...world, loaded: action.modules[0], reported: action.workers[0] }
    case 'labelNode':
      return { ...world, label: action.labels[readyLabel] === '' }
    case 'recordEvent':
    case 'releasePod':
      return world
    case 'deletePod':
      return { ...world, worker: undefined }
    case 'createPod':
      expect(world.worker, 'a second worker pod for one module').toBeUndefined()
      if (action.intent.action === 'Unload') expect(world.plugins, 'unload while plugin pods run').toBe(0)
      return { ...world, worker: { intent: action.intent, state: 'pending', deleting: false } }
  }
}

/** The node goes on by one step: its worker runs and ends, its plugin pods leave once the label is gone. */
function advance(world: World): World {
  const next = { ...world, plugins: world.label ? world.plugins : 0 }
  const { worker } = world
  if (worker === undefined) return next
  if (worker.state === 'pending' || worker.state === 'failed')
    return { ...next, worker: { ...worker, state: 'running' } }
  if (worker.state !== 'running') return next
  // The worker refuses to load over another version, and says so.
  const image = worker.intent.config.containerImage
  if (worker.intent.action === 'Load' && next.kernel !== undefined && next.kernel !== image)
    return { ...next, worker: { ...worker, state: 'failed' } }
  return {
    ...next,
    kernel: worker.intent.action === 'Load' ? image : undefined,
    worker: { ...worker, state: 'succeeded' },
  }
}

function settle(first: World): World {
  let world = first
  for (let step = 0; step < 40; step++) {
    const { actions } = decide(observeWorld(world), start + step * 60_000)
    for (const action of actions) world = apply(world, action)
    if (world.label) expect(world.kernel, 'a ready label without the module').toBe(world.entry?.config.containerImage)
    const moved = advance(world)
    if (actions.length === 0 && JSON.stringify(moved) === JSON.stringify(world)) return world
    world = moved
  }
  throw new Error(`no fixed point from ${JSON.stringify(first)}; stopped at ${JSON.stringify(world)}`)
}

const loadedOf = (image: string, bootId: string): NodeModuleStatusItem => ({ ...entryOf(image), bootId })

const entries = [undefined, entryOf('a'), entryOf('b')]
const statuses = [
  { loaded: undefined, kernel: undefined },
  { loaded: loadedOf('a', boot), kernel: 'a' },
  { loaded: loadedOf('b', boot), kernel: 'b' },
  { loaded: loadedOf('a', 'boot-1'), kernel: undefined },
  { loaded: loadedOf('a', ''), kernel: 'a' },
  { loaded: loadedOf('a', ''), kernel: undefined },
]
const kinds = ['pending', 'running', 'succeeded', 'failed', 'lost'] as const

/** Worker pods that the operator can have made in a state: it never loads over another version. */
function listWorkers(loaded: NodeModuleStatusItem | undefined): World['worker'][] {
  const unloads = loaded?.config
    ? kinds.map((state) => ({
        intent: intentOf('Unload', entryOf(loaded.config?.containerImage ?? '')),
        state,
        deleting: false,
      }))
    : []
  const loadable =
    loaded === undefined || loaded.bootId === 'boot-1' ? ['a', 'b'] : [loaded.config?.containerImage ?? '']
  const loads = loadable.flatMap((image) =>
    kinds.map((state) => ({ intent: intentOf('Load', entryOf(image)), state, deleting: false })),
  )
  return [undefined, ...unloads, ...loads]
}

function listWorlds(): World[] {
  return entries.flatMap((entry) =>
    statuses.flatMap(({ loaded, kernel }) =>
      listWorkers(loaded).flatMap((worker) =>
        [0, 1].flatMap((plugins) => {
          const done = worker?.state === 'succeeded'
          const after = done
            ? worker.intent.action === 'Load'
              ? worker.intent.config.containerImage
              : undefined
            : kernel
          const label =
            entry !== undefined &&
            loaded?.bootId === boot &&
            after === entry.config.containerImage &&
            after === kernel &&
            worker === undefined
          return [{ entry, loaded, reported: undefined, worker, plugins, label, kernel: after }]
        }),
      ),
    ),
  )
}

it('comes to rest from every state with the kernel, the status and the label as the plan wants them', () => {
  const worlds = listWorlds()
  expect(worlds.length).toBeGreaterThan(200)
  for (const first of worlds) {
    const end = settle(first)
    const wanted = end.entry?.config.containerImage
    expect(
      {
        kernel: end.kernel,
        label: end.label,
        status: end.loaded?.config?.containerImage,
        worker: end.worker,
        reported: end.reported,
      },
      JSON.stringify(first),
    ).toEqual({
      kernel: wanted,
      label: wanted !== undefined,
      status: wanted,
      worker: undefined,
      reported: undefined,
    })
  }
})
