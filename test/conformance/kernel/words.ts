import type { Event as CoreEvent } from 'kubernetes-types/core/v1.js'
import type { Module } from '../../../src/api/module.ts'
import { parseWorkerReport, type WorkerReport } from '../../../src/api/worker-report.ts'
import { reportReasons } from '../../../src/errors/reason.ts'
import type { View } from '../../scenario/view.ts'
import type { Json } from '../compare.ts'

/** Only failures of workers count: what the operator tells of its own waiting depends on who is faster. */
const isOfWorkers = (reason: string | undefined): boolean => reportReasons.some((each) => each === reason)

/** What is told of one Module in the course of a scenario, wherever it is told, without what differs from run to run. */
export class Words {
  /** The report of every run of a worker, in their order. */
  readonly reports: WorkerReport[] = []
  readonly #namespace: string
  readonly #told = { reports: new Set<string>(), conditions: new Set<string>(), events: new Set<string>() }
  readonly #heard = new Set<string>()
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
      const [{ state, lastState } = {}] = after.status?.containerStatuses ?? []
      for (const { containerID = '', message = '' } of [state?.terminated ?? {}, lastState?.terminated ?? {}])
        this.#hearReport(`${after.metadata.uid} ${containerID}`, message)
    })
    events.onChange(({ after }) => {
      if (after && this.#isAboutModule(after) && (after.type === 'Normal' || isOfWorkers(after.reason)))
        this.#told.events.add(`${after.type} ${after.reason}: ${this.plain(after.message ?? '')}`)
    })
  }

  /** A text without the names of this run. */
  plain(text: string): string {
    const names = [...this.#names].sort(([one], [other]) => other.length - one.length)
    return names.reduce((so, [from, to]) => so.replaceAll(from, to), text)
  }

  /** Reports in the order in which they came, the rest sorted. */
  toJson(): Json {
    const { reports, conditions, events } = this.#told
    return { reports: [...reports], conditions: [...conditions].sort(), events: [...events].sort() }
  }

  /** Every worker that ended well has its event, which comes last. */
  get hasAllEvents(): boolean {
    const isTold = (action: 'load' | 'unload', reason: string): boolean =>
      !this.reports.some((report) => report.action === action && report.outcome === 'ok') ||
      [...this.#told.events].some((event) => event.startsWith(`Normal ${reason}:`))
    return isTold('load', 'ModuleLoaded') && isTold('unload', 'ModuleUnloaded')
  }

  #hearModule({ status }: Module): void {
    const ready = status?.conditions?.find(({ type }) => type === 'Ready')
    if (ready && ready.status !== 'True' && isOfWorkers(ready.reason))
      this.#told.conditions.add(`${ready.reason}: ${this.plain(ready.message)}`)
  }

  #hearReport(run: string, text: string): void {
    const report = parseWorkerReport(text)
    if (!report || this.#heard.has(run)) return
    this.#heard.add(run)
    const { action, outcome, alreadyLoaded, reason, message, modules } = report
    const loaded = modules.map(({ name, srcversion = 'no srcversion' }) => `${name} ${srcversion}`).join(', ')
    const told = `${action} ${outcome}${alreadyLoaded ? ', loaded already' : ''}: ${reason}: ${this.plain(message)} [${loaded}]`
    this.#told.reports.add(told)
    this.reports.push(report)
  }

  #isAboutModule({ metadata, involvedObject }: CoreEvent): boolean {
    if (involvedObject.kind === 'Module') return involvedObject.namespace === this.#namespace
    return metadata.annotations?.['module']?.startsWith(`${this.#namespace}/`) === true
  }
}
