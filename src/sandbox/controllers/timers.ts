/** Time as the emulated controllers see it; tests bring their own. */
export interface Timers {
  /** Milliseconds since 1970. */
  now(): number
  /** Calls back once after a delay, unless the returned function is called before. */
  schedule(delayMs: number, callback: () => void): () => void
  /** Calls back after what is under way, so that everything that one write causes is one piece of work. */
  soon(callback: () => void): void
}

/** The process's own clock; a waiting timer does not keep the process alive. */
export const systemTimers: Timers = {
  now: () => Date.now(),
  schedule: (delayMs, callback) => {
    const timer = setTimeout(callback, delayMs)
    timer.unref()
    return () => clearTimeout(timer)
  },
  soon: (callback) => void setImmediate(callback),
}
