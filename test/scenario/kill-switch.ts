import { KmmError } from '../../src/errors/error.ts'
import type { KubeClient } from '../../src/kube/client.ts'

/** At which side of the API server the process dies: the write is served and its answer lost, or it is never sent. */
export type KillMoment = 'after' | 'before'

const died = (): KmmError => new KmmError('the operator is dead', { code: 'Aborted', fate: 'wait' })

/** The write at which an operator dies: the n-th of its kind (`verb resource/subresource`) or, without a kind, of all. */
export interface FatalWrite {
  kind?: string
  occurrence: number
  moment: KillMoment
}

/** Stands between an operator and the API server, and ends the operator's life at one of its writes. */
export class KillSwitch {
  /** The kinds of the writes since it was armed, the fatal one included. */
  writes: string[] = []
  /** Writes that are under way. */
  open = 0
  /** The write at which it died. */
  diedAt: string | undefined
  #fatal: FatalWrite | undefined

  get dead(): boolean {
    return this.diedAt !== undefined
  }

  /** Counts writes from now on; the fatal one is the last thing that happens. */
  arm(fatal: FatalWrite | undefined): void {
    this.writes = []
    this.#fatal = fatal
  }

  /** The client of the operator that may die. What it does after its death reaches nobody, and nothing reaches it. */
  readonly wrap = (client: KubeClient): KubeClient => {
    const read = async <T>(call: () => Promise<T>): Promise<T> => {
      this.#live()
      const answer = await call()
      this.#live()
      return answer
    }
    const write = async <T>(what: string, call: () => Promise<T>): Promise<T> => {
      this.#live()
      this.writes.push(what)
      const isFatal = this.#isFatal(what)
      if (isFatal && this.#fatal?.moment === 'before') this.diedAt = what
      this.#live()
      this.open++
      const answer = await call().finally(() => {
        this.open--
        if (isFatal) this.diedAt = what
      })
      this.#live()
      return answer
    }
    const sub = (options?: { subresource?: string }): string => (options?.subresource ? `/${options.subresource}` : '')
    return {
      get: (...args) => read(() => client.get(...args)),
      list: (...args) => read(() => client.list(...args)),
      getRaw: (...args) => read(() => client.getRaw(...args)),
      watch: (...args) => client.watch(...args),
      create: (resource, object, options) =>
        write(`create ${resource.plural}`, () => client.create(resource, object, options)),
      replace: (resource, object, options) =>
        write(`update ${resource.plural}${sub(options)}`, () => client.replace(resource, object, options)),
      patch: (resource, key, patch, options) =>
        write(`patch ${resource.plural}${sub(options)}`, () => client.patch(resource, key, patch, options)),
      delete: (resource, key, options) =>
        write(`delete ${resource.plural}`, () => client.delete(resource, key, options)),
    }
  }

  #isFatal(what: string): boolean {
    if (this.#fatal === undefined) return false
    const { kind, occurrence } = this.#fatal
    const counted = this.writes.filter((each) => kind === undefined || each === kind)
    return (kind ?? what) === what && counted.length === occurrence
  }

  #live(): void {
    if (this.dead) throw died()
  }
}
