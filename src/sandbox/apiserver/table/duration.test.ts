import { describe, expect, it } from 'vitest'
import { formatAge, formatDuration } from './duration.ts'

const second = 1000
const minute = 60 * second
const hour = 60 * minute
const day = 24 * hour

const cases: [milliseconds: number, text: string][] = [
  [-5 * second, '<invalid>'],
  [-second, '0s'],
  [0, '0s'],
  [119 * second, '119s'],
  [2 * minute, '2m'],
  [3 * minute + 20 * second, '3m20s'],
  [10 * minute + 5 * second, '10m'],
  [179 * minute, '179m'],
  [3 * hour, '3h'],
  [5 * hour + 7 * minute, '5h7m'],
  [8 * hour + 7 * minute, '8h'],
  [47 * hour, '47h'],
  [2 * day, '2d'],
  [3 * day + 4 * hour, '3d4h'],
  [8 * day + 4 * hour, '8d'],
  [700 * day, '700d'],
  [800 * day, '2y70d'],
  [3000 * day, '8y'],
]

describe('a length of time', () => {
  it.each(cases)('%d ms is %s', (milliseconds, text) => {
    expect(formatDuration(milliseconds)).toBe(text)
  })

  it('since a time that is absent or broken says so', () => {
    expect(formatAge(undefined, 0)).toBe('<unknown>')
    expect(formatAge('yesterday', 0)).toBe('<invalid>')
    expect(formatAge('2026-01-01T00:00:00Z', Date.UTC(2026, 0, 1, 0, 0, 42))).toBe('42s')
  })
})
