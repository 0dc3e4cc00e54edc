import { RE2JS, RE2JSException } from 're2js'
import type { KernelMapping } from '../../api/module.ts'
import { estimatePatternCost, mostPatternCost } from '../../kernel/pattern-cost.ts'

/** The pattern of a mapping: what it matches, or why it is none. A mapping without a pattern has neither. */
export interface CompiledPattern {
  matches?: (text: string) => boolean
  fault?: string
  /** Instructions of the compiled pattern: what each match costs for each character. */
  size: number
}

/** Compiles the patterns of all mappings, each once, and no more of them than the operator does. */
export function compilePatterns(mappings: readonly KernelMapping[]): CompiledPattern[] {
  let cost = 0
  return mappings.map(({ regexp = '' }) => {
    if (regexp === '') return { size: 0 }
    cost += estimatePatternCost(regexp)
    if (cost > mostPatternCost) return { fault: 'it and the patterns before it are too large together', size: 0 }
    return compile(regexp)
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
