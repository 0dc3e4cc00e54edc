import { parseKey } from '../../../kube/object.ts'

/** So much is done at once for a namespace: nobody waits for other people's registries. */
const mostOfNamespace = 2
/** And so much in all: the modules of as many images lie on disk meanwhile, one of each in memory. */
const mostOfAll = 3

/** Who works for which namespace, and who waits. Whoever finds it busy goes away, and is woken when its turn may have come. */
export interface Turns {
  /** Does the work unless the namespace of the key, or everybody, is busy. What may wait has its turn after all other work. */
  take(key: string, work: () => Promise<void>, mayWait?: boolean): Promise<void>
  /** The key does not wait any more. */
  giveUp(key: string): void
}

const namespaceOf = (key: string): string => parseKey(key).namespace ?? ''

/** Makes turns for keys of the form `namespace/name`. */
export function createTurns(wake: (key: string) => void): Turns {
  /** How many work, by namespace. */
  const running = new Map<string, number>()
  /** In the order in which they came, with whether they may wait. */
  const waiting = new Map<string, boolean>()
  let all = 0
  const countOf = (key: string): number => running.get(namespaceOf(key)) ?? 0
  const add = (key: string, change: 1 | -1): void => {
    all += change
    const count = countOf(key) + change
    if (count === 0) running.delete(namespaceOf(key))
    else running.set(namespaceOf(key), count)
  }
  const callNext = (): void => {
    const called = new Map<string, number>()
    const order = [...waiting].toSorted(([, left], [, right]) => Number(left) - Number(right)).map(([key]) => key)
    for (const key of order) {
      const [namespace, calls] = [namespaceOf(key), [...called.values()].reduce((sum, each) => sum + each, 0)]
      if (all + calls >= mostOfAll) return
      const ofNamespace = called.get(namespace) ?? 0
      if (countOf(key) + ofNamespace >= mostOfNamespace) continue
      called.set(namespace, ofNamespace + 1)
      waiting.delete(key)
      wake(key)
    }
  }
  return {
    async take(key, work, mayWait = false) {
      if (all >= mostOfAll || countOf(key) >= mostOfNamespace) return void waiting.set(key, mayWait)
      add(key, 1)
      try {
        await work()
      } finally {
        add(key, -1)
        callNext()
      }
    },
    giveUp(key) {
      waiting.delete(key)
    },
  }
}
