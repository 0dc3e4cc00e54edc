import { mkdir } from 'node:fs/promises'
import { dirname } from 'node:path'
import type { Container, Pod } from 'kubernetes-types/core/v1.js'
import { workerActionLabel } from '../../api/labels.ts'
import type { WorkerReport } from '../../api/worker-report.ts'
import { sleep } from '../../kube/clock.ts'
import type { PodBehaviour } from './behaviour.ts'
import { logFileOf, readLogEnd } from './container-log.ts'
import type { ProcessEnd, RunningContainer } from './container-process.ts'
import { readDownwardField } from './downward.ts'
import type { KubeletSettings } from './kubelet-settings.ts'
import type { findProgram } from './pod-program.ts'

/** One run of a pod's containers. */
export interface ContainerRun {
  settings: KubeletSettings
  pod: Pod
  /** Folder of the pod on its node. */
  folder: string
  volumes: ReadonlyMap<string, string>
  restartCount: number
  /** Aborted when the pod is to end in good order. */
  stopping: AbortSignal
  /** Aborted when the pod is to end this instant. */
  killed: AbortSignal
  graceMs: () => number
  /** Called when the containers run; again with true when they are ready. */
  started(ready: boolean): void
}

const terminated = 143
const longestHoldMs = 2_000

/** Waits for a time or for the pod's end; true when the pod is to end. */
async function wait({ settings, stopping, killed }: ContainerRun, ms: number): Promise<boolean> {
  const either = AbortSignal.any([stopping, killed])
  await sleep(settings.clock, ms, either)
  return either.aborted
}

/** Takes the time that the pod's rule says to end, at most its grace period. */
async function endInGoodOrder(run: ContainerRun): Promise<ProcessEnd> {
  const { settings, pod, killed, graceMs } = run
  const ms = settings.rules.terminationMsOf(pod)
  await sleep(settings.clock, Math.min(ms, graceMs()), killed)
  return ms > graceMs() ? { exitCode: 137, signal: 9, message: '' } : { exitCode: 0, message: '' }
}

const foreverMs = 2_147_483_647

async function becomeReady(run: ContainerRun, afterMs: number): Promise<void> {
  run.started(afterMs === 0)
  if (afterMs > 0 && !(await wait(run, afterMs))) run.started(true)
}

/** What the worker would report of work that needed nothing. */
function reportNothingDone({ settings: { backend }, pod }: ContainerRun): string {
  const isLoad = pod.metadata?.labels?.[workerActionLabel] === 'Load'
  const report: WorkerReport = {
    v: 1,
    bootID: backend.bootId,
    kernel: backend.release,
    action: isLoad ? 'load' : 'unload',
    outcome: 'ok',
    alreadyLoaded: isLoad,
    reason: isLoad ? 'Loaded' : 'Unloaded',
    message: '',
    modules: [],
    durationsMs: {},
  }
  return JSON.stringify(report)
}

/** Waits for something or for the pod's end; true when the pod is to end. */
async function waitFor({ stopping, killed }: ContainerRun, what: Promise<unknown>): Promise<boolean> {
  const either = AbortSignal.any([stopping, killed])
  const ending = new Promise((resolve) => either.addEventListener('abort', resolve, { once: true }))
  await Promise.race([what, ...(either.aborted ? [] : [ending])])
  return either.aborted
}

/** Ends by itself, unless the pod is to end before. */
async function endByItself(
  run: ContainerRun,
  { afterMs = 0, exitCode = 0, message = '' }: { afterMs?: number; exitCode?: number; message?: string },
): Promise<ProcessEnd> {
  run.started(false)
  return (await wait(run, afterMs)) ? endInGoodOrder(run) : { exitCode, message }
}

async function succeed(run: ContainerRun, when: Promise<unknown>, message: string): Promise<ProcessEnd> {
  run.started(false)
  return (await waitFor(run, when)) ? endInGoodOrder(run) : { exitCode: 0, message }
}

async function runUntilTold(run: ContainerRun, readyAfterMs: number): Promise<ProcessEnd> {
  await becomeReady(run, readyAfterMs)
  await wait(run, foreverMs)
  return endInGoodOrder(run)
}

