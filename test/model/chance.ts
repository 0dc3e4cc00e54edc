/** Seeded chance: the same seed gives the same answers in the same order. */
export interface Chance {
  /** From 0 (inclusive) to 1. */
  next(): number
  /** A whole number from `low` to `high`, both inclusive. */
  between(low: number, high: number): number
  /** True with this probability. */
  happens(probability: number): boolean
  pick<T>(list: readonly T[]): T
  /** A name of five letters. */
  suffix(): string
  /** A stream of its own: what one part of the world asks for does not shift what another gets. */
  fork(name: string): Chance
}

const letters = 'bcdfghjklmnpqrstvwxz2456789'

function hashText(text: string): number {
  let hash = 2_166_136_261
  for (const character of text) hash = Math.imul(hash ^ (character.codePointAt(0) ?? 0), 16_777_619)
  return hash >>> 0
}

/** Makes the chance of a seed (mulberry32). */
export function createChance(seed: number | string): Chance {
  const start = hashText(String(seed))
  let state = start
  const next = (): number => {
    state = (state + 0x6d_2b_79_f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296
  }
  const between = (low: number, high: number): number => low + Math.floor(next() * (high - low + 1))
  return {
    next,
    between,
    happens: (probability) => next() < probability,
    pick: (list) => {
      if (list.length === 0) throw new Error('there is nothing to pick from')
      return list[between(0, list.length - 1)] as (typeof list)[number]
    },
    suffix: () => Array.from({ length: 5 }, () => letters[between(0, letters.length - 1)]).join(''),
    fork: (name) => createChance(`${start} ${name}`),
  }
}
