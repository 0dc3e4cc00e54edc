import { describe, expect, it } from 'vitest'
import { parseLabelSelector } from './label-selector.ts'

const cases: [selector: string, labels: Record<string, string>, matches: boolean][] = [
  ['a=b', { a: 'b' }, true],
  ['a=b', { a: 'c' }, false],
  ['a==b', { a: 'b' }, true],
  ['a=', { a: '' }, true],
  ['a=', {}, false],
  ['a!=b', {}, true],
  ['a!=b', { a: 'b' }, false],
  ['a in (b,c)', { a: 'c' }, true],
  ['a in (b, c)', { a: 'd' }, false],
  ['a in (b)', {}, false],
  ['a notin (b,c)', { a: 'c' }, false],
  ['a notin (b)', {}, true],
  ['a', { a: '' }, true],
  ['a', {}, false],
  ['!a', {}, true],
  ['!a', { a: 'b' }, false],
  [' x.io/a = b , !c ', { 'x.io/a': 'b' }, true],
  ['a>3', { a: '4' }, true],
  ['a<3', { a: '4' }, false],
  ['a>3', { a: 'many' }, false],
  ['a=b,c in (d),!e', { a: 'b', c: 'd' }, true],
  ['a=b,c in (d),!e', { a: 'b', c: 'd', e: '' }, false],
]

describe('a label selector', () => {
  it.each(cases)('%s on %j is %s', (selector, labels, matches) => {
    expect(parseLabelSelector(selector)?.(labels)).toBe(matches)
  })

  it('that is empty selects everything', () => {
    expect(parseLabelSelector('')).toBeUndefined()
    expect(parseLabelSelector(null)).toBeUndefined()
  })

  it.each(['a in (x', 'a=b,', '=b', 'a b', 'a in x', 'a>many', 'a=b c', 'a/b/c=d', 'a=-', ')'])(
    '%s is refused',
    (selector) => {
      expect(() => parseLabelSelector(selector)).toThrow(/^(unable to parse requirement: |found ')/)
    },
  )
})
