import type { Module } from '../../api/module.ts'
import { describeError } from '../../errors/error.ts'
import type { ResolvedKernel } from '../../kernel/resolve.ts'
import type { MappingResolver } from '../../kernel/resolver.ts'

/** What a Module's mappings say about a kernel. */
export type MappingAnswer =
  | { kind: 'resolved'; resolved: ResolvedKernel }
  | { kind: 'none' }
  /** A pattern or a variable that cannot be used. */
  | { kind: 'invalid'; message: string }

/** Resolves a Module's mapping for a kernel; an unusable mapping is an answer, not an exception. */
export function answerMapping(resolver: MappingResolver, module: Module, kernelVersion: string): MappingAnswer {
  try {
    const resolved = resolver.resolve(module, kernelVersion)
    return resolved === undefined ? { kind: 'none' } : { kind: 'resolved', resolved }
  } catch (error) {
    return { kind: 'invalid', message: describeError(error) }
  }
}
