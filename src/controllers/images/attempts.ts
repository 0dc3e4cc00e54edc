import { createHash } from 'node:crypto'
import type { ImageStatus, ModuleImageSpec } from '../../api/module-images-config.ts'
import { defined } from '../cluster/defined.ts'
import { isPushed } from '../cluster/images-config.ts'
import type { ImageAction, ImageDecision, NewJob } from './action.ts'
import { collect } from './collect.ts'
import type { Reason } from '../../errors/reason.ts'
import { readInputs } from './inputs.ts'
import { type BuildInputs, isActive, isAtWork, type Job, type JobState, type JobType } from './job/job.ts'
import { askFor, findCheck } from './lookup.ts'
import type { ObservedImage } from './observed.ts'
import { makeStatus, type StatusFields } from './status.ts'
import { formatTime, pauseAfter } from './timing.ts'

/** One thing to do for an image: a build, or a signing. */
export interface Stage {
  type: JobType
  /** Hash of what goes into it, without the trigger. */
  inputs: string
  /** What the pod pushes. */
  target: string
  source: NewJob['source']
  /** The text of a build's Dockerfile; empty for a signing. */
  dockerfile: string
  /** Some of what it is made from could not be looked up: its hash may change back, so what runs is left to run. */
  isUncertain: boolean
  /** Hash of how its pod is run: a change of it is worth another attempt, and makes no other image. */
  setup: string | undefined
}

/** What was found out longer ago than this is looked at again before a pod is made. */
const freshMs = 5_000
/** What waits for others looks again before its turn: they may have made the same image. */
const freshAfterQueueMs = 2_000
/** How soon a build that waits for others is looked at again. */
const queuePauseMs = 5_000

const signedAfterPush = 'it is signed only where pushBuiltImage is true, because what is signed comes from a registry'

/** A pod that has told all that it will: an earlier attempt, or a failed one of another stage. */
const isStale = (job: Job, isMine: boolean): boolean =>
  !isActive(job) && !job.deleting && job.hash !== '' && (isMine || job.state.kind === 'failed')

const digestOf = (value: unknown, length: number): string =>
  createHash('sha256').update(JSON.stringify(value)).digest('hex').slice(0, length)

/** Hash of what an image is made from as far as its spec and its inputs say: the first part of every attempt's hash. */
export const formatInputsHash = ({ type, inputs }: Pick<Stage, 'type' | 'inputs'>): string =>
  digestOf([type, inputs], 32)

/** True when an attempt with this hash was made from those inputs, whichever image it signed and whatever triggered it. */
export const isMadeFrom = (hash: string, stage: Pick<Stage, 'type' | 'inputs'>): boolean =>
  hash.startsWith(`${formatInputsHash(stage)}-`)

/**
 * What one attempt is told by: the inputs, and then the rest: what is signed, how the pod is run, whether it pushes, the trigger. Pods of another
 * hash say nothing of it.
 */
export function formatJobHash(stage: Stage, { config, trigger }: Pick<ObservedImage, 'config' | 'trigger'>): string {
  const rest = [stage.source?.digest ?? '', stage.setup ?? '', isPushed(config), trigger ?? null]
  return `${formatInputsHash(stage)}-${digestOf(rest, 16)}`
}

const words: Readonly<
  Record<JobType, { phase: ImageStatus['phase']; reason: Reason; verb: string; participle: string }>
> = {
  BuildImage: { phase: 'Building', reason: 'ImageBuilding', verb: 'being built', participle: 'built' },
  SignImage: { phase: 'Signing', reason: 'ImageSigning', verb: 'being signed', participle: 'signed' },
}

/** A build of these inputs for an image. */
export const buildStage = (build: BuildInputs, target: string): Stage => ({
  type: 'BuildImage',
  inputs: build.hash,
  target,
  source: undefined,
  dockerfile: build.dockerfile,
  isUncertain: (build.unresolved ?? []).length > 0,
  setup: build.setup,
})

/** Its pod went without a word: it was at work when it was last seen, or that is told already. */
const isInterrupted = ({ phase, reason, pod }: ImageStatus, { type }: Stage): boolean =>
  phase === words[type].phase || (phase === 'Failed' && reason === 'JobPodLost' && pod === undefined)

