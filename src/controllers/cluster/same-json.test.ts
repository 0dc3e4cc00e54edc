import { expect, it } from 'vitest'
import { sameJson } from './same-json.ts'

const rows: [string, unknown, unknown, boolean][] = [
  ['an empty text and nothing', { a: '' }, {}, true],
  ['false and nothing', { a: false }, {}, true],
  ['null and nothing', { a: null }, {}, true],
  ['an empty list and nothing', { a: [] }, {}, true],
  ['an object of zero values and nothing', { a: { b: '', c: false } }, undefined, true],
  ['the order of keys', { a: 1, b: 2 }, { b: 2, a: 1 }, true],
  ['a number and its text', { a: 1 }, { a: '1' }, false],
  ['zero and nothing', { a: 0 }, {}, false],
  ['the order of a list', ['a', 'b'], ['b', 'a'], false],
  ['a longer list', ['a'], ['a', 'b'], false],
  ['a list with an empty item', [''], [], false],
  ['a list and an object', ['a'], { 0: 'a' }, false],
  ['deep differences', { a: [{ b: { c: 1 } }] }, { a: [{ b: { c: 2 } }] }, false],
  ['a selector by a label without a value', { build: { selector: { gpu: '' } } }, { build: {} }, false],
  ['an empty selector and none', { build: { selector: {} } }, { build: {} }, true],
]

it.each(rows)('tells apart what means something else: %s', (_title, left, right, same) => {
  expect([sameJson(left, right), sameJson(right, left)]).toEqual([same, same])
})
