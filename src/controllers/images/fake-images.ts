import type { ImageStatus, ModuleImagesConfig, ModuleImageSpec } from '../../api/module-images-config.ts'
import type { Wait } from '../../runtime/reconciler.ts'
import type { Action, NewJob } from './action.ts'
import { decide } from './decide.ts'
import { unverifiedAfterMs } from './existence.ts'
import { formatJobName } from './job/job-name.ts'
import {
  type BuildInputs,
  type InputsResult,
  type InspectionResult,
  isAtWork,
  type Job,
  type JobState,
} from './job/job.ts'
import { formatInputsKey } from './job/read-inputs.ts'
import { formatAccess } from './lookup.ts'
import { type CheckResult, createFacts, type ImagesSettings, type ObservedImages, type SharedJob } from './observed.ts'

/** Settings as they are unless the administrator says otherwise. */
export const usualSettings: ImagesSettings = {
  unverifiedAfterMs,
  imageSource: 'worker',
  gcDelayMs: 0,
  maxAttempts: 5,
  maxConcurrentBuilds: 4,
}

/** A config that has seen nothing. */
export function makeObserved(config: ModuleImagesConfig, more: Partial<ObservedImages> = {}): ObservedImages {
  return {
    config,
    facts: createFacts(),
    jobs: [],
    sharedJobs: [],
    relatives: [],
    activeBuilds: 0,
    isAwaited: false,
    startedAtMs: 0,
    isDoubted: false,
    ...more,
  }
}

const notFound: CheckResult = { kind: 'missing', message: 'no such tag' }

/**
 * One ModuleImagesConfig in a world of memory: a registry, pods, inputs, and an operator that can be killed between any two actions. Time
 * goes on by hand.
 */
export class FakeImages {
  config: ModuleImagesConfig
  nowMs = Date.parse('2030-01-01T00:00:00Z')
  settings: ImagesSettings = usualSettings
  /** Digests by reference. */
  readonly registry = new Map<string, string>()
  /** What the registry says of everything, where it is not itself. */
  answer: CheckResult | undefined
  inputs: InputsResult = { kind: 'read' }
  /** What is found in images whose signature is looked for, by digest; unsigned where nothing is said. */
  readonly signatures = new Map<string, InspectionResult>()
  jobs: Job[] = []
  activeElsewhere = 0
  /** A Module's own image waits for its turn, and this one is of a preflight. */
  isAwaited = false
  /** Of others, for the same image. */
  sharedJobs: SharedJob[] = []
  /** Of a preflight of the same Module. */
  relatives: ImageStatus[] = []
  /** What the operator did, in order. */
  readonly log: string[] = []
  /** How many more actions the operator lives for. */
  life = Infinity
  /** When the present operator was started. */
  startedAtMs = this.nowMs
  isDoubted = false
  /** Told before each pod is made. */
  onCreate: (job: NewJob) => void = () => undefined
  #facts = createFacts()
  #pods = 0

  constructor(images: readonly ModuleImageSpec[], spec: Partial<NonNullable<ModuleImagesConfig['spec']>> = {}) {
    this.config = {
      metadata: { namespace: 'ns', name: 'mod', uid: 'uid-images', resourceVersion: '3' },
      spec: { images: [...images], pushBuiltImage: true, ...spec },
    }
  }

  /** The first image's. */
  get status(): ImageStatus | undefined {
    return this.config.status?.images?.[0]
  }

  /** The pod that was made last. */
  get pod(): Job {
    const pod = this.jobs.at(-1)
    if (pod === undefined) throw new Error(`no pod: ${this.log.join(', ')}`)
    return pod
  }

  /** Actions of this kind so far. */
  count(action: string): number {
    return this.log.filter((line) => line.startsWith(action)).length
  }

  change(spec: Partial<NonNullable<ModuleImagesConfig['spec']>>): this {
    this.config = { ...this.config, spec: { ...this.config.spec, ...spec } }
    return this
  }

  /** How many pods were ever made. */
  get podCount(): number {
    return this.#pods
  }

  /** Another operator takes over: it knows nothing but what stands in the cluster. */
  restart(): this {
    this.#facts = createFacts()
    this.startedAtMs = this.nowMs
    this.life = Infinity
    return this
  }

  decide(): { actions: readonly Action[]; waits: readonly Wait[] } {
    const { config, jobs, sharedJobs, relatives, startedAtMs, isDoubted, isAwaited } = this
    const activeBuilds = this.activeElsewhere + jobs.filter((job) => job.type === 'BuildImage' && isAtWork(job)).length
    const facts = this.#facts
    return decide(
      { config, facts, jobs, sharedJobs, relatives, activeBuilds, startedAtMs, isDoubted, isAwaited },
      this.nowMs,
      this.settings,
    )
  }

  /** Passes until nothing is left to do; pods stay as they are. */
  settle(): this {
    for (let pass = 0; pass < 40; pass++) {
      const { actions } = this.decide()
      if (actions.length === 0) return this
      for (const action of actions) {
        if (this.life <= 0) return this
        this.life--
        this.#apply(action)
      }
    }
    throw new Error(`no rest: ${this.log.slice(-20).join(', ')}`)
  }

