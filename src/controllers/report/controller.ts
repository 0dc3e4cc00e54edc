import type { Controller } from '../cluster/controller.ts'
import { keyOf } from '../../kube/object.ts'
import { modulesOfConfig } from '../cluster/modules-of-config.ts'
import { matchesSelector } from '../cluster/node-view.ts'
import { moduleKeyOfDaemonSet } from '../cluster/caches.ts'
import { type Action, decide } from './decide.ts'
import { execute, type ReportTools } from './execute.ts'
import { observe, type ReportSources } from './observe.ts'
import type { ObservedEmptyNamespace, ObservedReport } from './observed.ts'

/** Tells how each Module stands, and holds and frees its finalizer; its key is the Module. */
export function createReportController(
  sources: ReportSources,
  tools: ReportTools,
): Controller<ObservedReport | ObservedEmptyNamespace, Action> {
  const { caches } = sources
  return {
    reconciler: {
      name: 'report',
      observe: (key) => observe(key, sources),
      decide,
      execute: (action, context) => execute(action, tools, context),
    },
    concurrency: 4,
    watch(wake) {
      caches.modules.onChange(({ key, after }) => {
        if (after === undefined) tools.lastWrites.delete(key)
        wake(key)
      })
      caches.moduleImagesConfigs.onChange(({ key }) => wake(key))
      caches.nodeModulesConfigs.onChange(({ before, after }) => {
        for (const config of [before, after]) if (config) for (const key of modulesOfConfig(config)) wake(key)
      })
      caches.daemonSets.onChange(({ before, after }) => {
        for (const daemonSet of [before, after]) if (daemonSet) wake(moduleKeyOfDaemonSet(daemonSet))
      })
      caches.namespaces.onChange(({ after }) => {
        if (!after) return
        if (after.containsModules) wake(`${after.name}/`)
        for (const module of caches.modules.list()) if (module.metadata.namespace === after.name) wake(keyOf(module))
      })
      caches.nodes.onChange(({ before, after }) => {
        for (const module of caches.modules.list()) {
          const selector = module.spec?.selector ?? {}
          if ([before, after].some((node) => node && matchesSelector(node.labels, selector))) wake(keyOf(module))
        }
      })
    },
  }
}
