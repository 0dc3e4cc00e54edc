import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { substitute } from './substitution.ts'

const variables = new Map([
  ['FOO', 'foo'],
  ['BAR', 'bar'],
  ['EMPTY', ''],
  ['1ST', 'first'],
  ['größe', 'groß'],
])

describe('substitution', () => {
  it.each([
    ['', ''],
    ['plain text', 'plain text'],
    ['$FOO', 'foo'],
    ['$FOO$BAR', 'foobar'],
    ['${FOO}${BAR}', 'foobar'],
    ['a/$FOO/b', 'a/foo/b'],
    ['${FOO}bar', 'foobar'],
    ['$FOObar', ''],
    ['$FOO-bar', 'foo-bar'],
    ['$1ST ${1ST}', 'first first'],
    ['$größe', 'groß'],
    ['$MISSING|${MISSING}|', '||'],
    ['$EMPTY|${EMPTY}|', '||'],
    ['${MISSING-word}', 'word'],
    ['${MISSING=word}', 'word'],
    ['${EMPTY-word}', ''],
    ['${EMPTY=word}', ''],
    ['${MISSING:-word}', 'word'],
    ['${EMPTY:-word}', 'word'],
    ['${EMPTY:=word}', 'word'],
    ['${FOO-word}${FOO:-word}${FOO:=word}', 'foofoofoo'],
    ['${FOO+word}|${FOO:+word}', 'word|word'],
    ['${MISSING+word}|${MISSING:+word}', '|'],
    ['${EMPTY+word}|${EMPTY:+word}', 'word|word'],
    ['${MISSING:-$BAR}', 'bar'],
    ['${MISSING:-$OTHER}', ''],
    ['${FOO+$BAR}', 'bar'],
    ['${FOO:-}${MISSING:-}', 'foo'],
    ['${URL-http://localhost:8080/a+b=c}', 'http://localhost:8080/a+b=c'],
    ['${MISSING:-a$BAR}', 'a$BAR'],
    ['${FOO!x}', 'foo'],
    ['$$FOO', '$FOO'],
    ['$${FOO}', '${FOO}'],
    ['$$$FOO', '$foo'],
    ['$$', '$'],
    ['$', '$'],
    ['cost: 5$', 'cost: 5$'],
    ['$ $- $/', '$ $- $/'],
    ['$_ ${_} $_x', '$_ ${_} '],
    ['${}', '${}'],
  ])('turns %j into %j', (template, expected) => {
    expect(substitute(template, variables)).toBe(expected)
  })

  it.each(['${', 'a ${FOO', '${FOO:-x', '${FOO\n}'])(
    'refuses %j, whose brace is not closed on its line',
    (template) => {
      expect(() => substitute(template, variables)).toThrow(expect.objectContaining({ code: 'MappingInvalid' }))
    },
  )

  it('does not read the prototype of anything', () => {
    expect(substitute('$constructor${__proto__}$toString', variables)).toBe('')
  })

  it('leaves any text without a dollar sign alone', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        const harmless = text.replaceAll('$', '')
        expect(substitute(harmless, variables)).toBe(harmless)
      }),
    )
  })

  it('keeps any text whose dollar signs are doubled', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        expect(substitute(text.replaceAll('$', '$$$$'), variables)).toBe(text)
      }),
    )
  })

  it('ends with a text or with MappingInvalid, whatever the template is', () => {
    const token = fc.constantFrom('$', '{', '}', ':', '-', '=', '+', '_', 'FOO', 'x', '\n', ' ')
    fc.assert(
      fc.property(fc.array(token), (tokens) => {
        try {
          expect(typeof substitute(tokens.join(''), variables)).toBe('string')
        } catch (error) {
          expect(error).toMatchObject({ code: 'MappingInvalid' })
        }
      }),
      { numRuns: 2_000 },
    )
  })
})
