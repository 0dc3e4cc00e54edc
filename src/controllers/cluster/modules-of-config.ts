import { parseModuleConfiguredLabel, parseModuleInUseLabel } from '../../api/labels.ts'
import type { NodeModulesConfig } from '../../api/node-modules-config.ts'

/** `namespace/name` of every Module that a NodeModulesConfig names: in its spec, its status or its labels. */
export function modulesOfConfig(config: NodeModulesConfig): string[] {
  const keys = new Set<string>()
  const { modules = [], workers = [] } = config.status ?? {}
  for (const item of [...(config.spec?.modules ?? []), ...modules, ...workers])
    keys.add(`${item.namespace}/${item.name}`)
  for (const label of Object.keys(config.metadata?.labels ?? {})) {
    const module = parseModuleConfiguredLabel(label) ?? parseModuleInUseLabel(label)
    if (module) keys.add(`${module.namespace}/${module.name}`)
  }
  return [...keys]
}
