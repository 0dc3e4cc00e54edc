import type { KernelMapping } from '../../api/module.ts'
import type { CompiledPattern } from './compiled-patterns.ts'
import { quote } from './finding.ts'

/** What a pattern matches that catches everything: kernels of many makes, and texts that are none. */
const probes = [
  '6.1.0-56-amd64',
  '5.14.0-427.13.1.el9_4.x86_64',
  '6.0.15-300.fc37.x86_64',
  '6.8.0-31-generic',
  '5.10.225-213.878.amzn2.aarch64',
  '5.15.167.4-microsoft-standard-WSL2',
  '4.18.0+',
  // The longest that Linux can have.
  `6.1.0-${'~'.repeat(58)}`,
  'a',
  '0',
  'zz zz',
]

const escapeNames: Readonly<Record<string, string>> = {
  a: 'a bell',
  f: 'a form feed',
  n: 'a line break',
  r: 'a carriage return',
  t: 'a tab',
  v: 'a vertical tab',
}

/** Instructions that matches may cost, a text counting as one step: a few seconds at worst. */
const mostWork = 500_000

/** Patterns and literals that cannot match what they look like, and mappings that an earlier one leaves nothing to. */
export function warnOfPatterns(
  mappings: readonly KernelMapping[],
  patterns: readonly CompiledPattern[],
  path: string,
): string[] {
  const shadowed = findShadowed(mappings, patterns)
  return mappings.flatMap((mapping, index) => [
    ...warnOfEscapes(mapping, `${path}[${index}].regexp`),
    ...warnOfPlus(mapping, `${path}[${index}]`),
    ...warnOfShadow(index, shadowed.get(index), path),
  ])
}

/** `\f` before "c37" was meant as `\.f`, or as nothing: no kernel's name has control characters. */
function warnOfEscapes({ regexp = '' }: KernelMapping, path: string): string[] {
  const letters = [...regexp.matchAll(/\\([\s\S])/g)].map(([, letter = '']) => letter)
  return [...new Set(letters)]
    .filter((letter) => Object.hasOwn(escapeNames, letter))
    .map(
      (letter) =>
        `${path}: \\${letter} is ${escapeNames[letter]}, which no kernel version has, so ${quote(regexp)} may match no kernel; write ${letter} or \\.${letter} if you mean the letter`,
    )
}

/** A node's kernel version is compared without its last plus (upstream: input kernel). */
function warnOfPlus({ literal = '', regexp = '' }: KernelMapping, path: string): string[] {
  const why = 'as the + at the end of a kernel version is cut off before it is compared'
  if (literal.endsWith('+'))
    return [`${path}.literal: ${quote(literal)} matches no kernel, ${why}; write ${quote(literal.slice(0, -1))}`]
  return regexp.endsWith('\\+$') ? [`${path}.regexp: ${quote(regexp)} matches no kernel, ${why}; leave the + out`] : []
}

function warnOfShadow(index: number, by: number | undefined, path: string): string[] {
  if (by === undefined) return []
  return [
    `${path}[${index}]: is never used, because ${path}[${by}] matches its kernels and stands before it; move it up or remove it`,
  ]
}

/** Tells which mapping is the first whose pattern takes all kernels of another; undefined where none does. */
function createMatchFinder(mappings: readonly KernelMapping[], patterns: readonly CompiledPattern[]) {
  const literals = mappings.filter(({ literal = '' }) => literal !== '').length
  const work = (literals + probes.length) * patterns.reduce((sum, { size }) => sum + size, 0)
  const matchers = patterns.flatMap(({ matches }, at) => (matches && work <= mostWork ? [{ matches, at }] : []))
  const catchAll = matchers.find(({ matches }) => probes.every(matches))?.at
  return ({ literal = '' }: KernelMapping): number | undefined =>
    literal === '' ? catchAll : matchers.find(({ matches }) => matches(literal))?.at
}

/** Mappings that are never reached, by place, with the place of the one before that takes all of theirs. */
function findShadowed(mappings: readonly KernelMapping[], patterns: readonly CompiledPattern[]): Map<number, number> {
  const findMatch = createMatchFinder(mappings, patterns)
  const shadowed = new Map<number, number>()
  const first = new Map<string, number>()
  for (const [index, mapping] of mappings.entries()) {
    const key = JSON.stringify([mapping.literal ?? '', mapping.regexp ?? ''])
    const same = first.get(key) ?? index
    const by = Math.min(same, findMatch(mapping) ?? index)
    if (by < index) shadowed.set(index, by)
    if (same === index) first.set(key, index)
  }
  return shadowed
}

/**
 * True for a pattern that can match more than one kernel: all but `^` and `$` around characters that stand for themselves. A dot
 * counts as itself, as authors write it in versions.
 */
export function matchesSeveral(pattern: string): boolean {
  return !/^\^(?:[\w.,+~-]|\\[.+~-])+\$$/.test(pattern)
}
