import type { KernelMapping, ModuleLoaderContainer } from '../../api/module.ts'
import type { FieldError } from '../../api/schema/field-error.ts'
import { nonEmpty } from '../../kernel/merge.ts'
import type { CompiledPattern } from './compiled-patterns.ts'
import { missing, quote, when, wrong } from './finding.ts'

/** Upstream's Module rule 6, but that both in-tree forms may stand together: see in-tree.ts. */
export function validateMappings(
  container: ModuleLoaderContainer,
  patterns: readonly CompiledPattern[],
  path: string,
): FieldError[] {
  return [
    ...validateImage(container.containerImage, `${path}.containerImage`),
    ...container.kernelMappings.flatMap((mapping, index) => {
      const at = `${path}.kernelMappings[${index}]`
      return [
        ...validateSelection(mapping, patterns[index]?.fault, at),
        ...validateMappingImage(mapping, container, at),
      ]
    }),
  ]
}

function validateMappingImage(mapping: KernelMapping, container: ModuleLoaderContainer, path: string): FieldError[] {
  const hasImage = nonEmpty(mapping.containerImage) !== undefined || nonEmpty(container.containerImage) !== undefined
  return [
    ...when(!hasImage, () => missing(`${path}.containerImage`, "is empty, and so is the container's; set one of them")),
    ...validateImage(mapping.containerImage, `${path}.containerImage`),
  ]
}

function validateSelection(
  { literal = '', regexp = '' }: KernelMapping,
  fault: string | undefined,
  path: string,
): FieldError[] {
  if (literal !== '' && regexp !== '')
    return [wrong(path, 'has both literal and regexp; write two mappings, or remove one of them')]
  if (literal === '' && regexp === '')
    return [missing(path, 'has neither literal nor regexp; say which kernels it is for')]
  return when(fault !== undefined, () =>
    wrong(
      `${path}.regexp`,
      `${quote(regexp)} cannot be used (${fault}); it must be an RE2 pattern, which has no look-around and no back-references`,
    ),
  )
}

/** As upstream, which a port of the registry satisfies too. */
function validateImage(image: string | undefined, path: string): FieldError[] {
  return when(image !== undefined && image !== '' && !/[:@]/.test(image), () =>
    wrong(path, `${quote(image ?? '')} has neither tag nor digest; write one, as name:tag or name@sha256:…`),
  )
}
