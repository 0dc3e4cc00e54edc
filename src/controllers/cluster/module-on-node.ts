import { sameKernelState } from '../../api/module-config.ts'
import type {
  ModuleConfig,
  NodeModuleItem,
  NodeModulesConfig,
  NodeModuleStatusItem,
  WorkerStatus,
} from '../../api/node-modules-config.ts'
import { cutTrailingPlus } from '../../kernel/kernel-version.ts'
import { type Defined, defined } from './defined.ts'
import type { NodeView } from './node-view.ts'

/** Names a Module. */
export interface ModuleKey {
  namespace: string
  name: string
}

/** What a NodeModulesConfig says of one Module. */
export interface ModuleOnNode {
  /** What the plan wants in the kernel. */
  entry: NodeModuleItem | undefined
  /** What is in the kernel. An empty bootId means that it may be. */
  loaded: NodeModuleStatusItem | undefined
  /** The last failed or waiting worker. */
  reported: WorkerStatus | undefined
}

/** Picks what a NodeModulesConfig says of one Module; absent parts are absent. */
export function findOnNode(
  config: NodeModulesConfig | undefined,
  { namespace, name }: ModuleKey,
): Defined<ModuleOnNode> {
  const isIt = (item: ModuleKey): boolean => item.namespace === namespace && item.name === name
  const { modules, workers } = config?.status ?? {}
  return defined({
    entry: config?.spec?.modules?.find(isIt),
    loaded: modules?.find(isIt),
    reported: workers?.find(isIt),
  })
}

/** True when the status entry is what the plan wants and stems from a report of the node's present boot. */
export function isLoadedAsWanted({ entry, loaded }: Defined<ModuleOnNode>, node: NodeView): boolean {
  if (entry === undefined || loaded?.config === undefined || node.bootId === '') return false
  return loaded.bootId === node.bootId && sameKernelState(entry.config, loaded.config)
}

/** A status entry that says what is loaded; one without configuration (possible upstream) says nothing that could be unloaded. */
export type LoadedItem = NodeModuleStatusItem & { config: ModuleConfig }

/** True where what was loaded in the boot may be in the kernel that runs: another kernel has had a boot of its own. */
function isPresentBoot(bootId: string, { kernelVersion }: ModuleConfig, node: NodeView): boolean {
  if (bootId !== '' && node.bootId !== '') return bootId === node.bootId
  return node.kernelVersion === '' || cutTrailingPlus(kernelVersion) === cutTrailingPlus(node.kernelVersion)
}

/** The status entry, where what it says may be in the running kernel: loaded in this boot, or in one that is not known. */
export function findInKernel(
  { loaded }: Pick<Defined<ModuleOnNode>, 'loaded'>,
  node: NodeView,
): LoadedItem | undefined {
  if (loaded?.config === undefined) return undefined
  const { config, bootId = '' } = loaded
  return isPresentBoot(bootId, config, node) ? { ...loaded, config } : undefined
}