/** What keeps a pod from being made now. */
interface Hold {
  /** What is said where there was no attempt before. */
  fields: StatusFields
  why: string
  /** When to look again. */
  untilMs: number
}

/** The attempts at one stage of one image: which pod there is, what became of it, and whether there will be another. */
class Attempts {
  readonly #observed: ObservedImage
  readonly #stage: Stage
  readonly #nowMs: number
  readonly #hash: string

  constructor(observed: ObservedImage, stage: Stage, nowMs: number) {
    this.#observed = observed
    this.#stage = stage
    this.#nowMs = nowMs
    this.#hash = formatJobHash(stage, observed)
  }

  decide(): ImageDecision {
    const { jobs } = this.#observed
    const mine = jobs.filter((job) => job.type === this.#stage.type && job.hash === this.#hash)
    const others = jobs.filter((job) => isAtWork(job) && !mine.includes(job))
    const [other] = others
    if (other !== undefined && this.#isLeft(other)) return this.#follow(other)
    if (others.length > 0) return this.#waitForOthers(others)
    const current = mine.toSorted((left, right) => right.attempt - left.attempt)[0]
    if (current === undefined) return this.#begin()
    const decision = this.#follow(current)
    // A failed pod stays for its log until the next attempt; then it has told all that it will.
    const stale = jobs.filter((job) => job !== current && isStale(job, mine.includes(job)))
    return { ...decision, actions: [...decision.actions, ...stale.map((job) => this.#remove(job))] }
  }

  /** Nobody can say that what runs is made from something else; whether it pushes is always known. */
  #isLeft({ type, hash, isPushed: pushes }: Job): boolean {
    return this.#stage.isUncertain && type === this.#stage.type && hash !== '' && pushes === this.#isPushed
  }

  /** What runs for inputs that have changed is stopped: its result would be credited to nobody. */
  #waitForOthers(others: readonly Job[]): ImageDecision {
    const names = others.map(({ name }) => name).join(', ')
    const message = `what it is made from has changed; waits for pod ${names} to end`
    const actions = others.filter(({ deleting, hash }) => !deleting && hash !== '').map((job) => this.#remove(job))
    return { status: this.#say(this.#tell({ message })), actions }
  }

  /** No pod of this stage is there: it is the first, or the one that was there has gone. */
  #begin(): ImageDecision {
    const { present, settings } = this.#observed
    if (present === undefined || present.inputs !== this.#hash) return this.#create(1)
    if (isInterrupted(present, this.#stage)) return this.#goOn(present)
    if (present.phase === 'Built' && !this.#isPushed) return this.#finish()
    const wasLast = present.pod === undefined && (present.attempts ?? 0) >= settings.maxAttempts
    // Who deletes a failed pod asks for another attempt (upstream's documentation).
    return present.phase === 'Failed' && wasLast ? { status: present, actions: [] } : this.#create(1)
  }

  /** The pod of the present attempt has gone without a word. */
  #goOn({ attempts = 0, phase, retryAt }: ImageStatus): ImageDecision {
    const { maxAttempts } = this.#observed.settings
    if (attempts < maxAttempts) {
      const text = 'the pod that worked on it was gone before anybody saw what became of it'
      const message = `${text}; attempt ${attempts + 1} of ${maxAttempts} follows`
      const since = (phase === 'Failed' ? retryAt : undefined) ?? formatTime(this.#nowMs)
      const told = { ...this.#fail('JobPodLost', message), attempts, retryAt: since }
      return this.#create(attempts + 1, this.#say(told))
    }
    const message = `${attempts} times the pod that worked on it was gone before anybody saw what became of it; change what it is made from, or spec.imageRebuildTriggerGeneration, to try again`
    return { status: this.#say({ ...this.#fail('JobPodLost', message), attempts }), actions: [] }
  }

  #follow(current: Job): ImageDecision {
    const { state, lost, deleting, name, attempt } = current
    const isLost = isActive(current) && lost
    if (deleting && isActive(current) && !isLost)
      return {
        status: this.#say(this.#tell({ message: `waits for pod ${name} to be gone`, pod: name, attempts: attempt })),
        actions: [],
      }
    if (isLost) return this.#failed(current, 'JobPodLost', this.#describeLoss(current))
    switch (state.kind) {
      case 'pending':
      case 'running':
        return { status: this.#watch(current, state), actions: [] }
      case 'succeeded':
        if (!this.#isPushed) return this.#finish()
        // The registry was asked after the push, and has no such image.
        return this.#failed(current, 'ImageLost', this.#describeAbsence(current))
      default:
        return this.#failed(current, state.reason, state.message)
    }
  }

  get #isPushed(): boolean {
    return isPushed(this.#observed.config)
  }

  /** It was to be made and not to be pushed. */
  #finish(): ImageDecision {
    const { jobs, spec } = this.#observed
    const isUnsigned = spec.sign !== undefined && this.#stage.type === 'BuildImage'
    const aside = isUnsigned ? `; ${signedAfterPush}` : ''
    const message = `it can be ${words[this.#stage.type].participle}; it was not pushed, as was asked for${aside}`
    const collected = collect(this.#observed, jobs, this.#nowMs)
    return { status: this.#say({ phase: 'Built', message, inputs: this.#hash }), ...collected }
  }

  #describeLoss({ name }: Job): string {
    return `the node of pod ${name} is gone or does not answer`
  }

  #describeAbsence({ name }: Job): string {
    return `pod ${name} has pushed ${this.#stage.target}, and the registry does not have it; see whether the registry keeps what it is given`
  }

  #watch(job: Job, state: Extract<JobState, { kind: 'pending' | 'running' }>): ImageStatus {
    const attempt = job.attempt === 1 ? '' : `, attempt ${job.attempt} of ${this.#observed.settings.maxAttempts}`
    const stuck = state.kind === 'pending' ? state.message : ''
    const aside = stuck === '' ? '' : `, which does not run yet: ${stuck}`
    const lastFailure = job.attempt === 1 ? undefined : this.#lastFailure
    const before = lastFailure === undefined ? '' : `; the attempt before: ${lastFailure}`
    return this.#say(
      this.#tell({
        ...defined({ lastFailure }),
        message: `${words[this.#stage.type].verb} in pod ${job.name}${attempt}${aside}${before}`,
        pod: job.name,
        attempts: job.attempt,
        ...(stuck === '' ? {} : { reason: 'JobPodPending' }),
      }),
    )
  }

  /** What was said of the attempt before. */
  get #lastFailure(): string | undefined {
    const { present } = this.#observed
    if (present?.phase !== 'Failed') return present?.lastFailure
    return `${present.reason}: ${present.message?.replace(/; attempt \d+ of \d+ follows(?:: .*)?$/s, '')}`
  }

  /** An attempt came to nothing: there is another after a pause, or this was the last. */
  #failed(job: Job, reason: Reason, text: string): ImageDecision {
    const { maxAttempts } = this.#observed.settings
    const log = job.state.kind === 'failed' ? job.state.log : ''
    const told = { ...this.#fail(reason, text), attempts: job.attempt, pod: job.name, ...(log === '' ? {} : { log }) }
    // Somebody takes it away: that asks for the first attempt, once it is gone.
    if (job.deleting && !isActive(job)) return { status: this.#say(told), actions: [] }
    if (job.attempt >= maxAttempts) {
      const advice = `tried ${job.attempt} times; delete pod ${job.name} to try again, or change what it is made from`
      return { status: this.#say({ ...told, message: `${text}; ${advice}` }), actions: [] }
    }
    const retryAtMs = this.#findRetry(job)
    const message = `${text}; attempt ${job.attempt + 1} of ${maxAttempts} follows`
    const status = this.#say({ ...told, message, retryAt: formatTime(retryAtMs) })
    return this.#nowMs >= retryAtMs
      ? this.#create(job.attempt + 1, status)
      : { status, actions: [], againAtMs: retryAtMs }
  }

  /** Counted from when the failure was first seen, and said once: the node's clock may be ahead or behind. */
  #findRetry(job: Job): number {
    const { present } = this.#observed
    const known = present?.pod === job.name && present.phase === 'Failed' ? present.retryAt : undefined
    if (known !== undefined) return Date.parse(known)
    // A node that is gone says nothing against the next one; what became of the pod on a node may be the same again.
    return this.#nowMs + (isActive(job) ? 0 : pauseAfter(job.attempt))
  }

  /** Makes the next pod, once what it follows from is fresh and there is room for it. Until it is seen `meanwhile` is said. */
  #create(attempt: number, meanwhile?: ImageStatus): ImageDecision {
    const hold = this.#findHold()
    if (hold) return this.#hold(hold, meanwhile)
    const { config, spec, inputs } = this.#observed
    const { type, target, source, dockerfile } = this.#stage
    const isFresh = inputs !== undefined && this.#nowMs - inputs.atMs <= freshMs
    // Somebody may have pushed what is to be made, or the image itself.
    const unseen = [...new Set([spec.image, target])].filter((each) => !this.#isSeen({ ...spec, image: each }))
    const job: NewJob = { type, hash: this.#hash, attempt, target, dockerfile, source }
    const lookups: ImageAction[] = [
      ...(isFresh ? [] : [readInputs(this.#observed)]),
      ...unseen.map((each) => askFor(this.#observed, { ...spec, image: each })),
    ]
    const actions: ImageAction[] = lookups.length > 0 ? lookups : [{ type: 'createJob', config, image: spec, job }]
    return { status: meanwhile ?? this.#standing(), actions }
  }

  #isSeen(image: ModuleImageSpec): boolean {
    const check = findCheck(this.#observed, image)
    const longestMs = this.#observed.present?.reason === 'JobQueued' ? freshAfterQueueMs : freshMs
    return check !== undefined && this.#nowMs - check.atMs <= longestMs
  }

  /** What is said until a first pod is seen: what was said before, if it was of these inputs. */
  #standing(): ImageStatus {
    const { present } = this.#observed
    if (present?.inputs === this.#hash) return present
    return this.#say({ phase: 'Missing', reason: 'ImageNotFound', message: `${this.#stage.target} does not exist yet` })
  }

  /** Why no pod can be made now. */
  #findHold(): Hold | undefined {
    const { spec, facts, foreignJobs, sharedJobs, freeSlots } = this.#observed
    const [shared] = sharedJobs
    const refusal = facts.refusals.get(spec.image)
    if (refusal?.hash === this.#hash && refusal.untilMs > this.#nowMs) {
      const fields = { ...this.#fail(refusal.reason, refusal.message), retryAt: formatTime(refusal.untilMs) }
      return { fields, why: refusal.message, untilMs: refusal.untilMs }
    }
    if (foreignJobs.some(isAtWork)) return this.#queue('a pod of the operator that was here before is at work')
    if (shared) return this.#queue(`pod ${shared.name} of ${shared.maker} makes the same image`)
    if (this.#stage.type === 'SignImage' || freeSlots > 0) return undefined
    return this.#queue(this.#describeFullness())
  }

  #describeFullness(): string {
    const { settings, isSlotKept } = this.#observed
    const aside = isSlotKept ? ', and images that nodes wait for go first' : ''
    return `job.build.maxConcurrent of the operator's configuration allows ${settings.maxConcurrentBuilds} build pods at once${aside}`
  }

  #queue(cause: string): Hold {
    const why = `waits for its turn: ${cause}`
    return { fields: { phase: 'Missing', reason: 'JobQueued', message: why }, why, untilMs: this.#nowMs + queuePauseMs }
  }

  /** A first attempt tells what it waits for; a later one still tells of the one before, whose pause is over. */
  #hold({ fields, why, untilMs }: Hold, before: ImageStatus | undefined): ImageDecision {
    const status = before === undefined ? this.#say(fields) : { ...before, message: `${before.message ?? ''}: ${why}` }
    return { status, actions: [], againAtMs: untilMs }
  }

  #say(fields: StatusFields): ImageStatus {
    return makeStatus(this.#observed, fields, this.#nowMs)
  }

  #tell(fields: Partial<StatusFields>): StatusFields {
    const { phase, reason } = words[this.#stage.type]
    return { phase, reason, inputs: this.#hash, ...fields }
  }

  #fail(reason: Reason, message: string): StatusFields {
    return { phase: 'Failed', reason, message, inputs: this.#hash }
  }

  #remove(job: Job): ImageAction {
    return { type: 'deleteJob', config: this.#observed.config, job }
  }
}

/** Decides on the pods of one stage: one at a time, each attempt after a pause, at most as many as the configuration allows. */
export function decideAttempts(observed: ObservedImage, stage: Stage, nowMs: number): ImageDecision {
  return new Attempts(observed, stage, nowMs).decide()
}
