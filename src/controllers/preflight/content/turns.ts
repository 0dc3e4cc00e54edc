import { parseKey } from '../../../kube/object.ts'

/** So much is done at once for a namespace: nobody waits for other people's registries. */
const mostOfNamespace = 2

/** Who works for which namespace, and who waits. Whoever finds it busy goes away, and is woken when its turn may have come. */
export interface Turns {
  /** Does the work unless the namespace of the key is busy. */
  take(key: string, work: () => Promise<void>): Promise<void>
  /** The key does not wait any more. */
  giveUp(key: string): void
}

interface Turn {
  running: number
  waiting: Set<string>
}

/** Makes turns for keys of the form `namespace/name`. */
export function createTurns(wake: (key: string) => void): Turns {
  const namespaces = new Map<string, Turn>()
  const turnOf = (key: string): Turn => {
    const { namespace = '' } = parseKey(key)
    const turn = namespaces.get(namespace) ?? { running: 0, waiting: new Set() }
    namespaces.set(namespace, turn)
    return turn
  }
  const clear = (key: string, { running, waiting }: Turn): void => {
    if (running === 0 && waiting.size === 0) namespaces.delete(parseKey(key).namespace ?? '')
  }
  const callNext = ({ running, waiting }: Turn): void => {
    for (const key of [...waiting].slice(0, mostOfNamespace - running)) {
      waiting.delete(key)
      wake(key)
    }
  }
  return {
    async take(key, work) {
      const turn = turnOf(key)
      if (turn.running >= mostOfNamespace) return void turn.waiting.add(key)
      turn.running += 1
      try {
        await work()
      } finally {
        turn.running -= 1
        callNext(turn)
        clear(key, turn)
      }
    },
    giveUp(key) {
      const turn = turnOf(key)
      turn.waiting.delete(key)
      clear(key, turn)
    },
  }
}
