/** Open or closed; while it is closed, those who come wait until it opens. */
export class Gate {
  #opened: Promise<void> = Promise.resolve()
  #open: () => void = () => {}

  /** Waits for the gate to be open; also ends, closed, when the signal is aborted. */
  async pass(signal: AbortSignal): Promise<void> {
    if (signal.aborted) return
    let leave = (): void => {}
    const aborted = new Promise<void>((resolve) => {
      leave = resolve
      signal.addEventListener('abort', leave, { once: true })
    })
    await Promise.race([this.#opened, aborted])
    signal.removeEventListener('abort', leave)
  }

  close(): void {
    this.open()
    this.#opened = new Promise((resolve) => {
      this.#open = resolve
    })
  }

  open(): void {
    this.#open()
  }
}
