import type { Pod } from 'kubernetes-types/core/v1.js'
import type { WorkerReport } from '../../src/api/worker-report.ts'
import { formatWorkerReport } from '../../src/api/worker-report.ts'
import { type ContainerStateView, type PodView, trimPod } from '../../src/controllers/cluster/pod-view.ts'
import { hashIntent, type WorkerIntent } from '../../src/controllers/work/worker-intent.ts'
import { buildWorkerPod, type WorkerSettings } from '../../src/controllers/work/worker-pod.ts'

export const hashKey = Buffer.from('a key of the tests')

export const workerSettings: WorkerSettings = {
  image: 'kmm-worker:test',
  runAsUser: 0,
  seLinuxType: 'spc_t',
  firmwareHostPath: '/lib/firmware',
  cachePath: '/var/lib/kmm/cache',
  imageSource: 'worker',
  registrySettings: '',
}

/** What a test's worker pod is made of. */
export interface WorkerPodParts {
  hash?: string
  pullSecrets?: string[]
  settings?: Partial<WorkerSettings>
  podName?: string
}

/** The worker pod that the operator makes for an intent on the node `n1`. */
export function buildWorker(intent: WorkerIntent, parts: WorkerPodParts = {}): Pod {
  const { hash = hashIntent(hashKey, 'uid-n1', intent), pullSecrets = [], settings, podName } = parts
  const pod = buildWorkerPod({
    intent,
    podName: podName ?? `kmm-worker-n1-${intent.name}`,
    node: { name: 'n1', uid: 'uid-n1' },
    owner: { name: 'n1', uid: 'uid-config-n1' },
    hash,
    pullSecrets,
    settings: { ...workerSettings, ...settings },
  })
  const metadata = { ...pod.metadata, uid: 'uid-pod', creationTimestamp: '2030-01-01T00:00:00Z' }
  return { ...pod, metadata: metadata as Pod['metadata'] & object }
}

/** The view of a worker pod, with changes. */
export function viewWorker(intent: WorkerIntent, changes: Partial<PodView> = {}, parts: WorkerPodParts = {}): PodView {
  return { ...trimPod(buildWorker(intent, parts)), ...changes }
}

export const noState: ContainerStateView = { kind: 'none' }

export const runningState: ContainerStateView = { kind: 'running', startedAt: '2030-01-01T00:00:05Z' }

export const waiting = (reason: string, message = ''): ContainerStateView => ({ kind: 'waiting', reason, message })

/** A container that ended; its message is the text as it stands there. */
export const terminated = (exitCode: number, message = '', reason = ''): ContainerStateView => ({
  kind: 'terminated',
  exitCode,
  message,
  reason: reason === '' ? (exitCode === 0 ? 'Completed' : 'Error') : reason,
  finishedAt: '2030-01-01T00:00:10Z',
})

/** A container as the kubelet shows it. */
export function buildContainer(
  state: ContainerStateView,
  last: ContainerStateView = noState,
  restartCount = 0,
): PodView['container'] {
  return { image: 'kmm-worker:test', ready: state.kind === 'running', state, last, restartCount }
}

/** A worker's report of a success in the boot `boot-1`, with changes. */
export function buildReport(changes: Partial<WorkerReport> = {}): WorkerReport {
  return {
    v: 1,
    bootID: 'boot-1',
    kernel: '6.1.0-1-amd64',
    action: 'load',
    outcome: 'ok',
    alreadyLoaded: false,
    reason: 'Loaded',
    message: 'mod is loaded',
    modules: [],
    durationsMs: {},
    ...changes,
  }
}

/** The termination message of a report. */
export const reportText = (changes: Partial<WorkerReport> = {}): string => formatWorkerReport(buildReport(changes))
