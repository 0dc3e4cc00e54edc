import { spawnSync } from 'node:child_process'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { measureCpuMs } from '../../test/cpu-time.ts'
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
    ['[a\\]b]', ']', true],
    ['[a\\]b]', '\\', false],
    ['[\\a-c]', 'b', true],
    ['[[:digit:]_].ko', '7.ko', true],
    ['[[:digit:]_].ko', '_.ko', true],
    ['[[:digit:]].ko', 'a.ko', false],
    ['[![:digit:]].ko', 'a.ko', true],
    ['[[:alpha:]-]', '-', true],
    ['[[a]', '[', true],
    ['[[.a]', '.', false],
    ['x[[.a]', 'x.', true],
    ['\\*', '*', true],
    ['\\*', 'a', false],
    ['a\\', 'a\\', true],
  ])('"%s" against "%s": %s', (pattern, name, expected) => {
    expect(matches(pattern, name)).toBe(expected)
  })

  const shells = ['dash', 'busybox'].filter((name) => spawnSync(name, ['-c', '']).error === undefined)
  it.runIf(shells.length > 0).each(shells)('means what it means to %s', (shell) => {
    const letters = fc.constantFrom('a', 'b', '1', '*', '?', '[', ']', '!', '-', '\\', '.', '[:digit:]')
    const patterns = fc.sample(fc.array(letters, { minLength: 1, maxLength: 7 }), { numRuns: 400, seed: 7 })
    const names = ['a', 'b', '1', 'ab', 'a1', '1b', 'a.b', '-', ']', '[', '!', 'a]', 'a-b', '*', '\\', 'ba1', '?']
    // What a backslash at the end means is left open by POSIX.
    const wished = patterns.map((parts) => parts.join('')).filter((pattern) => !pattern.endsWith('\\'))
    // In a "case" a pattern is matched as in a path but for the dot at the beginning, with which none of the names begins.
    const script = 'while IFS= read -r p; do for n; do case $n in $p) printf 1;; *) printf 0;; esac; done; echo; done'
    const argv = [...(shell === 'busybox' ? ['ash'] : []), '-c', script, 'sh', ...names]
    const theirs = spawnSync(shell, argv, { input: `${wished.join('\n')}\n` })
      .stdout.toString()
      .trim()
      .split('\n')
    const ours = wished.map((pattern) => names.map((name) => (matches(pattern, name) ? '1' : '0')).join(''))
    const different = wished.filter((_, at) => ours[at] !== theirs[at])
    expect(different).toEqual([])
  })

  it('matches itself when nothing in it is special', () => {
    fc.assert(
      fc.property(fc.stringMatching(/^[a-z0-9_.+-]{1,30}$/), (name) => {
        expect(parseNamePattern(name)).toMatchObject({ isPlain: true, text: name })
        expect(matches(name, name)).toBe(true)
      }),
    )
  })

  it('takes no time to speak of, however many stars it has', async () => {
    const costMs = await measureCpuMs(() => {
      expect(matches('*a'.repeat(100), 'b'.repeat(255))).toBe(false)
      expect(matches('*a'.repeat(50), 'a'.repeat(255))).toBe(true)
    })
    expect(costMs).toBeLessThan(1000)
  })
})
