/** What has been started, to be stopped in the opposite order, also when the start of something later fails. */
export class StopList {
  readonly #stops: (() => Promise<unknown>)[] = []

  add<T>(started: T, stop: (started: T) => Promise<unknown>): T {
    this.#stops.push(() => stop(started))
    return started
  }

  async stop(): Promise<void> {
    for (const stop of this.#stops.splice(0).toReversed()) await stop()
  }
}
