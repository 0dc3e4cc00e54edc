/** Lets a number of things happen at once and the rest wait in their order. */
export class Slots {
  #free: number
  readonly #waiting: (() => void)[] = []

  constructor(count: number) {
    this.#free = count
  }

  /** Waits for a slot and takes it; the answer gives it back, once. Whoever's signal is aborted goes on without a slot. */
  async take(signal: AbortSignal): Promise<() => void> {
    if (signal.aborted || !(await this.#wait(signal))) return () => undefined
    let taken = true
    return () => {
      if (taken) this.#give()
      taken = false
    }
  }

  #wait(signal: AbortSignal): Promise<boolean> {
    if (this.#free > 0) {
      this.#free -= 1
      return Promise.resolve(true)
    }
    return new Promise((resolve) => {
      const enter = (): void => {
        signal.removeEventListener('abort', leave)
        resolve(true)
      }
      const leave = (): void => {
        this.#waiting.splice(this.#waiting.indexOf(enter), 1)
        resolve(false)
      }
      this.#waiting.push(enter)
      signal.addEventListener('abort', leave, { once: true })
    })
  }

  #give(): void {
    const next = this.#waiting.shift()
    if (next === undefined) this.#free += 1
    else next()
  }
}
