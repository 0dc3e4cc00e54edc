import { normalizeKernelVersion, splitKernelVersion } from './kernel-version.ts'
import type { Variables } from './substitution.ts'

/** The Module that a template belongs to. */
export interface ModuleIdentity {
  name: string
  namespace: string
}

/** Variables for image names, in which every kernel value is fit for a tag (upstream: variable substitution; mission). */
export function listImageVariables(kernelVersion: string, module: ModuleIdentity): Variables {
  return listVariables(normalizeKernelVersion(kernelVersion), module)
}

/**
 * Variables for paths in an image. Here the full version is as builds get it in KERNEL_FULL_VERSION, because they made the
 * paths; upstream gave the form for tags, which names no file where the two differ.
 */
export function listPathVariables(kernelVersion: string, module: ModuleIdentity): Variables {
  return listVariables(kernelVersion, module)
}

function listVariables(fullVersion: string, module: ModuleIdentity): Variables {
  const { x, y, z } = splitKernelVersion(fullVersion)
  return new Map([
    ['KERNEL_FULL_VERSION', fullVersion],
    ['KERNEL_VERSION', fullVersion],
    ['KERNEL_XYZ', `${x}.${y}.${z}`],
    ['KERNEL_X', x],
    ['KERNEL_Y', y],
    ['KERNEL_Z', z],
    ['MOD_NAME', module.name],
    ['MOD_NAMESPACE', module.namespace],
  ])
}
