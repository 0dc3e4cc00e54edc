import type { PreflightValidation, PreflightValidationV1beta1 } from '../../api/preflight-validation.ts'
import { splitKernelVersion } from '../../kernel/kernel-version.ts'
import { KmmError } from '../../errors/error.ts'
import { type Findings, missing, quote, wrong } from '../module/finding.ts'
import { isExempt } from '../module/validate-module.ts'

type AnyPreflight = PreflightValidation | PreflightValidationV1beta1

const path = 'spec.kernelVersion'
const leastParts = 3

/** Upstream's rules for a PreflightValidation of either version. */
export function validatePreflight(object: AnyPreflight, old?: AnyPreflight): Findings {
  if (old !== undefined && isExempt(object, old)) return { errors: [], warnings: [] }
  const { kernelVersion } = object.spec
  if (kernelVersion === '')
    return { errors: [missing(path, 'must not be empty; write the version as uname -r prints it')], warnings: [] }
  if (kernelVersion.split(/[.,-]/).length < leastParts)
    return {
      errors: [
        wrong(path, `${quote(kernelVersion)} is no kernel version: it has at least three parts, as 6.1.0-56-amd64`),
      ],
      warnings: [],
    }
  return { errors: [], warnings: warnOfParts(kernelVersion) }
}

/** A comma separates parts in the rule (upstream), and in no kernel version. */
function warnOfParts(kernelVersion: string): string[] {
  try {
    splitKernelVersion(kernelVersion)
    return []
  } catch (error) {
    if (error instanceof KmmError) return [`${path}: ${error.message}`]
    throw error
  }
}
