import { expect, it } from 'vitest'
import { KmmError } from '../errors/error.ts'
import { parseLabelSelector } from './label-selector.ts'

const labels = { 'x.io/module': 'a', tier: 'gold', empty: '' }

it.each([
  ['', true],
  ['x.io/module', true],
  ['absent', false],
  ['!absent', true],
  ['!tier', false],
  ['tier=gold', true],
  ['tier==gold', true],
  ['tier = silver', false],
  ['tier!=silver', true],
  ['absent!=silver', true],
  ['empty=', true],
  ['tier in (silver, gold)', true],
  ['absent in (gold)', false],
  ['tier notin (silver,gold)', false],
  ['absent notin (gold)', true],
  ['x.io/module, tier in (gold,silver), !absent', true],
  ['x.io/module,tier in (silver,bronze)', false],
])('reads %j', (text, picked) => {
  expect(parseLabelSelector(text)(labels)).toBe(picked)
})

it.each(['tier gold', '!tier=gold', 'tier in gold', 'a=b=c', '=', 'tier in (gold'])('refuses %j', (text) => {
  expect(() => parseLabelSelector(text)).toThrow(KmmError)
})
