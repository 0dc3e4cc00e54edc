import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { Pod } from 'kubernetes-types/core/v1.js'
import { sleep } from '../../kube/clock.ts'
import type { PodBehaviour } from './behaviour.ts'
import type { ProcessEnd } from './container-process.ts'
import { actContainers, type ContainerRun, runWorker } from './container-run.ts'
import type { KubeletSettings } from './kubelet-settings.ts'
import { MountFailure } from './mount-failure.ts'
import { ImagePullFailure } from './node-images.ts'
import { warnOfPod } from './pod-event.ts'
import { findProgram } from './pod-program.ts'
import { PodGone, PodReporter } from './pod-reporter.ts'
import { resumeView } from './pod-resume.ts'
import { formatTime, isTerminal, type PodView, type Termination, terminalPhase, wantsRestart } from './pod-status.ts'
import { checkVolumes, setUpVolumes, type VolumePlace } from './volumes.ts'

const creating = { waiting: { reason: 'ContainerCreating' } }

/** Why a pod cannot start yet: what its containers wait for, and what the event says. */
interface Obstacle {
  reason: string
  message: string
  event?: string
}

/** A pod whose volumes are set up, for the rule that it follows; undefined for its program. */
interface Prepared {
  behaviour: PodBehaviour | undefined
}

function describeObstacle(error: unknown): Obstacle {
  const message = error instanceof Error ? error.message : String(error)
  const event = error instanceof MountFailure ? { event: 'FailedMount' } : {}
  return { reason: creating.waiting.reason, message, ...event }
}

/** The kubelet tells of a pull that failed first why, and then that it waits, and why. */
function describeVolumePull({ reason, image, message }: ImagePullFailure, attempt: number): Obstacle {
  if (reason !== 'ErrImagePull' || attempt === 1) return { reason, message, event: 'Failed' }
  const waiting = `Back-off pulling image "${image}": ErrImagePull: ${message}`
  return { reason: 'ImagePullBackOff', message: waiting, event: 'BackOff' }
}

/** Runs one pod from its arrival on the node until it is gone, as a kubelet does. */
export class PodRun {
  readonly #settings: KubeletSettings
  readonly #folder: string
  readonly #reporter: PodReporter
  readonly #stopping = new AbortController()
  readonly #killed = new AbortController()
  readonly #view: PodView
  #pod: Pod
  #volumes: ReadonlyMap<string, string> = new Map()
  #done: Promise<void> = Promise.resolve()

  constructor(settings: KubeletSettings, pod: Pod) {
    this.#settings = settings
    this.#pod = pod
    this.#folder = join(settings.nodeRoot, 'pods', pod.metadata?.uid ?? '')
    this.#view = resumeView(pod, formatTime(settings.clock.now()))
    this.#reporter = new PodReporter(settings, pod, this.#killed.signal)
  }

  get folder(): string {
    return this.#folder
  }

  get restartCount(): number {
    return this.#view.container.restartCount
  }

  get isRunning(): boolean {
    return this.#view.container.state.running !== undefined && !this.#killed.signal.aborted
  }

  /** True when the containers have run, now or before. */
  get hasStarted(): boolean {
    const { state, restartCount } = this.#view.container
    return restartCount > 0 || state.running !== undefined || state.terminated !== undefined
  }

  start(): void {
    this.#done = this.#live().catch((error: unknown) => {
      if (!(error instanceof PodGone) && !this.#killed.signal.aborted) this.#settings.onError(error)
    })
    this.podChanged(this.#pod)
  }

