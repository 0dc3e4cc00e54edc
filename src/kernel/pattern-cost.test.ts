import fc from 'fast-check'
import { RE2JS, RE2JSException } from 're2js'
import { expect, it } from 'vitest'
import { measureCpuMs } from '../../test/cpu-time.ts'
import { estimatePatternCost, mostPatternCost } from './pattern-cost.ts'

it.each([
  ['^6\\.1\\.0-56-amd64$', 24],
  ['^.+\\.el9_[0-9]+\\.x86_64$', 40],
  ['a{3}', 3],
  ['a{2,3}', 3],
  ['a{3,}', 3],
  ['a{,3}', 5],
  ['(?:ab){10}', 60],
  ['(?:(?:a{10}){10}){10}', 1_500],
  ['(?:abcdefghij)(?i-s){100}', 2_000],
  ['(?:abcdefghij)\\Q\\E{100}', 2_000],
  ['(?:abcdefghij)\\E{100}', 2_000],
  ['[(]{10}', 30],
  ['\\({10}', 20],
  ['\\Q({10}', 7],
])('estimates that %s costs at most %i', (pattern, most) => {
  const cost = estimatePatternCost(pattern)
  expect(cost).toBeLessThanOrEqual(most)
  expect(cost).toBeGreaterThanOrEqual(most / 2)
})

const parts = ['a', '|', '*', '+', '?', '.', '(', '(?:', '(?i)', ')', '{3}', '{2,9}', '{4,}', '{,3}', '[', '[^', ']']
const oddParts = [
  '-',
  '^',
  '$',
  '\\b',
  '\\d',
  '\\pL',
  '\\PL',
  '\\p{Greek}',
  '\\Q',
  '\\E',
  '[[:^alpha:]]',
  '[:',
  ':]',
  'é',
]

it('never takes a pattern for much cheaper than it is', () => {
  fc.assert(
    fc.property(fc.array(fc.constantFrom(...parts, ...oddParts), { maxLength: 14 }), (chosen) => {
      const pattern = chosen.join('')
      try {
        const size = RE2JS.compile(pattern).programSize()
        return size <= 4 * estimatePatternCost(pattern) + 4
      } catch (error) {
        if (error instanceof RE2JSException) return true
        throw error
      }
    }),
    { numRuns: 5_000 },
  )
})

const fill = (length: number, unit: string, head = '', tail = ''): string =>
  head + unit.repeat(Math.floor(length / unit.length)) + tail

const units: [unit: string, head?: string, tail?: string][] = [
  ['a?'],
  ['a{1000}'],
  ['(?:a|b?){500}'],
  ['\\pL{999}'],
  ['[\\pL\\pN\\PM]', '(?i)'],
  ['\\pL', '(?i)[', ']'],
  ['\u0100-\uffff', '(?i)[', ']'],
  ['B-\uffff', '(?i)[^', ']'],
  ['\\x{42}-\\x{10fff0}', '(?i)[', ']'],
  ['\\pL|'],
  ['()'],
  ['(a*)*'],
  ['(a)|'],
  ['(?i)'],
  ['(?:abcdefghij)(?i){1000}'],
]

it.each(units)('lets no pattern of %s pass that takes seconds', async (unit, head, tail) => {
  const costOf = (length: number): number => estimatePatternCost(fill(length, unit, head, tail))
  let length = 64
  while (costOf(length * 2) <= mostPatternCost) length *= 2
  const run = (): void => {
    try {
      RE2JS.compile(fill(length, unit, head, tail)).test('6.1.0-56-amd64')
    } catch (error) {
      if (!(error instanceof RE2JSException)) throw error
    }
  }
  expect(await measureCpuMs(run)).toBeLessThan(10_000)
  expect(costOf(1_400_000)).toBeGreaterThan(mostPatternCost)
})

it.each(['[', '[[:', '\\p{', '\\x{', '\\Q', '\\Q\\E', '(', ')', '{1000}', 'a{1000}', '(?:', '(a{1000}', ')*{99}'])(
  'is itself done in no time with %s',
  async (unit) => {
    const run = (): void => expect(estimatePatternCost(unit.repeat(200_000))).not.toBeNaN()
    expect(await measureCpuMs(run)).toBeLessThan(3_000)
  },
)
