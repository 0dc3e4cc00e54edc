import { RE2JS, RE2JSException } from 're2js'
import type { KernelMapping } from '../../api/module.ts'

/** The pattern of a mapping: what it matches, or why it is none. A mapping without a pattern has neither. */
export interface CompiledPattern {
  matches?: (text: string) => boolean
  fault?: string
  /** Instructions of the compiled pattern: what compiling cost, and what each match costs for each character. */
  size: number
}

/** About a second of work. The largest Modules of real life need a hundredth of it. */
const mostInstructions = 100_000

/** Compiles the patterns of all mappings, each once, and no more of them than an answer in time allows. */
export function compilePatterns(mappings: readonly KernelMapping[]): CompiledPattern[] {
  let left = mostInstructions
  return mappings.map(({ regexp = '' }) => {
    if (regexp === '') return { size: 0 }
    if (left <= 0) return { fault: 'the patterns before it are too large together', size: 0 }
    const compiled = compile(regexp)
    left -= compiled.size
    return compiled
  })
}

function compile(pattern: string): CompiledPattern {
  try {
    const compiled = RE2JS.compile(pattern)
    return { matches: (text) => compiled.test(text), size: compiled.programSize() }
  } catch (error) {
    if (error instanceof RE2JSException) return { fault: error.message, size: 0 }
    throw error
  }
}
