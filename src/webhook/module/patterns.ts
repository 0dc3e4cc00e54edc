import type { KernelMapping } from '../../api/module.ts'
import { compileMatcher, type Matcher } from '../../kernel/mapping.ts'
import { findPatternFault } from './mappings.ts'
import { quote } from './finding.ts'

/** What a pattern matches that catches everything: kernels of many makes, and texts that are none. */
const probes = [
  '6.1.0-56-amd64',
  '5.14.0-427.13.1.el9_4.x86_64',
  '6.0.15-300.fc37.x86_64',
  '6.8.0-31-generic',
  '5.10.225-213.878.amzn2.aarch64',
  '4.18.0+',
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

/** The matcher of a mapping's pattern; undefined where it has none that works. */
export function compilePattern({ regexp = '' }: KernelMapping): Matcher | undefined {
  return regexp === '' || findPatternFault(regexp) !== undefined ? undefined : compileMatcher(regexp)
}

/** Patterns that cannot match what they look like, and mappings that an earlier one leaves nothing to. */
export function warnOfPatterns(mappings: readonly KernelMapping[], path: string): string[] {
  const matchers = mappings.map(compilePattern)
  return mappings.flatMap((mapping, index) => [
    ...warnOfEscapes(mapping, `${path}[${index}].regexp`),
    ...warnOfShadow({ mappings, matchers, index, path }),
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

interface Mappings {
  mappings: readonly KernelMapping[]
  matchers: readonly (Matcher | undefined)[]
  index: number
  path: string
}

function warnOfShadow({ mappings, matchers, index, path }: Mappings): string[] {
  const mapping = mappings[index] ?? { containerImage: '' }
  const first = mappings.slice(0, index).findIndex((earlier, at) => shadows(earlier, matchers[at], mapping))
  if (first < 0) return []
  return [
    `${path}[${index}]: is never used, because ${path}[${first}] matches its kernels and stands before it; move it up or remove it`,
  ]
}

function shadows(earlier: KernelMapping, matcher: Matcher | undefined, { literal = '', regexp = '' }: KernelMapping) {
  if (literal !== '') return earlier.literal === literal || matcher?.(literal) === true
  if (regexp === '') return false
  return earlier.regexp === regexp || (matcher !== undefined && probes.every(matcher))
}

/**
 * True for a pattern that can match more than one kernel: all but `^` and `$` around characters that stand for themselves. A dot
 * counts as itself, as authors write it in versions.
 */
export function matchesSeveral(pattern: string): boolean {
  return !/^\^(?:[\w.,+~-]|\\[.+~-])+\$$/.test(pattern)
}
