import { defaultDirName } from '../../api/defaults.ts'
import type { ModuleLoaderContainer, Sign } from '../../api/module.ts'
import type { FieldError } from '../../api/schema/field-error.ts'
import { missing, quote, when, wrong } from './finding.ts'

/** Upstream's Module rule 8. A signing that is split between container and mapping must name files in both. */
export function validateSigning(container: ModuleLoaderContainer, path: string): FieldError[] {
  const prefix = `${container.modprobe.dirName ?? defaultDirName}/`
  return [
    ...validateSign(container.sign, `${path}.sign`, prefix),
    ...container.kernelMappings.flatMap(({ sign }, index) =>
      validateSign(sign, `${path}.kernelMappings[${index}].sign`, prefix),
    ),
  ]
}

function validateSign(sign: Sign | undefined, path: string, prefix: string): FieldError[] {
  if (sign === undefined) return []
  const files = sign.filesToSign ?? []
  return [
    ...when(files.length === 0, () =>
      missing(
        `${path}.filesToSign`,
        `must name at least one file, as ${prefix}lib/modules/\${KERNEL_FULL_VERSION}/x.ko`,
      ),
    ),
    ...files.flatMap((file, index) =>
      when(!file.startsWith(prefix), () =>
        wrong(
          `${path}.filesToSign[${index}]`,
          `${quote(file)} must begin with ${quote(prefix)}, the dirName of modprobe: files elsewhere are never loaded`,
        ),
      ),
    ),
  ]
}
