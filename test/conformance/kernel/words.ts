import type { Event as CoreEvent, Pod } from 'kubernetes-types/core/v1.js'
import { resourceTypeLabel } from '../../../src/api/labels.ts'
import type { Module } from '../../../src/api/module.ts'
import { parseWorkerReport, type WorkerReport } from '../../../src/api/worker-report.ts'
import { reportReasons } from '../../../src/errors/reason.ts'
import { parseBuildReport } from '../../../src/image/build-report.ts'
import { parseSignReport } from '../../../src/image/sign-report.ts'
import type { View } from '../../scenario/view.ts'
import type { Json } from '../compare.ts'

/**
 * Only failures of workers, of builds and of signings count: what the operator tells of its own waiting depends on who is
 * faster.
 */
const isFailure = (reason: string | undefined): boolean =>
  [...reportReasons, ...makingFailures].some((each) => each === reason)

const makingFailures = ['BuildFailed', 'SignFailed']

/**
 * A worker that is no longer wanted says this where it is just at work, and nothing between two tries: that, too, depends on
 * who is faster.
 */
const isOfStopped = ({ outcome, message }: WorkerReport): boolean =>
  outcome === 'failed' && message.startsWith('The worker was told to stop')

/** What differs from run to run in any text: the ends of pods' names, digests, hashes in tags, times. */
const random: readonly (readonly [pattern: RegExp, name: string])[] = [
  [/\bdemo-preflight-[0-9a-f]{8}\b/g, 'demo-preflight-HASH'],
  [/\b(demo-(?:preflight-HASH-)?(?:build|sign)-[0-9a-z.-]+)-[0-9a-f]{8}\b/g, '$1-HASH'],
  [/-kmm-unsigned-[0-9a-f]{8}\b/g, '-kmm-unsigned-HASH'],
  [/\bsha256:[0-9a-f]{64}\b/g, 'DIGEST'],
  [/\b\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ/g, 'TIME'],
]

/** What is told of one Module in the course of a scenario, wherever it is told, without what differs from run to run. */
export class Words {
  /** The report of every run of a worker that came to its end, in their order. */
  readonly reports: WorkerReport[] = []
  readonly #namespace: string
  readonly #told = {
    reports: new Set<string>(),
    jobs: new Set<string>(),
    conditions: new Set<string>(),
    events: new Set<string>(),
  }
  readonly #heard = new Set<string>()
  /** The reasons of the events that follow from what builds and signings came to. */
  readonly #endedJobs = new Set<string>()
  readonly #names = new Map<string, string>()

  constructor(namespace: string) {
    this.#namespace = namespace
    this.replace(namespace, 'SCENARIO')
  }

  /** Has every `text` in what is told appear as `name`. */
  replace(text: string, name: string): void {
    this.#names.set(text, name)
  }

  /** Begins to listen. */
  listen({ modules, pods, events }: View): void {
    modules.onChange(({ after }) => {
      if (after?.metadata.namespace === this.#namespace) this.#hearModule(after)
    })
    pods.onChange(({ after }) => {
      if (after?.metadata?.namespace !== this.#namespace) return
      if (after.metadata.labels?.[resourceTypeLabel] !== undefined) return this.#hearJob(after)
      const [{ state, lastState } = {}] = after.status?.containerStatuses ?? []
      for (const { containerID = '', message = '' } of [state?.terminated ?? {}, lastState?.terminated ?? {}])
        this.#hearReport(`${after.metadata.uid} ${containerID}`, message)
    })
    events.onChange(({ after }) => {
      if (after && this.#isAboutModule(after) && (after.type === 'Normal' || isFailure(after.reason)))
        this.#told.events.add(`${after.type} ${after.reason}: ${this.plain(after.message ?? '')}`)
    })
  }

  /** A text without the names of this run. */
  plain(text: string): string {
    const names = [...this.#names].sort(([one], [other]) => other.length - one.length)
    const named = names.reduce((so, [from, to]) => so.replaceAll(from, to), text)
    return random.reduce((so, [pattern, name]) => so.replace(pattern, name), named)
  }

  /** Reports of workers in the order in which they came, the rest sorted. */
  toJson(): Json {
    const { reports, jobs, conditions, events } = this.#told
    return {
      reports: [...reports],
      ...(jobs.size === 0 ? {} : { jobs: [...jobs].sort() }),
      conditions: [...conditions].sort(),
      events: [...events].sort(),
    }
  }

  /** Every worker that ended well has its event, every build and signing that ended, and every failure that a condition told. */
  get hasAllEvents(): boolean {
    const isTold = (reason: string): boolean => [...this.#told.events].some((event) => event.includes(` ${reason}: `))
    const failures = [...this.#told.conditions].map((condition) => condition.slice(0, condition.indexOf(':')))
    const hasDone = (action: 'load' | 'unload'): boolean =>
      this.reports.some((report) => report.action === action && report.outcome === 'ok')
    const isLoadTold = !hasDone('load') || isTold('ModuleLoaded')
    const isUnloadTold = !hasDone('unload') || isTold('ModuleUnloaded')
    return isLoadTold && isUnloadTold && [...this.#endedJobs, ...failures].every(isTold)
  }

  #hearModule({ status }: Module): void {
    const ready = status?.conditions?.find(({ type }) => type === 'Ready')
    if (ready && ready.status !== 'True' && isFailure(ready.reason))
      this.#told.conditions.add(`${ready.reason}: ${this.plain(ready.message)}`)
  }

  #hearReport(run: string, text: string): void {
    const report = parseWorkerReport(text)
    if (!report || isOfStopped(report) || this.#heard.has(run)) return
    this.#heard.add(run)
    const { action, outcome, alreadyLoaded, reason, message, modules } = report
    const loaded = modules.map(({ name, srcversion = 'no srcversion' }) => `${name} ${srcversion}`).join(', ')
    const told = `${action} ${outcome}${alreadyLoaded ? ', loaded already' : ''}: ${reason}: ${this.plain(message)} [${loaded}]`
    this.#told.reports.add(told)
    this.reports.push(report)
  }

  #hearJob({ metadata, status }: Pod): void {
    const { terminated } = status?.containerStatuses?.[0]?.state ?? {}
    const isBuild = metadata?.labels?.[resourceTypeLabel] === 'BuildImage'
    const report = (isBuild ? parseBuildReport : parseSignReport)(terminated?.message ?? '')
    if (report === undefined) return
    const what = isBuild ? 'build' : 'sign'
    this.#told.jobs.add(`${what} ${report.outcome}: ${report.reason}: ${this.plain(report.message)}`)
    this.#endedJobs.add(`${isBuild ? 'Build' : 'Sign'}${report.outcome === 'ok' ? 'Succeeded' : 'Failed'}`)
  }

  #isAboutModule({ metadata, involvedObject }: CoreEvent): boolean {
    if (involvedObject.kind === 'Module') return involvedObject.namespace === this.#namespace
    return metadata.annotations?.['module']?.startsWith(`${this.#namespace}/`) === true
  }
}
