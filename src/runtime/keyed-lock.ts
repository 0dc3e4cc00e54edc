/** Lets one holder at a time work on a key: controllers that share keys share a lock, so that none acts on what another is changing. */
export interface KeyedLock {
  /** Waits for the key, runs `work`, and frees the key however `work` ends. */
  hold<T>(key: string, work: () => Promise<T>): Promise<T>
}

/** Makes a lock; waiting is first come, first served. */
export function createKeyedLock(): KeyedLock {
  const tails = new Map<string, Promise<unknown>>()
  return {
    async hold(key, work) {
      const before = tails.get(key) ?? Promise.resolve()
      const turn = before.then(work, work)
      // The next holder waits for the end of this one, not for its success.
      const tail = turn.catch(() => undefined)
      tails.set(key, tail)
      try {
        return await turn
      } finally {
        if (tails.get(key) === tail) tails.delete(key)
      }
    },
  }
}
