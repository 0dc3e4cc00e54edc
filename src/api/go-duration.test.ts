import { expect, it } from 'vitest'
import { parseGoDuration } from './go-duration.ts'

it.each([
  ['0', 0],
  ['0s', 0],
  ['500ms', 500],
  ['1h30m', 5_400_000],
  ['1.5s', 1500],
  ['.5m', 30_000],
  ['2.s', 2000],
  ['+10s', 10_000],
  ['-1m', -60_000],
  ['1h1m1s1ms', 3_661_001],
  ['250µs', 0.25],
  ['1000000ns', 1],
])('reads %s as Go does', (text, ms) => {
  expect(parseGoDuration(text)).toBeCloseTo(ms, 9)
})

it.each(['', '5', '1d', 's', '1h 30m', '1..5s', '.s', '--1s', '1H', '1e3s', ' 1s'])('refuses "%s"', (text) => {
  expect(parseGoDuration(text)).toBeUndefined()
})
