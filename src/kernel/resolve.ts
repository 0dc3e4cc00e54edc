import type { Build, Module, ModuleLoaderContainer, Sign, TLSOptions } from '../api/module.ts'
import { KmmError } from '../errors/error.ts'
import { cutTrailingPlus } from './kernel-version.ts'
import { compileMatcher, findMapping, type FoundMapping, type MatcherCompiler } from './mapping.ts'
import { mergeBuild, mergeInTreeModules, mergeSign, nonEmpty } from './merge.ts'
import { substitute, type Variables } from './substitution.ts'
import { listImageVariables, listPathVariables } from './variables.ts'

/** What a Module means for one kernel. Shared between callers, so nobody changes it. */
export interface ResolvedKernel {
  /** The node's kernel version without one trailing `+`. */
  readonly kernelVersion: string
  /** Place of the mapping in `kernelMappings`. */
  readonly mappingIndex: number
  /** With variables replaced. */
  readonly containerImage: string
  /** Never absent: empty when neither mapping nor container has one. */
  readonly registryTLS: Readonly<TLSOptions>
  /** The list and the single together; empty when there are none. */
  readonly inTreeModulesToRemove: readonly string[]
  /** Merged; its arguments are the user's only (see listBuildArguments). */
  readonly build?: Readonly<Build>
  /** Merged, with variables replaced in `filesToSign` and `unsignedImage`. */
  readonly sign?: Readonly<Sign>
}

/**
 * Finds the mapping for a kernel and everything that follows from it (upstream: kernel mapping resolution).
 *
 * `kernelVersion` is as the node reports it. Undefined means that the Module is not for this kernel: no mapping matches, or it has
 * no moduleLoader. Throws MappingInvalid for a broken pattern, an unclosed variable, no image, or a kernel version of less than three parts.
 */
export function resolveMapping(
  module: Module,
  kernelVersion: string,
  compile: MatcherCompiler = compileMatcher,
): ResolvedKernel | undefined {
  const container = module.spec?.moduleLoader?.container
  if (container === undefined) return undefined
  const kernel = cutTrailingPlus(kernelVersion)
  const found = findMapping(container.kernelMappings, kernel, compile)
  if (found === undefined) return undefined
  const { mapping, index } = found
  const build = mergeBuild(container.build, mapping.build)
  const sign = mergeSign(container.sign, mapping.sign)
  const imageVariables = listImageVariables(kernel, module.metadata)
  return Object.freeze({
    kernelVersion: kernel,
    mappingIndex: index,
    containerImage: resolveImage(container, found, imageVariables),
    registryTLS: mapping.registryTLS ?? container.registryTLS ?? {},
    inTreeModulesToRemove: mergeInTreeModules(container, mapping),
    ...(build === undefined ? {} : { build }),
    ...(sign === undefined
      ? {}
      : { sign: substituteSign(sign, imageVariables, listPathVariables(kernel, module.metadata)) }),
  })
}

function resolveImage(container: ModuleLoaderContainer, found: FoundMapping, variables: Variables): string {
  const template = nonEmpty(found.mapping.containerImage) ?? nonEmpty(container.containerImage)
  if (template === undefined) {
    throw new KmmError(
      `kernelMappings[${found.index}] has no containerImage and the container has none either: set one of them`,
      { code: 'MappingInvalid', fate: 'terminal' },
    )
  }
  return substitute(template, variables)
}

function substituteSign(sign: Sign, imageVariables: Variables, pathVariables: Variables): Sign {
  const result: Sign = { ...sign }
  if (sign.unsignedImage !== undefined) result.unsignedImage = substitute(sign.unsignedImage, imageVariables)
  if (sign.filesToSign !== undefined)
    result.filesToSign = sign.filesToSign.map((file) => substitute(file, pathVariables))
  return result
}
