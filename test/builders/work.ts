import type { NodeModuleItem, NodeModuleStatusItem, WorkerStatus } from '../../src/api/node-modules-config.ts'
import type { NodeView } from '../../src/controllers/cluster/node-view.ts'
import type { Action } from '../../src/controllers/work/action.ts'
import { decide } from '../../src/controllers/work/decide.ts'
import type { ObservedModule, ObservedNode } from '../../src/controllers/work/observed.ts'
import type { Worker } from '../../src/controllers/work/worker.ts'
import { hashIntent, intentOf, type WorkerIntent } from '../../src/controllers/work/worker-intent.ts'
import type { FailedAttempt, WorkerState } from '../../src/controllers/work/worker-state.ts'
import type { Decision } from '../../src/runtime/reconciler.ts'
import { buildNode } from './node.ts'
import { buildItem, buildLoaded, buildModuleConfig, buildNodeConfig } from './node-modules-config.ts'
import { buildReport, hashKey } from './pod.ts'

export const startMs = Date.parse('2030-01-01T00:00:00Z')

/** What a test says of one Module on the usual node; the node and other Modules where they matter. */
export interface WorkParts extends Partial<Omit<ObservedModule, 'entry' | 'loaded' | 'reported' | 'refusal'>> {
  entry?: NodeModuleItem | undefined
  loaded?: NodeModuleStatusItem | undefined
  reported?: WorkerStatus | undefined
  refusal?: ObservedModule['refusal']
  node?: Partial<NodeView>
}

/** What `work` sees of a node with one Module. */
export function observeWork(parts: WorkParts = {}): ObservedNode {
  const { entry, loaded, reported, refusal, node, ...module } = parts
  return {
    node: buildNode(node),
    config: buildNodeConfig({
      entries: entry ? [entry] : [],
      loaded: loaded ? [loaded] : [],
      ...(reported ? { workers: [reported] } : {}),
    }),
    modules: [
      {
        namespace: 'ns',
        name: 'mod',
        workers: [],
        pluginPods: 0,
        pluginWords: '',
        vanished: false,
        policy: 'OnDelete',
        namespaceTerminating: false,
        ...(entry ? { entry } : {}),
        ...(loaded ? { loaded } : {}),
        ...(reported ? { reported } : {}),
        ...(refusal ? { refusal } : {}),
        ...module,
      },
    ],
    hashOfIntent: (intent) => hashIntent(hashKey, 'uid-n1', intent),
    operatorNamespace: 'kmm-operator-system',
    stranded: [],
    strays: [],
    departed: [],
  }
}

/** Decides about a node with one Module, `afterMs` after the usual start. */
export const decideWork = (parts: WorkParts = {}, afterMs = 0): Decision<Action> =>
  decide(observeWork(parts), startMs + afterMs)

/** An entry or status entry of another image than the usual. */
export const otherImage = { config: buildModuleConfig({ containerImage: 'registry.test/mod:v2' }) }

export const loadIntent = (changes: Partial<NodeModuleItem> = {}): WorkerIntent => intentOf('Load', buildItem(changes))

export const unloadIntent = (changes: Partial<NodeModuleItem> = {}): WorkerIntent =>
  intentOf('Unload', { ...buildLoaded(), ...changes, config: changes.config ?? buildModuleConfig() })

/** A worker pod, created at the usual start. */
export function buildWorkerState(intent: WorkerIntent, state: WorkerState, changes: Partial<Worker> = {}): Worker {
  return {
    podNamespace: intent.podNamespace,
    podName: 'kmm-worker-n1-mod',
    uid: 'uid-pod',
    createdAtMs: startMs,
    deleting: false,
    heldBy: [],
    hash: hashIntent(hashKey, 'uid-n1', intent),
    imageSource: 'worker',
    image: 'kmm-worker:test',
    intent,
    state,
    ...changes,
  }
}

export const loadedState: WorkerState = { kind: 'succeeded', report: buildReport() }

export const unloadedState: WorkerState = {
  kind: 'succeeded',
  report: buildReport({ action: 'unload', reason: 'Unloaded' }),
}

/** A failed attempt with a report. */
export function buildFailure(changes: Parameters<typeof buildReport>[0] = {}): FailedAttempt {
  const report = buildReport({ outcome: 'failed', reason: 'UnknownSymbol', message: 'what to do', ...changes })
  return { attempt: 1, report, exitCode: 1, exitReason: 'Error', text: JSON.stringify(report) }
}

/** What the status says of a worker that failed or waits. */
export function buildReported(changes: Partial<WorkerStatus> = {}): WorkerStatus {
  return {
    namespace: 'ns',
    name: 'mod',
    action: 'Load',
    attempt: 1,
    reason: 'UnknownSymbol',
    message: 'what to do',
    since: '2030-01-01T00:00:00Z',
    ...changes,
  }
}

/** The types of actions, in order. */
export const typesOf = (actions: readonly Action[]): string[] => actions.map(({ type }) => type)

/** The first action of a type; throws where there is none. */
export function findAction<T extends Action['type']>(
  actions: readonly Action[],
  type: T,
): Extract<Action, { type: T }> {
  const found = actions.find((action): action is Extract<Action, { type: T }> => action.type === type)
  if (found === undefined) throw new Error(`no ${type} among ${JSON.stringify(typesOf(actions))}`)
  return found
}
