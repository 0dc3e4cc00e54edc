import type { ModuleKey } from './module-on-node.ts'

/** What is said of a Module that left without a deletion being seen: an etcd was restored, somebody took its finalizer off. */
export function describeVanished({ namespace, name }: ModuleKey): string {
  const what = `Module ${namespace}/${name} does not exist, and its deletion was not seen`
  return `${what}; create it again, or delete its entry in the NodeModulesConfig to unload it`
}
