import { describe, expect, it } from 'vitest'
import { playSeed } from './run.ts'

const seeds = Array.from({ length: 20 }, (_, index) => 10_001 + index)

describe('random lives of three Modules on four nodes', () => {
  it.each(seeds)('seed %i keeps every rule and comes to rest', async (seed) => {
    const { rule, text, steps } = await playSeed(seed)
    expect({ rule, text, steps }).toMatchObject({ rule: undefined, text: '' })
    expect(steps.length).toBeGreaterThanOrEqual(8)
  })

  it.each([1, 2, 3, 4, 5])('wild seed %i keeps every rule and comes to rest', async (seed) => {
    const { rule, text, steps } = await playSeed(seed, true)
    expect({ rule, text, steps }).toMatchObject({ rule: undefined, text: '' })
  })

  it('are the same for the same seed', async () => {
    const [first, second, other] = [await playSeed(7), await playSeed(7), await playSeed(8)]
    expect(second).toEqual(first)
    expect(other.steps).not.toEqual(first.steps)
  })
})
