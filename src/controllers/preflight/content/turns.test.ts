import { describe, expect, it } from 'vitest'
import { createTurns } from './turns.ts'

/** Work that goes on until it is told to end. */
function hold(): { work: () => Promise<void>; end: () => void } {
  let end = (): void => undefined
  const held = new Promise<void>((resolve) => {
    end = resolve
  })
  return { work: () => held, end }
}

describe('turns', () => {
  it('let two keys of a namespace work at once, wake the others one by one, and keep no other namespace waiting', async () => {
    const woken: string[] = []
    const turns = createTurns((key) => void woken.push(key))
    const [first, second, other] = [hold(), hold(), hold()]
    const running = [turns.take('ns/a', first.work), turns.take('ns/b', second.work), turns.take('else/a', other.work)]
    let ran = 0
    const count = (): Promise<void> => Promise.resolve(void ran++)
    for (const key of ['ns/c', 'ns/d', 'ns/e']) await turns.take(key, count)
    expect([ran, woken]).toEqual([0, []])
    turns.giveUp('ns/c')
    first.end()
    await running[0]
    expect(woken).toEqual(['ns/d'])
    await turns.take('ns/d', count)
    expect([ran, woken]).toEqual([1, ['ns/d', 'ns/e']])
    second.end()
    other.end()
    await Promise.all(running)
  })

  it('come also after work that failed', async () => {
    const woken: string[] = []
    const turns = createTurns((key) => void woken.push(key))
    const held = hold()
    const running = turns.take('ns/a', held.work)
    const failing = turns.take('ns/b', async () => {
      await held.work()
      throw new Error('no')
    })
    await turns.take('ns/c', held.work)
    held.end()
    await running
    await expect(failing).rejects.toThrow('no')
    expect(woken).toEqual(['ns/c'])
  })

  it('let three keys work at once over all namespaces, and what may wait comes last', async () => {
    const woken: string[] = []
    const turns = createTurns((key) => void woken.push(key))
    const holds = ['a', 'b', 'c'].map((namespace) => ({ namespace, ...hold() }))
    const running = holds.map(({ namespace, work }) => turns.take(`${namespace}/x`, work))
    let ran = 0
    const count = (): Promise<void> => Promise.resolve(void ran++)
    await turns.take('d/later', count, true)
    await turns.take('d/now', count)
    await turns.take('a/now', count)
    expect(ran).toBe(0)
    for (const [at, { end }] of holds.entries()) {
      end()
      await running[at]
    }
    expect(woken[0]).toBe('d/now')
    expect(woken.toSorted()).toEqual(['a/now', 'd/later', 'd/now'])
  })
})
