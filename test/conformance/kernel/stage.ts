import { createView, startView, stopView, type View } from '../../scenario/view.ts'
import type { Target, TargetOperator } from '../target.ts'

/** Where the operator copies firmware to in these scenarios, and what it sets the kernel's firmware path to. */
export const firmwareFolder = '/var/lib/firmware'

const operatorConfig = { worker: { setFirmwareClassPath: firmwareFolder } }

/** A target with an operator and a view of it, on which scenarios are played. */
export class Stage {
  readonly target: Target
  readonly view: View
  #operator: TargetOperator | undefined
  #earlierLog: string[] = []

  private constructor(target: Target) {
    this.target = target
    this.view = createView(target.client)
  }

  static async open(target: Target): Promise<Stage> {
    const stage = new Stage(target)
    await startView(stage.view)
    await stage.startOperator()
    return stage
  }

  /** Everything that its operators have logged. */
  get log(): string[] {
    return [...this.#earlierLog, ...(this.#operator?.log ?? [])]
  }

  /** Starts the operator unless it runs, with more in its configuration than usual if that is given. */
  async startOperator(more: Readonly<Record<string, unknown>> = {}): Promise<void> {
    this.#operator ??= await this.target.startOperator({ config: JSON.stringify({ ...operatorConfig, ...more }) })
  }

  /** Ends the operator in the middle of whatever it does. */
  async killOperator(): Promise<void> {
    const operator = this.#operator
    this.#operator = undefined
    await operator?.kill()
    this.#earlierLog.push(...(operator?.log ?? []))
  }

  /** The target goes on: who has opened it stops it. */
  async close(): Promise<void> {
    await this.#operator?.stop()
    await stopView(this.view)
  }
}
