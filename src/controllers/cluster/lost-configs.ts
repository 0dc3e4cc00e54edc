import { parseUnloadPolicy } from '../../api/annotations.ts'
import type { Module } from '../../api/module.ts'
import type { NodeModulesConfig, NodeModuleStatusItem } from '../../api/node-modules-config.ts'
import type { Caches } from './caches.ts'
import type { NodeView } from './node-view.ts'

/**
 * NodeModulesConfigs that somebody deleted while modules were loaded on their nodes. Nobody else knows what is in those
 * kernels: without it, what is to go by then, or waits for an image, would stay there for ever.
 */
export interface LostConfigs {
  /** The lost one as it was last seen, its modules as perhaps loaded; undefined once a status stands for it again. */
  find(node: NodeView): NodeModulesConfig | undefined
  /** True for a Module (`namespace/name`) that one of them names: the next one is made from it. */
  names(module: string): boolean
}

const listLoaded = ({ status }: NodeModulesConfig): readonly NodeModuleStatusItem[] => status?.modules ?? []

const listNamed = (config: NodeModulesConfig): readonly { namespace: string; name: string }[] => [
  ...(config.spec?.modules ?? []),
  ...listLoaded(config),
]

const isOwnedBy = ({ metadata }: NodeModulesConfig, nodeUid: string | undefined): boolean =>
  metadata.ownerReferences?.some(({ uid }) => uid === nodeUid) ?? false

const isNeverUnloaded = (module: Module | undefined): boolean =>
  parseUnloadPolicy(module?.metadata.annotations) === 'Never'

function dropModule(config: NodeModulesConfig, { namespace, name }: Module['metadata']): NodeModulesConfig {
  const modules = listLoaded(config).filter((item) => item.namespace !== namespace || item.name !== name)
  return { ...config, status: { ...config.status, modules } }
}

/**
 * What may be in the node's kernel, and may have to be taken out of it. What is never unloaded stays as it was reported: no
 * worker may load anything else beside it.
 */
function listDoubts(
  config: NodeModulesConfig,
  node: NodeView,
  caches: Pick<Caches, 'modules'>,
): NodeModuleStatusItem[] {
  return listLoaded(config)
    .filter(({ bootId = '' }) => bootId === '' || bootId === node.bootId)
    .map((item) => (isNeverUnloaded(caches.modules.get(item)) ? item : { ...item, bootId: '' }))
}

/** Remembers them from what the caches tell. */
export function watchLostConfigs(caches: Pick<Caches, 'nodes' | 'nodeModulesConfigs' | 'modules'>): LostConfigs {
  const lost = new Map<string, NodeModulesConfig>()
  caches.nodeModulesConfigs.onChange(({ key, before, after }) => {
    if (after === undefined && before !== undefined && listLoaded(before).length > 0) {
      // Where the Node went first, its NodeModulesConfig was collected with it, and nothing is lost.
      if (isOwnedBy(before, caches.nodes.get({ name: key })?.uid)) lost.set(key, before)
    } else if (after !== undefined && listLoaded(after).length > 0) lost.delete(key)
  })
  caches.nodes.onChange(({ key, after }) => {
    if (after === undefined) lost.delete(key)
  })
  caches.modules.onChange(({ before, after }) => {
    // Once it is gone, nobody can say any more that it is never to be unloaded.
    if (after !== undefined || before === undefined || !isNeverUnloaded(before)) return
    for (const [key, config] of lost) lost.set(key, dropModule(config, before.metadata))
  })
  const find = (node: NodeView): NodeModulesConfig | undefined => {
    const config = lost.get(node.name)
    if (config === undefined || !isOwnedBy(config, node.uid)) return undefined
    const modules = listDoubts(config, node, caches)
    return modules.length === 0 ? undefined : { ...config, status: { modules } }
  }
  return {
    find,
    names: (module) =>
      [...lost.keys()].some((name) => {
        const node = caches.nodes.get({ name })
        const config = node && find(node)
        return config !== undefined && listNamed(config).some((item) => `${item.namespace}/${item.name}` === module)
      }),
  }
}
