import type { WatchEvent, WatchOptions } from '../../src/kube/client.ts'
import { KmmError } from '../../src/errors/error.ts'
import { type LabelMatcher, parseLabelSelector } from '../../src/kube/label-selector.ts'
import type { KubeObject } from '../../src/kube/object.ts'
import type { Resource } from '../../src/kube/resource.ts'
import type { StoreEvent } from '../../src/sandbox/apiserver/history.ts'
import type { ClientParts } from './client.ts'

interface Queued {
  atMs: number
  event: WatchEvent<KubeObject>
}

/** What a watch of a selection shows of a change; nothing when the object was and is outside. */
function show({ type, object, before }: StoreEvent, matches: LabelMatcher): WatchEvent<KubeObject> | undefined {
  const is = type !== 'DELETED' && matches(object.metadata.labels ?? {})
  const was = before !== undefined && matches(before.metadata.labels ?? {})
  if (is) return { type: was ? 'MODIFIED' : 'ADDED', object }
  if (!was) return undefined
  const { resourceVersion } = object.metadata
  return {
    type: 'DELETED',
    object: { ...before, metadata: { ...before.metadata, ...(resourceVersion ? { resourceVersion } : {}) } },
  }
}

/** One watch: its events come in order, late, and each kind by itself, so that news of two kinds overtake each other. */
export class ModelWatch {
  readonly #resource: Resource
  readonly #options: WatchOptions
  readonly #parts: ClientParts
  readonly #queue: Queued[] = []
  #lastMs = 0
  #end: 'closed' | 'expired' | 'dead' | 'aborted' | undefined
  #wake: () => void = () => undefined
  #unsubscribe: () => void = () => undefined

  constructor(resource: Resource, options: WatchOptions, parts: ClientParts) {
    this.#resource = resource
    this.#options = options
    this.#parts = parts
  }

  end(how: 'closed' | 'expired' | 'dead'): void {
    this.#end ??= how
    if (how === 'dead') this.#unsubscribe()
    else this.#wake()
  }

  async *open(onEnd: () => void): AsyncGenerator<WatchEvent<KubeObject>, void, undefined> {
    const { store, time, chance } = this.#parts
    const { signal, resourceVersion, timeoutSeconds = 300, onOpen } = this.#options
    const abort = (): void => {
      this.#end ??= 'aborted'
      this.#wake()
    }
    signal.addEventListener('abort', abort, { once: true })
    const timeout = time.setTimeout(() => this.end('closed'), timeoutSeconds * 1000)
    try {
      await new Promise<void>((resolve) => time.setTimeout(resolve, chance.between(1, 20)))
      if (this.#end === 'dead') await new Promise(() => undefined)
      const matches = parseLabelSelector(this.#options.labelSelector ?? '')
      for (const event of store.eventsSince(this.#resource, Number(resourceVersion))) this.#add(event, matches)
      this.#unsubscribe = store.subscribe(this.#resource, (event) => this.#add(event, matches))
      onOpen?.()
      yield* this.#deliver()
    } finally {
      this.#unsubscribe()
      timeout.cancel()
      signal.removeEventListener('abort', abort)
      onEnd()
    }
  }

  async *#deliver(): AsyncGenerator<WatchEvent<KubeObject>, void, undefined> {
    for (;;) {
      if (this.#end === 'closed') return
      if (this.#end === 'expired') throw new KmmError('too old resource version', { code: 'Expired', fate: 'retry' })
      if (this.#end === 'aborted') throw new KmmError('stopped', { code: 'Aborted' })
      const [first] = this.#queue
      if (first !== undefined && first.atMs <= this.#parts.time.now()) {
        this.#queue.shift()
        yield first.event
      } else await this.#wait(first)
    }
  }

  #wait(first: Queued | undefined): Promise<void> {
    const { time } = this.#parts
    return new Promise((resolve) => {
      const timer = first && time.setTimeout(() => resolve(), first.atMs - time.now())
      this.#wake = () => {
        timer?.cancel()
        resolve()
      }
    })
  }

  #add(event: StoreEvent, matches: LabelMatcher): void {
    const shown = show(event, matches)
    if (shown === undefined) return
    const { time, chance, weather } = this.#parts
    const lagMs = chance.between(1, weather.lagMs(this.#resource.plural))
    this.#lastMs = Math.max(this.#lastMs, time.now() + lagMs)
    this.#queue.push({ atMs: this.#lastMs, event: shown })
    if (this.#queue.length === 1) this.#wake()
  }
}
