/** What has been started, to be stopped in the opposite order, also when the start of something later fails. */
export class StopList {
  readonly #stops: (() => Promise<unknown>)[] = []

  add<T>(started: T, stop: (started: T) => Promise<unknown>): T {
    this.#stops.push(() => stop(started))
    return started
  }

  /** Stops everything, also when something of it fails; fails with the first failure then. */
  async stop(): Promise<void> {
    const failures: unknown[] = []
    for (const stop of this.#stops.splice(0).toReversed()) await stop().catch((error: unknown) => failures.push(error))
    if (failures.length > 0) throw failures[0]
  }
}
