import { parseUnloadPolicy, type UnloadPolicy } from '../../api/annotations.ts'
import type { Module } from '../../api/module.ts'
import type { NodeModulesConfig } from '../../api/node-modules-config.ts'
import { isSameForNodes } from '../cluster/same-for-nodes.ts'
import { type Caches, configsByModule } from '../cluster/caches.ts'
import type { Controller } from '../cluster/controller.ts'
import type { Action } from './action.ts'
import { decide } from './decide.ts'
import { execute, type WorkTools } from './execute.ts'
import { nodeOfRefusal, observe, type WorkSources } from './observe.ts'
import type { ObservedNode, ObservedStranded } from './observed.ts'

/** What was refused in a namespace may be accepted now: it is tried at once, however often it was refused. Answers on which nodes. */
function forgetRefusals(namespace: string, refusals: WorkTools['refusals']): string[] {
  const forgotten = [...refusals].filter(([, refusal]) => refusal.podNamespace === namespace).map(([key]) => key)
  for (const key of forgotten) refusals.delete(key)
  return forgotten.map(nodeOfRefusal)
}

/** The nodes whose NodeModulesConfigs name a Module of the namespace: namespaces come and go all the time, and most have none. */
function listNodesOf(namespace: string, { nodeModulesConfigs }: Pick<Caches, 'nodeModulesConfigs'>): string[] {
  const isOfIt = (item: { namespace: string }): boolean => item.namespace === namespace
  const names = ({ spec, status }: NodeModulesConfig): boolean =>
    [spec?.modules, status?.modules, status?.workers].some((items) => items?.some(isOfIt))
  return nodeModulesConfigs
    .list()
    .filter(names)
    .map(({ metadata }) => metadata.name)
}

const policyOf = (module: Module | undefined): UnloadPolicy => parseUnloadPolicy(module?.metadata.annotations)

/** What becomes of a Module that is never unloaded is decided here, too, whatever the plan names. */
function isWatchedClosely(before: Module | undefined, after: Module | undefined): boolean {
  if (before === undefined || after === undefined) return true
  const policies = [policyOf(before), policyOf(after)]
  return policies[0] !== policies[1] || policies.includes('Never')
}

const isNamed = ({ spec }: NodeModulesConfig, key: string): boolean =>
  spec?.modules?.some(({ namespace, name }) => `${namespace}/${name}` === key) ?? false

/** Runs worker pods until each node's kernel has what its NodeModulesConfig says; its key is the node. */
export function createWorkController(
  sources: WorkSources,
  tools: WorkTools,
): Controller<ObservedNode | ObservedStranded, Action> {
  const { caches } = sources
  return {
    reconciler: {
      name: 'work',
      observe: (key) => observe(key, sources),
      decide,
      execute: (action, context) => execute(action, tools, context),
    },
    concurrency: 32,
    watch(wake) {
      caches.nodes.onChange(({ key }) => wake(key))
      sources.departed.onForgotten(wake)
      caches.nodeModulesConfigs.onChange(({ key }) => wake(key))
      caches.pods.onChange(({ before, after }) => {
        for (const pod of [before, after]) if (pod?.nodeName) wake(pod.nodeName)
        if (before !== undefined && before.uid !== after?.uid) tools.madeAtMs.delete(before.uid)
      })
      caches.modules.onChange(({ key, before, after }) => {
        if (before && after && isSameForNodes(before, after)) return
        const isClose = isWatchedClosely(before, after)
        // What the plan names follows the plan; what it does not name goes, or stays, as the Module says.
        for (const config of caches.nodeModulesConfigs.byIndex(configsByModule, key))
          if (isClose || !isNamed(config, key)) wake(config.metadata.name)
      })
      caches.moduleImagesConfigs.onChange(({ key }) => {
        const [namespace = '', name = ''] = key.split('/')
        if (policyOf(caches.modules.get({ namespace, name })) !== 'Never') return
        for (const config of caches.nodeModulesConfigs.byIndex(configsByModule, key)) wake(config.metadata.name)
      })
      caches.namespaces.onChange(({ key, before, after }) => {
        const isNewLevel = before?.podSecurity !== after?.podSecurity
        if (!isNewLevel && before?.terminating === after?.terminating) return
        // A worker may be refused in another namespace than its Module's.
        const refused = isNewLevel ? forgetRefusals(key, tools.refusals) : []
        for (const node of new Set([...refused, ...listNodesOf(key, caches)])) wake(node)
      })
    },
  }
}
