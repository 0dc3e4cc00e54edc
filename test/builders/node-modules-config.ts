import { getModuleConfiguredLabel, getModuleInUseLabel } from '../../src/api/labels.ts'
import type {
  ModuleConfig,
  NodeModuleItem,
  NodeModulesConfig,
  NodeModuleStatusItem,
  WorkerStatus,
} from '../../src/api/node-modules-config.ts'
import { internalTolerations } from '../../src/controllers/cluster/toleration.ts'

/** What the plan says of the usual Module on the usual node. */
export function buildModuleConfig(changes: Partial<ModuleConfig> = {}): ModuleConfig {
  return {
    kernelVersion: '6.1.0-1-amd64',
    containerImage: 'registry.test/mod:v1',
    imagePullPolicy: '',
    insecurePull: false,
    modprobe: { moduleName: 'mod', dirName: '/opt' },
    ...changes,
  }
}

/** An entry of the plan. */
export function buildItem(changes: Partial<NodeModuleItem> = {}): NodeModuleItem {
  return {
    namespace: 'ns',
    name: 'mod',
    serviceAccountName: 'default',
    tolerations: [...internalTolerations],
    config: buildModuleConfig(),
    ...changes,
  }
}

/** A status entry: loaded in the boot `boot-1`. */
export function buildLoaded(changes: Partial<NodeModuleStatusItem> = {}): NodeModuleStatusItem {
  return { ...buildItem(), bootId: 'boot-1', ...changes }
}

/** What a NodeModulesConfig of a test holds. */
export interface ConfigParts {
  name?: string
  entries?: NodeModuleItem[]
  loaded?: NodeModuleStatusItem[]
  workers?: WorkerStatus[]
  metadata?: Partial<NodeModulesConfig['metadata']>
}

/** A NodeModulesConfig as the plan keeps it: with the labels and the owner that belong to its entries. */
export function buildNodeConfig(parts: ConfigParts = {}): NodeModulesConfig {
  const { name = 'n1', entries = [], loaded = [], workers, metadata } = parts
  const labels: Record<string, string> = {}
  for (const each of entries) labels[getModuleConfiguredLabel(each.namespace, each.name)] = ''
  for (const each of [...entries, ...loaded]) labels[getModuleInUseLabel(each.namespace, each.name)] = ''
  return {
    apiVersion: 'kmm.sigs.x-k8s.io/v1beta1',
    kind: 'NodeModulesConfig',
    metadata: {
      name,
      uid: `uid-config-${name}`,
      resourceVersion: '7',
      labels,
      ownerReferences: [{ apiVersion: 'v1', kind: 'Node', name, uid: `uid-${name}` }],
      ...metadata,
    },
    spec: { modules: entries },
    status: { modules: loaded, ...(workers ? { workers } : {}) },
  }
}