/** Acts a behaviour out; answers how the containers ended. */
export async function actContainers(run: ContainerRun, behaviour: PodBehaviour): Promise<ProcessEnd> {
  switch (behaviour.do) {
    case 'report':
      return endByItself(run, { message: reportNothingDone(run) })
    case 'succeed':
      return succeed(run, behaviour.when ?? Promise.resolve(), behaviour.message ?? '')
    case 'crash':
      return endByItself(run, { exitCode: 1, ...behaviour })
    default:
      return runUntilTold(run, behaviour.do === 'ready' ? (behaviour.afterMs ?? 0) : foreverMs)
  }
}

function environmentOf(pod: Pod, container: Container): Record<string, string> {
  const given = (container.env ?? []).map(({ name, value, valueFrom }) => {
    const field = valueFrom?.fieldRef?.fieldPath
    return [name, field === undefined ? (value ?? '') : readDownwardField(pod, field)] as const
  })
  return Object.fromEntries(given)
}

/** SIGTERM when the pod is to end, SIGKILL after its grace period or when it is to end this instant. */
function endWith(run: ContainerRun, running: RunningContainer): () => void {
  const finished = new AbortController()
  const kill = (): void => running.kill('SIGKILL')
  const stop = (): void => {
    running.kill('SIGTERM')
    void sleep(run.settings.clock, run.graceMs(), finished.signal).then(() => finished.signal.aborted || kill())
  }
  run.killed.addEventListener('abort', kill, { once: true })
  run.stopping.addEventListener('abort', stop, { once: true })
  if (run.killed.aborted) kill()
  else if (run.stopping.aborted) stop()
  return () => {
    finished.abort()
    run.killed.removeEventListener('abort', kill)
    run.stopping.removeEventListener('abort', stop)
  }
}

async function startWorker(run: ContainerRun, found: FoundProgram, logFile: string): Promise<RunningContainer> {
  const { settings, pod, folder, volumes } = run
  const { container, program } = found
  await mkdir(dirname(logFile), { recursive: true })
  return settings.backend.startWorker({
    program,
    pod,
    container,
    folder,
    volumes,
    environment: environmentOf(pod, container),
    logFile,
  })
}

/** A runtime tells of a container that it cannot start as of one that has ended (containerd: StartError, 128). */
function failToStart({ killed }: ContainerRun, error: unknown): RunningContainer {
  if (killed.aborted) throw error
  const message = error instanceof Error ? error.message : String(error)
  return { ended: Promise.resolve({ exitCode: 128, message }), kill: () => undefined }
}

/** A container that failed without a message has the end of its log for one, where its policy says so. */
async function fallBackToLog(container: Container, end: ProcessEnd, logFile: string): Promise<ProcessEnd> {
  const falls = container.terminationMessagePolicy === 'FallbackToLogsOnError'
  if (!falls || end.exitCode === 0 || end.message !== '') return end
  return { ...end, message: await readLogEnd(logFile) }
}

type FoundProgram = NonNullable<ReturnType<typeof findProgram>>

/** Runs a program of KMM in the root of the container that has it, when there is a free slot. */
export async function runWorker(run: ContainerRun, found: FoundProgram): Promise<ProcessEnd> {
  const giveBack = await run.settings.slots.take(AbortSignal.any([run.stopping, run.killed]))
  const holding = new AbortController()
  try {
    if (run.stopping.aborted || run.killed.aborted) return { exitCode: terminated, signal: 15, message: '' }
    const logFile = logFileOf(run.folder, found.container.name, run.restartCount)
    const running = await startWorker(run, found, logFile).catch((error: unknown) => failToStart(run, error))
    const release = endWith(run, running)
    // What takes long waits for something, as in a hung pull, and must not hold up the other nodes.
    void sleep(run.settings.clock, longestHoldMs, holding.signal).then(giveBack)
    run.started(true)
    const end = await running.ended
    release()
    return await fallBackToLog(found.container, end, logFile)
  } finally {
    holding.abort()
    giveBack()
  }
}
