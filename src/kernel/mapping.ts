import { RE2JS, RE2JSException } from 're2js'
import type { KernelMapping } from '../api/module.ts'
import { KmmError } from '../errors/error.ts'
import { estimatePatternCost, mostPatternCost } from './pattern-cost.ts'

/** Tells whether a text contains a match of one pattern. */
export type Matcher = (text: string) => boolean

/** Makes a matcher of a pattern; may keep matchers. Throws the RE2 library's exception for a broken pattern. */
export type MatcherCompiler = (pattern: string) => Matcher

/** A mapping, and where in the list it stands. */
export interface FoundMapping {
  index: number
  mapping: KernelMapping
}

/**
 * The first mapping that matches the kernel: by its literal, or by its pattern found anywhere in the version (upstream: matching).
 * A broken pattern on the way is an error, MappingInvalid, and is not passed over: what stands behind it might be the wrong image. So
 * are patterns that are too large together, as a hostile Module has them.
 */
export function findMapping(
  mappings: readonly KernelMapping[],
  kernelVersion: string,
  compile: MatcherCompiler = compileMatcher,
): FoundMapping | undefined {
  let cost = 0
  for (const [index, mapping] of mappings.entries()) {
    cost += estimatePatternCost(mapping.regexp ?? '')
    if (cost > mostPatternCost) throw describeTooLarge(index)
    if (matches(mapping, index, kernelVersion, compile)) return { index, mapping }
  }
  return undefined
}

function describeTooLarge(index: number): KmmError {
  return new KmmError(
    `kernelMappings[${index}].regexp cannot be used: it and the patterns before it are too large together; write fewer or simpler ones`,
    { code: 'MappingInvalid', fate: 'terminal' },
  )
}

function matches({ literal, regexp }: KernelMapping, index: number, kernel: string, compile: MatcherCompiler): boolean {
  if (literal !== undefined && literal !== '' && literal === kernel) return true
  if (regexp === undefined || regexp === '') return false
  try {
    return compile(regexp)(kernel)
  } catch (error) {
    if (!(error instanceof RE2JSException)) throw error
    throw new KmmError(
      `kernelMappings[${index}].regexp ${JSON.stringify(regexp)} is not a valid RE2 pattern; correct it, and mind that RE2 has no look-around and no back-references`,
      { code: 'MappingInvalid', fate: 'terminal', cause: error },
    )
  }
}

/** Compiles an RE2 pattern, the language of the Go operator. Throws the library's exception. */
export function compileMatcher(pattern: string): Matcher {
  const compiled = RE2JS.compile(pattern)
  return (text) => compiled.test(text)
}
