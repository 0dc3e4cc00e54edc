import { expect, it } from 'vitest'
import { isSameWish } from './same-wish.ts'

const metadata = { name: 'mod', uid: 'u1', generation: 1, resourceVersion: '1' }
const before = { metadata }

it.each([
  ['a status that was written', { ...metadata, resourceVersion: '2' }, true],
  ['another spec', { ...metadata, generation: 2 }, false],
  ['a deletion', { ...metadata, deletionTimestamp: '2030-01-01T00:00:00Z' }, false],
  ['one that was deleted and made again between two lists', { ...metadata, uid: 'u2' }, false],
])('tells %s', (_what, changed, same) => {
  expect(isSameWish(before, { metadata: changed })).toBe(same)
})

it('is never said of what came or went', () => {
  expect([isSameWish(undefined, before), isSameWish(before, undefined)]).toEqual([false, false])
})
