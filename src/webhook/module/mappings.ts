import { RE2JSException } from 're2js'
import type { KernelMapping, ModuleLoaderContainer } from '../../api/module.ts'
import type { FieldError } from '../../api/schema/field-error.ts'
import { compileMatcher } from '../../kernel/mapping.ts'
import { nonEmpty } from '../../kernel/merge.ts'
import { missing, quote, when, wrong } from './finding.ts'

/** Upstream's Module rule 6, but that both in-tree forms may stand together: see in-tree.ts. */
export function validateMappings(container: ModuleLoaderContainer, path: string): FieldError[] {
  return [
    ...validateImage(container.containerImage, `${path}.containerImage`),
    ...container.kernelMappings.flatMap((mapping, index) =>
      validateMapping(mapping, container, `${path}.kernelMappings[${index}]`),
    ),
  ]
}

/** A pattern of a mapping with what is wrong with it, if it is no RE2 pattern. */
export function findPatternFault(pattern: string): string | undefined {
  try {
    compileMatcher(pattern)
    return undefined
  } catch (error) {
    if (error instanceof RE2JSException) return error.message
    throw error
  }
}

function validateMapping(mapping: KernelMapping, container: ModuleLoaderContainer, path: string): FieldError[] {
  const hasImage = nonEmpty(mapping.containerImage) !== undefined || nonEmpty(container.containerImage) !== undefined
  return [
    ...validateSelection(mapping, path),
    ...when(!hasImage, () => missing(`${path}.containerImage`, "is empty, and so is the container's; set one of them")),
    ...validateImage(mapping.containerImage, `${path}.containerImage`),
  ]
}

function validateSelection({ literal = '', regexp = '' }: KernelMapping, path: string): FieldError[] {
  if (literal !== '' && regexp !== '')
    return [wrong(path, 'has both literal and regexp; write two mappings, or remove one of them')]
  if (literal === '' && regexp === '')
    return [missing(path, 'has neither literal nor regexp; say which kernels it is for')]
  const fault = regexp === '' ? undefined : findPatternFault(regexp)
  return when(fault !== undefined, () =>
    wrong(
      `${path}.regexp`,
      `${quote(regexp)} is not a valid RE2 pattern (${fault}); mind that RE2 has no look-around and no back-references`,
    ),
  )
}

/** As upstream, which a port of the registry satisfies too. */
function validateImage(image: string | undefined, path: string): FieldError[] {
  return when(image !== undefined && image !== '' && !/[:@]/.test(image), () =>
    wrong(path, `${quote(image ?? '')} has neither tag nor digest; write one, as name:tag or name@sha256:…`),
  )
}
