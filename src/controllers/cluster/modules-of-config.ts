import { parseModuleConfiguredLabel, parseModuleInUseLabel } from '../../api/labels.ts'
import type { NodeModulesConfig } from '../../api/node-modules-config.ts'

interface Named {
  namespace: string
  name: string
}

const formatModule = ({ namespace, name }: Named): string => `${namespace}/${name}`

function listLabelled({ metadata }: NodeModulesConfig): Named[] {
  const labels = Object.keys(metadata.labels ?? {})
  return labels.flatMap((label) => parseModuleConfiguredLabel(label) ?? parseModuleInUseLabel(label) ?? [])
}

/** `namespace/name` of every Module that a NodeModulesConfig names: in its spec, its status or its labels. */
export function modulesOfConfig(config: NodeModulesConfig): string[] {
  const { modules = [], workers = [] } = config.status ?? {}
  const named: Named[] = [...(config.spec?.modules ?? []), ...modules, ...workers, ...listLabelled(config)]
  return [...new Set(named.map(formatModule))]
}