  /** Lets time go by, passing whenever a wait ends. */
  advance(durationMs: number): this {
    const endMs = this.nowMs + durationMs
    for (this.settle(); ; this.settle()) {
      const [untilMs = Infinity] = this.decide().waits.map((wait) => wait.untilMs ?? Infinity)
      if (untilMs > endMs) break
      this.nowMs = untilMs
    }
    this.nowMs = endMs
    return this.settle()
  }

  /** The last pod ends like this; one that succeeds pushes an image with this digest first. */
  end(state: { digest: string } | { reason: Extract<JobState, { kind: 'failed' }>['reason']; log?: string }): this {
    const { pod } = this
    const finishedAtMs = this.nowMs
    if ('digest' in state) this.registry.set(this.targetOf(pod), state.digest)
    const ended: JobState =
      'digest' in state
        ? { kind: 'succeeded', digest: state.digest, finishedAtMs }
        : { kind: 'failed', reason: state.reason, message: 'it went wrong', log: state.log ?? '', finishedAtMs }
    return this.replace(pod, { state: ended }).settle()
  }

  replace(pod: Job, change: Partial<Job>): this {
    this.jobs = this.jobs.map((job) => (job.uid === pod.uid ? { ...job, ...change } : job))
    return this
  }

  /** The pod is gone, deleted by somebody else. */
  lose(pod: Job): this {
    this.jobs = this.jobs.filter(({ uid }) => uid !== pod.uid)
    return this
  }

  /** Where a pod pushes to. */
  targetOf({ uid }: Job): string {
    return this.#targets.get(uid) ?? ''
  }

  readonly #targets = new Map<string, string>()

  #create(image: ModuleImageSpec, job: NewJob): void {
    const { type, hash, attempt } = job
    const { name: config } = this.config.metadata
    const name = formatJobName({ type, config, kernelVersion: image.kernelVersion, image: image.image, hash, attempt })
    this.log.push(`create ${type} ${attempt}`)
    const twin = this.jobs.find((each) => each.name === name)
    if (twin) return
    this.onCreate(job)
    const uid = `pod-${++this.#pods}`
    this.#targets.set(uid, job.target)
    const isPushed = this.config.spec?.pushBuiltImage !== false
    const common = { uid, name, createdAtMs: this.nowMs, isPushed, deleting: false, lost: false, finalizers: [] }
    this.jobs = [...this.jobs, { type, image: image.image, hash, attempt, ...common, state: { kind: 'running' } }]
  }

  #check({ config, image, trigger, after }: Extract<Action, { type: 'checkImage' }>): void {
    this.log.push('check')
    const access = formatAccess(config, image)
    const digest = this.registry.get(image.image)
    const result: CheckResult = this.answer ?? (digest === undefined ? notFound : { kind: 'exists', digest })
    const before = this.#facts.checks.get(image.image)
    const attempts = result.kind === 'exists' ? 0 : (before?.access === access ? before.attempts : 0) + 1
    this.#facts.checks.set(image.image, { result, atMs: this.nowMs, attempts, trigger, access, after })
  }

  #inspect({ image, digest, certificate }: Extract<Action, { type: 'inspectImage' }>): void {
    this.log.push('inspect')
    const result: InspectionResult = this.signatures.get(digest) ?? { kind: 'unsigned', message: 'no signature' }
    this.#facts.inspections.set(image.image, { result, atMs: this.nowMs, digest, certificate, attempts: 1 })
  }

  #write({ images, states, trigger }: Extract<Action, { type: 'writeStatus' }>): void {
    this.log.push(`write ${images.map(({ phase }) => phase).join(' ')}`)
    const status = { images: [...images], imagesStates: [...states] }
    this.config = {
      ...this.config,
      status: trigger === undefined ? status : { ...status, imageRebuildTriggerGeneration: trigger },
    }
  }

  #apply(action: Action): void {
    switch (action.type) {
      case 'checkImage':
        return this.#check(action)
      case 'readInputs': {
        this.log.push('read')
        const key = formatInputsKey(action.config, action.image)
        this.#facts.inputs.set(action.image.image, { result: this.inputs, atMs: this.nowMs, key })
        return
      }
      case 'inspectImage':
        return this.#inspect(action)
      case 'createJob':
        return this.#create(action.image, action.job)
      case 'deleteJob':
        this.log.push(`delete ${action.job.type} ${action.job.attempt}`)
        this.lose(action.job)
        return
      case 'recordEvent':
        this.log.push(`event ${action.event.reason}`)
        this.#facts.announced.add(`${action.job.uid} ${action.event.reason}`)
        return
      default:
        return this.#write(action)
    }
  }
}

/** The reference of the image that tests are about. */
export const image = 'registry.test/mod:v1'
const kernelVersion = '6.1.0-1-amd64'
/** Has it built. */
export const build = { dockerfileConfigMap: { name: 'dockerfile' } }

/** What a build is made from, told apart by two characters. */
export const buildOf = (hash: string): BuildInputs => ({
  dockerfile: 'FROM scratch',
  hash: hash.repeat(32),
  setup: 'setup',
  unresolved: [],
})

/** Inputs of a build that could be read. */
export const built = { kind: 'read', build: buildOf('b1') } satisfies InputsResult

/** A world in which the image is wanted, as far as it gets by itself. */
export function start(spec: Partial<ModuleImageSpec>, inputs: InputsResult): FakeImages {
  const world = new FakeImages([{ image, kernelVersion, ...spec }])
  world.inputs = inputs
  return world.settle()
}
