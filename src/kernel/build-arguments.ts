import type { BuildArg } from '../api/module.ts'
import { mergeBuildArguments } from './merge.ts'
import type { ModuleIdentity } from './variables.ts'

/**
 * The arguments of a build: the user's, and KMM's own, which win over the user's of the same name (upstream: build arguments injected).
 * MOD_NAME and MOD_NAMESPACE are those of the Module itself, also in a preflight and on a hub.
 */
export function listBuildArguments(
  userArguments: readonly BuildArg[],
  kernelVersion: string,
  module: ModuleIdentity,
): BuildArg[] {
  return mergeBuildArguments(userArguments, [
    { name: 'KERNEL_FULL_VERSION', value: kernelVersion },
    { name: 'KERNEL_VERSION', value: kernelVersion },
    { name: 'MOD_NAME', value: module.name },
    { name: 'MOD_NAMESPACE', value: module.namespace },
  ])
}
