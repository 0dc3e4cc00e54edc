import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { matchesName, parseNamePattern } from './glob.ts'

const matches = (pattern: string, name: string): boolean => matchesName(parseNamePattern(pattern), name)

describe('a pattern for a name', () => {
  it.each([
    ['a.ko', 'a.ko', true],
    ['a.ko', 'ab.ko', false],
    ['*.ko', 'a.ko', true],
    ['*.ko', '.ko', false],
    ['.*', '.ko', true],
    ['*', '', true],
    ['**', 'ab', true],
    ['a*b*c', 'aXbYbc', true],
    ['a*b*c', 'aXbYb', false],
    ['?', 'ä', true],
    ['?', 'ab', false],
    ['?.ko', '..ko', false],
    ['[a-c].ko', 'b.ko', true],
    ['[a-c].ko', 'd.ko', false],
    ['[!a-c].ko', 'd.ko', true],
    ['[^a].ko', 'a.ko', false],
    ['[]a]', ']', true],
    ['[a-]', '-', true],
    ['[a', '[a', true],
    ['\\*', '*', true],
    ['\\*', 'a', false],
    ['a\\', 'a\\', true],
  ])('"%s" against "%s": %s', (pattern, name, expected) => {
    expect(matches(pattern, name)).toBe(expected)
  })

  it('matches itself when nothing in it is special', () => {
    fc.assert(
      fc.property(fc.stringMatching(/^[a-z0-9_.+-]{1,30}$/), (name) => {
        expect(parseNamePattern(name)).toMatchObject({ isPlain: true, text: name })
        expect(matches(name, name)).toBe(true)
      }),
    )
  })

  it('takes no time to speak of, however many stars it has', () => {
    const started = performance.now()
    expect(matches('*a'.repeat(100), 'b'.repeat(255))).toBe(false)
    expect(matches('*a'.repeat(50), 'a'.repeat(255))).toBe(true)
    expect(performance.now() - started).toBeLessThan(1000)
  })
})
