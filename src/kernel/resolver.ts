import type { Module } from '../api/module.ts'
import { compileMatcher, type Matcher } from './mapping.ts'
import { estimatePatternCost, mostPatternCost } from './pattern-cost.ts'
import { resolveMapping, type ResolvedKernel } from './resolve.ts'

/** Resolves mappings and remembers the answers, of errors too. */
export interface MappingResolver {
  /** As resolveMapping; the answer of the same generation of a Module for the same kernel is the same object. */
  resolve(module: Module, kernelVersion: string): ResolvedKernel | undefined
}

/** How much a resolver remembers. */
export interface MappingResolverOptions {
  /** Answers for pairs of Module and kernel; 4,096 by default. */
  mostAnswers?: number
  /** What the compiled patterns may cost together; by default thousands of them as they are in real life, but few large ones. */
  mostPatternCost?: number
}

interface Answer {
  generation: number
  outcome: { resolved: ResolvedKernel | undefined } | { error: unknown }
}

/** Makes a resolver with bounded memory: what was not asked for longest is forgotten first. */
export function createMappingResolver(options: MappingResolverOptions = {}): MappingResolver {
  const answers = createBoundedMap<Answer>(options.mostAnswers ?? 4_096)
  const matchers = createBoundedMap<Matcher>(options.mostPatternCost ?? 8 * mostPatternCost, estimatePatternCost)
  const compile = (pattern: string): Matcher => {
    const known = matchers.get(pattern)
    if (known !== undefined) return known
    const compiled = compileMatcher(pattern)
    matchers.set(pattern, compiled)
    return compiled
  }
  return {
    resolve(module, kernelVersion) {
      const { uid, generation } = module.metadata
      // An object that was never stored can change without a new generation.
      if (uid === undefined || generation === undefined) return resolveMapping(module, kernelVersion, compile)
      const key = `${uid} ${kernelVersion}`
      let answer = answers.get(key)
      if (answer?.generation !== generation) {
        answer = { generation, outcome: attempt(() => resolveMapping(module, kernelVersion, compile)) }
        answers.set(key, answer)
      }
      if ('error' in answer.outcome) throw answer.outcome.error
      return answer.outcome.resolved
    },
  }
}

function attempt(resolve: () => ResolvedKernel | undefined): Answer['outcome'] {
  try {
    return { resolved: resolve() }
  } catch (error) {
    return { error }
  }
}

interface BoundedMap<V> {
  get(key: string): V | undefined
  set(key: string, value: V): void
}

function createBoundedMap<V>(most: number, weigh: (key: string) => number = () => 1): BoundedMap<V> {
  const entries = new Map<string, V>()
  let weight = 0
  const remove = (key: string): void => {
    if (entries.delete(key)) weight -= weigh(key)
  }
  return {
    get(key) {
      const value = entries.get(key)
      if (value === undefined) return undefined
      // Maps keep the order of insertion, so the first key is the one asked for longest ago.
      entries.delete(key)
      entries.set(key, value)
      return value
    },
    set(key, value) {
      remove(key)
      entries.set(key, value)
      weight += weigh(key)
      for (const oldest of entries.keys()) {
        if (weight <= most) return
        remove(oldest)
      }
    },
  }
}
