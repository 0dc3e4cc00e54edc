import type { NodeModulesConfig } from '../../api/node-modules-config.ts'
import { listKernelModules } from './kernel-modules.ts'

type Holders = ReadonlyMap<string, readonly string[]>

/** By the object that the cache holds, which never changes: each Module of each node asks for its node's. */
const remembered = new WeakMap<NodeModulesConfig, Holders>()

function readHolders({ spec, status }: NodeModulesConfig): Holders {
  const holders = new Map<string, string[]>()
  for (const { namespace, name, config } of [...(spec?.modules ?? []), ...(status?.modules ?? [])]) {
    const module = `${namespace}/${name}`
    for (const kernelModule of config ? listKernelModules(config.modprobe) : []) {
      const known = holders.get(kernelModule)
      if (known === undefined) holders.set(kernelModule, [module])
      else if (!known.includes(module)) known.push(module)
    }
  }
  return holders
}

/** The Modules (`namespace/name`) that have a kernel module on a node, by what its NodeModulesConfig plans or knows to be loaded. */
export function findHolders(config: NodeModulesConfig, kernelModule: string): readonly string[] {
  const holders = remembered.get(config) ?? readHolders(config)
  remembered.set(config, holders)
  return holders.get(kernelModule) ?? []
}
