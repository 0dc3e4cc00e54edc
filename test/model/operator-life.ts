import { parseOperatorConfig } from '../../src/api/operator-config.ts'
import type { Clock } from '../../src/kube/clock.ts'
import { createOperator } from '../../src/main/compose/operator.ts'
import type { Logger } from '../../src/runtime/logger.ts'
import type { Metrics } from '../../src/runtime/metrics.ts'
import { type ClientParts, ModelClient } from './client.ts'
import type { ModelRegistry } from './registry.ts'

/** The namespace that the operator runs in. */
export const operatorNamespace = 'kmm-operator-system'

const nothing = (): void => undefined

const metrics = {
  reconciled: nothing,
  dequeued: nothing,
  watchQueue: nothing,
  requested: nothing,
  watchGauge: nothing,
  jobFailed: nothing,
  leads: nothing,
} as unknown as Metrics

const { config } = parseOperatorConfig('')

/** One life of the operator, from its start until it is killed: the shipped wiring of all controllers. */
export class OperatorLife {
  readonly client: ModelClient
  readonly #parts: ClientParts
  /** Errors that are defects of the product: any of them fails the run. */
  readonly defects: string[] = []
  started = false
  #leads: boolean
  #becomeLeader: () => void = () => undefined

  /** `leads` is false for one that stands by until another one gives up the lease; `onCrash`: it could not start. */
  constructor(parts: ClientParts, registry: ModelRegistry, leads: boolean, onCrash: () => void) {
    this.#parts = parts
    this.#leads = leads
    this.client = new ModelClient(parts)
    this.#live(registry).catch((error: unknown) => {
      parts.trace.say(`    the operator ends: ${String(error)}`)
      this.kill()
      onCrash()
    })
  }

  kill(): void {
    this.client.kill()
  }

  /** True while it may act. */
  get leads(): boolean {
    return this.#leads && !this.client.dead
  }

  /** Has got the lease. */
  lead(): void {
    this.#leads = true
    this.#becomeLeader()
  }

  /** Has lost the lease: begins nothing any more; what is on its way arrives. */
  retire(): void {
    this.#leads = false
  }

  /** Timers die with the process. */
  #clock(): Clock {
    const { time } = this.#parts
    return {
      now: () => time.now(),
      monotonic: () => time.monotonic(),
      setTimeout: (callback, delayMs) =>
        time.setTimeout(() => {
          if (!this.client.dead) callback()
        }, delayMs),
    }
  }

  #logger(): Logger {
    const { trace } = this.#parts
    const say = (fields: object, message: string): void => {
      if (!this.client.dead) trace.say(`    log: ${message} ${JSON.stringify(fields)}`)
    }
    return {
      debug: nothing,
      info: say,
      warn: say,
      error: (fields, message) => {
        say(fields, message)
        if (!this.client.dead) this.defects.push(`${message} ${JSON.stringify(fields)}`)
      },
    }
  }

  async #live(registry: ModelRegistry): Promise<void> {
    const { chance } = this.#parts
    const starting = (): Promise<Awaited<ReturnType<typeof createOperator>>> =>
      createOperator(
        {
          client: this.client,
          config,
          namespace: operatorNamespace,
          workerImage: 'kmm-worker:model',
          builderImage: '',
          temporaryFolder: '',
          clock: this.#clock(),
          random: () => chance.next(),
          logger: this.#logger(),
          metrics,
          openRegistry: registry.open,
        },
        new AbortController().signal,
      )
    const operator = await starting()
    await operator.sync()
    if (!this.#leads) await new Promise<void>((resolve) => (this.#becomeLeader = resolve))
    if (this.client.dead) return
    operator.start(() => this.leads)
    this.started = true
  }
}
