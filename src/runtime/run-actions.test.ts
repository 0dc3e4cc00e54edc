import { describe, expect, it } from 'vitest'
import { runActions } from './run-actions.ts'

interface Trace {
  begun: string[]
  ended: string[]
  /** The most that were under way at once. */
  most: number
}

/** Carries out actions whose first letter is their group, capital letters alone; `!` ends those that fail. */
async function run(actions: readonly string[], mayGoOn: (begun: number) => boolean = () => true) {
  const trace: Trace = { begun: [], ended: [], most: 0 }
  const execute = async (action: string): Promise<void> => {
    trace.begun.push(action)
    trace.most = Math.max(trace.most, trace.begun.length - trace.ended.length)
    await new Promise((resolve) => setImmediate(resolve))
    trace.ended.push(action)
    if (action.endsWith('!')) throw new Error(action)
  }
  const groupOf = ([letter = '']: string): string | undefined => (letter === letter.toUpperCase() ? undefined : letter)
  const answer = await runActions(actions, { execute, groupOf, mayGoOn: () => mayGoOn(trace.begun.length) }).catch(
    (error: unknown) => String(error),
  )
  return { answer, trace }
}

describe('actions of a pass', () => {
  it('follow one another where nothing says that they may not', async () => {
    const { answer, trace } = await run(['A', 'B', 'C'])
    expect(answer).toBe(true)
    expect(trace).toEqual({ begun: ['A', 'B', 'C'], ended: ['A', 'B', 'C'], most: 1 })
  })

  it('go side by side within a group, and a group after the one before', async () => {
    const { trace } = await run(['a1', 'a2', 'b1', 'b2', 'C', 'a3'])
    expect(trace.ended).toEqual(['a1', 'a2', 'b1', 'b2', 'C', 'a3'])
    expect(trace.most).toBe(2)
  })

  it('are never more than sixteen at once', async () => {
    const { trace } = await run(Array.from({ length: 50 }, (_, index) => `a${index}`))
    expect(trace.ended).toHaveLength(50)
    expect(trace.most).toBe(16)
  })

  it('end at the first that fails, after those that are under way', async () => {
    const { answer, trace } = await run(['a1', 'a2!', 'a3', 'B'])
    expect(answer).toBe('Error: a2!')
    expect(trace.ended).toEqual(['a1', 'a2!', 'a3'])
  })

  it('end when they may not go on', async () => {
    const alone = await run(['A', 'B', 'C'], (begun) => begun < 2)
    expect(alone.answer).toBe(false)
    expect(alone.trace.begun).toEqual(['A', 'B'])
    const grouped = await run(
      Array.from({ length: 50 }, (_, index) => `a${index}`),
      (begun) => begun < 20,
    )
    expect(grouped.trace.begun).toHaveLength(20)
  })
})