  /** Takes note of a change in the API: a deletion ends the pod in good order. */
  podChanged(pod: Pod): void {
    this.#pod = pod
    if (pod.metadata?.deletionTimestamp !== undefined) this.#stopping.abort()
    else if (this.isRunning && this.#reporter.isContradicted(pod))
      this.#reporter.report(this.#view).catch(() => undefined)
  }

  /** Ends everything this instant, without a report, and waits for it. */
  async kill(): Promise<void> {
    this.#killed.abort()
    await this.#done
  }

  /** Removes what the pod has left on the node. */
  async clean(): Promise<void> {
    // What was killed may be in the middle of its last file.
    await rm(this.#folder, { recursive: true, force: true, maxRetries: 5 })
    await this.#settings.backend.removePod(this.#pod.metadata?.uid ?? '')
  }

  /** Makes a running pod ready or not, as its probe would. */
  async setReady(ready: boolean): Promise<void> {
    if (this.#view.container.state.running === undefined) return
    this.#view.container.ready = ready
    await this.#reporter.report(this.#view)
  }

  get #ending(): boolean {
    return this.#stopping.signal.aborted || this.#killed.signal.aborted
  }

  async #live(): Promise<void> {
    if (isTerminal(this.#view.phase)) await this.#sayOver()
    else if (this.#pod.metadata?.deletionTimestamp === undefined) await this.#run()
    await this.#deletion()
    if (!this.#killed.signal.aborted) await this.#reporter.remove()
  }

  /** The node may have gone down between the end of the containers and the news of it. */
  async #sayOver(): Promise<void> {
    if (this.#pod.status?.phase !== this.#view.phase) await this.#reporter.report(this.#view)
  }

  async #run(): Promise<void> {
    const prepared = await this.#prepare()
    if (prepared !== undefined) await this.#runUntilOver(prepared)
  }

  async #deletion(): Promise<void> {
    const either = AbortSignal.any([this.#stopping.signal, this.#killed.signal])
    if (either.aborted) return
    await new Promise((resolve) => either.addEventListener('abort', resolve, { once: true }))
  }

  /** Sets volumes and image up, as often as it takes; undefined when the pod is to end before that. */
  async #prepare(): Promise<Prepared | undefined> {
    await this.#reporter.report(this.#view)
    for (let attempt = 1; !this.#ending; attempt += 1) {
      // Asked once: what is set up is what then runs, though a rule comes or goes meanwhile.
      const behaviour = this.#behaviour()
      const obstacle = await this.#tryPrepare(behaviour, attempt)
      if (obstacle === undefined) return this.#ending ? undefined : { behaviour }
      const { reason, message, event } = obstacle
      this.#view.container.state = { waiting: { reason, ...(reason === creating.waiting.reason ? {} : { message }) } }
      await this.#reporter.report(this.#view)
      if (event !== undefined)
        await warnOfPod(this.#settings, this.#pod, { reason: event, message }, this.#killed.signal)
      const { retryBaseMs, retryCapMs } = this.#settings.times
      await this.#pause(Math.min(retryCapMs, retryBaseMs * 2 ** (attempt - 1)))
    }
    return undefined
  }

  async #tryPrepare(behaviour: PodBehaviour | undefined, attempt: number): Promise<Obstacle | undefined> {
    if (behaviour?.do === 'hang') return { reason: creating.waiting.reason, message: '' }
    if (behaviour?.do === 'imagePullError') return this.#describePullError(behaviour.message, attempt)
    const { client, backend, images } = this.#settings
    const signal = AbortSignal.any([this.#stopping.signal, this.#killed.signal])
    const setUpHostPath: VolumePlace['setUpHostPath'] = (source) => backend.setUpHostPath(source)
    const place = { client, pod: this.#pod, setUpHostPath, images, folder: join(this.#folder, 'volumes'), signal }
    try {
      if (behaviour === undefined) this.#volumes = await setUpVolumes(place)
      else await checkVolumes(place)
      return undefined
    } catch (error) {
      if (signal.aborted) return { reason: creating.waiting.reason, message: '' }
      return error instanceof ImagePullFailure ? describeVolumePull(error, attempt) : describeObstacle(error)
    }
  }

  #describePullError(given: string | undefined, attempt: number): Obstacle {
    const image = this.#pod.spec?.containers[0]?.image ?? ''
    if (attempt > 1)
      return { reason: 'ImagePullBackOff', message: `Back-off pulling image "${image}"`, event: 'BackOff' }
    const why = given ?? `failed to resolve reference "${image}": not found`
    return { reason: 'ErrImagePull', message: `Failed to pull image "${image}": ${why}`, event: 'Failed' }
  }

  /** The rule for this pod; without one, a worker or build pod runs its program (undefined) and others are ready at once. */
  #behaviour(): PodBehaviour | undefined {
    const rule = this.#settings.rules.behaviourOf(this.#pod)
    if (rule !== undefined) return rule
    return findProgram(this.#pod, this.#settings) === undefined ? { do: 'ready' } : undefined
  }

  async #runUntilOver(first: Prepared): Promise<void> {
    const view = this.#view.container
    this.#view.initialized = true
    for (let prepared: Prepared | undefined = first; ; ) {
      const end = await this.#runOnce(prepared)
      if (this.#killed.signal.aborted) return
      view.ready = false
      view.state = { terminated: end }
      await this.#reporter.report(this.#view)
      if (this.#ending || !wantsRestart(this.#pod, end.exitCode)) return this.#conclude(end)
      await this.#backOff(end)
      // A kubelet keeps volumes up to date: what starts again sees Secrets as they are by now.
      prepared = this.#ending ? undefined : await this.#prepare()
      if (prepared === undefined) return this.#conclude(end)
      view.restartCount += 1
      view.lastState = { terminated: end }
    }
  }

  /** The phase follows the container's end with a delay, as on real nodes. */
  async #conclude(end: Termination): Promise<void> {
    if (this.#killed.signal.aborted) return
    await this.#pause(this.#settings.times.phaseLagMs)
    this.#view.phase = terminalPhase(end.exitCode)
    await this.#reporter.report(this.#view)
  }

  /** The end stays visible for most of the pause; CrashLoopBackOff shows only shortly before the restart. */
  async #backOff(end: Termination): Promise<void> {
    const { restartBaseMs, restartCapMs } = this.#settings.times
    const view = this.#view.container
    const ms = Math.min(restartCapMs, restartBaseMs * 2 ** view.restartCount)
    await this.#pause(ms * 0.75)
    if (this.#ending) return
    const container = this.#pod.spec?.containers[0]?.name ?? ''
    const { name = '', namespace = '', uid = '' } = this.#pod.metadata ?? {}
    const message = `back-off ${ms}ms restarting failed container=${container} pod=${name}_${namespace}(${uid})`
    view.state = { waiting: { reason: 'CrashLoopBackOff', message } }
    view.lastState = { terminated: end }
    await this.#reporter.report(this.#view)
    await this.#pause(ms * 0.25)
  }

  async #runOnce({ behaviour }: Prepared): Promise<Termination> {
    const found = findProgram(this.#pod, this.#settings)
    let startedAt = formatTime(this.#settings.clock.now())
    const reports: Promise<void>[] = []
    const run: ContainerRun = {
      settings: this.#settings,
      pod: this.#pod,
      folder: this.#folder,
      volumes: this.#volumes,
      restartCount: this.#view.container.restartCount,
      stopping: this.#stopping.signal,
      killed: this.#killed.signal,
      graceMs: () => this.#graceMs(),
      started: (ready) => {
        startedAt = formatTime(this.#settings.clock.now())
        const report = this.#reportStart(startedAt, ready)
        reports.push(report)
        // Looked at below, when the containers have ended.
        report.catch(() => undefined)
      },
    }
    const end = await (behaviour === undefined && found !== undefined
      ? runWorker(run, found)
      : actContainers(run, behaviour ?? { do: 'ready' }))
    await Promise.all(reports)
    return this.#describeEnd(end, startedAt)
  }

  async #reportStart(startedAt: string, ready: boolean): Promise<void> {
    this.#view.phase = 'Running'
    this.#view.container.state = { running: { startedAt } }
    this.#view.container.ready = ready
    await this.#reporter.report(this.#view)
  }

  #describeEnd({ exitCode, signal, message }: ProcessEnd, startedAt: string): Termination {
    return {
      exitCode,
      reason: exitCode === 0 ? 'Completed' : 'Error',
      ...(signal === undefined ? {} : { signal }),
      ...(message === '' ? {} : { message }),
      startedAt,
      finishedAt: formatTime(this.#settings.clock.now()),
    }
  }

  #graceMs(): number {
    const { deletionGracePeriodSeconds } = this.#pod.metadata ?? {}
    return (deletionGracePeriodSeconds ?? this.#pod.spec?.terminationGracePeriodSeconds ?? 30) * 1_000
  }

  async #pause(ms: number): Promise<void> {
    await sleep(this.#settings.clock, ms, AbortSignal.any([this.#stopping.signal, this.#killed.signal]))
  }
}
