import type { Controller } from '../cluster/controller.ts'
import { matchesSelector } from '../cluster/node-view.ts'
import type { Module } from '../../api/module.ts'
import { configsByModule } from '../cluster/caches.ts'
import { isSameForNodes } from '../cluster/same-for-nodes.ts'
import { type Action, decide } from './decide.ts'
import { execute, type PlanTools } from './execute.ts'
import { observe, type PlanSources } from './observe.ts'
import type { ObservedPlan } from './observed.ts'

/** Keeps each node's NodeModulesConfig to what the Modules want there; its key is the node. */
export function createPlanController(sources: PlanSources, tools: PlanTools): Controller<ObservedPlan, Action> {
  const { caches } = sources
  const wakeNodesOf = (module: Module, wake: (key: string) => void): void => {
    const selector = module.spec?.selector ?? {}
    for (const node of caches.nodes.list()) if (matchesSelector(node.labels, selector)) wake(node.name)
  }
  const wakeConfigsOf = (key: string, wake: (key: string) => void): void => {
    for (const config of caches.nodeModulesConfigs.byIndex(configsByModule, key)) wake(config.metadata.name)
  }
  return {
    reconciler: {
      name: 'plan',
      observe: (key) => observe(key, sources),
      decide,
      execute: (action, context) => execute(action, tools, context),
    },
    concurrency: 16,
    watch(wake) {
      caches.nodes.onChange(({ key }) => wake(key))
      sources.departed.onForgotten(wake)
      caches.nodeModulesConfigs.onChange(({ key }) => wake(key))
      caches.pods.onChange(({ before, after }) => {
        for (const pod of [before, after]) if (pod?.nodeName) wake(pod.nodeName)
      })
      caches.modules.onChange(({ key, before, after }) => {
        if (before && after && isSameForNodes(before, after)) return
        for (const module of [before, after]) if (module) wakeNodesOf(module, wake)
        wakeConfigsOf(key, wake)
      })
      caches.moduleImagesConfigs.onChange(({ key }) => {
        const [namespace = '', name = ''] = key.split('/')
        const module = caches.modules.get({ namespace, name })
        if (module) wakeNodesOf(module, wake)
      })
    },
  }
}
