import type { ApiObject } from './object.ts'
import { expired } from './status-error.ts'

/** One change of one object. `before` is absent on ADDED; on DELETED `object` is the last state with the delete's resourceVersion. */
export interface StoreEvent {
  type: 'ADDED' | 'MODIFIED' | 'DELETED'
  object: ApiObject
  before?: ApiObject
  resourceVersion: number
}

/** The last changes of one kind: what a watch can start from. */
export class History {
  #events: StoreEvent[] = []
  readonly #size: number
  /** The newest resourceVersion that has been dropped. */
  #dropped: number

  constructor(size: number, startedAt: number) {
    this.#size = size
    this.#dropped = startedAt
  }

  push(event: StoreEvent): void {
    this.#events.push(event)
    // Cut half at a time, so that keeping the window costs nothing per event.
    if (this.#events.length >= this.#size * 2) this.cut(this.#size)
  }

  /** Keeps only the newest `size` events, as a compaction does. */
  cut(size: number): void {
    const removed = this.#events.splice(0, Math.max(0, this.#events.length - size))
    this.#dropped = removed.at(-1)?.resourceVersion ?? this.#dropped
  }

  /** The events after a resourceVersion; 410 Expired when some of them are gone. */
  since(resourceVersion: number): StoreEvent[] {
    if (resourceVersion < this.#dropped) {
      throw expired(`too old resource version: ${resourceVersion} (${this.#dropped + 1})`)
    }
    return this.#events.slice(this.#firstAfter(resourceVersion))
  }

  #firstAfter(resourceVersion: number): number {
    let low = 0
    let high = this.#events.length
    while (low < high) {
      const middle = (low + high) >> 1
      if ((this.#events[middle]?.resourceVersion ?? 0) <= resourceVersion) low = middle + 1
      else high = middle
    }
    return low
  }
}
