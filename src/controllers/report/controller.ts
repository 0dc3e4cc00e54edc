import { isEqualJson } from '../../kube/json.ts'
import type { Controller } from '../cluster/controller.ts'
import type { Module } from '../../api/module.ts'
import type { NodeModulesConfig } from '../../api/node-modules-config.ts'
import { keyOf } from '../../kube/object.ts'
import { modulesOfConfig } from '../cluster/modules-of-config.ts'
import { matchesSelector } from '../cluster/node-view.ts'
import { isPluginPod } from '../cluster/pod-view.ts'
import { listKernelModules } from '../cluster/kernel-modules.ts'
import {
  type Caches,
  configsByModule,
  kernelModulesOf,
  moduleKeyOfDaemonSet,
  moduleKeyOfPod,
  modulesByKernelModule,
} from '../cluster/caches.ts'
import { watchDra } from '../cluster/watch-dra.ts'
import { type Action, decide } from './decide.ts'
import { execute, type ReportTools } from './execute.ts'
import { isSameWish } from '../cluster/same-wish.ts'
import { observe, type ReportSources } from './observe.ts'
import type { ObservedEmptyNamespace, ObservedReport } from './observed.ts'

/** The status is written at most once a second, so it need not be worked out more often. */
const paceMs = 1_000

/** What the operator writes into the status itself asks for nothing new at once. */
function isOwnNews(before: Module | undefined, after: Module | undefined): boolean {
  return isSameWish(before, after) && isEqualJson(before?.metadata.finalizers, after?.metadata.finalizers)
}

/** Calls `nudge` with the Module of each DaemonSet, device plugin and DRA pod that changes. */
function watchPlugins({ daemonSets, pods }: Pick<Caches, 'daemonSets' | 'pods'>, nudge: (key: string) => void): void {
  daemonSets.onChange(({ before, after }) => {
    for (const daemonSet of [before, after]) if (daemonSet) nudge(moduleKeyOfDaemonSet(daemonSet))
  })
  pods.onChange(({ before, after }) => {
    for (const pod of [before, after]) if (pod && isPluginPod(pod)) nudge(moduleKeyOfPod(pod))
  })
}

/** Tells how each Module stands, and holds and frees its finalizer; its key is the Module. */
export function createReportController(
  sources: ReportSources,
  tools: ReportTools,
): Controller<ObservedReport | ObservedEmptyNamespace, Action> {
  const { caches } = sources
  /** What one Module has, another one that asks for it has not. */
  const nudgeAsking = (names: readonly string[], nudge: (key: string) => void): void => {
    for (const name of names) {
      const asking = caches.modules.byIndex(modulesByKernelModule, name)
      if (asking.length > 1) for (const module of asking) nudge(keyOf(module))
    }
  }
  const nudgeRivals = ({ spec, status }: NodeModulesConfig, nudge: (key: string) => void): void => {
    for (const { config } of [...(spec?.modules ?? []), ...(status?.modules ?? [])])
      if (config) nudgeAsking(listKernelModules(config.modprobe), nudge)
  }
  return {
    reconciler: {
      name: 'report',
      observe: (key) => observe(key, sources),
      decide,
      execute: (action, context) => execute(action, tools, context),
    },
    concurrency: 4,
    paceMs,
    watch(wake, nudge) {
      watchDra(caches, nudge)
      sources.refusals.daemonSets.onChange(nudge)
      sources.refusals.deviceClasses.onChange(nudge)
      caches.modules.onChange(({ key, before, after }) => {
        if (after === undefined) tools.lastWrites.delete(key)
        if (isOwnNews(before, after)) return nudge(key)
        wake(key)
        for (const module of [before, after]) if (module) nudgeAsking(kernelModulesOf(module), nudge)
      })
      caches.moduleImagesConfigs.onChange(({ key }) => nudge(key))
      caches.nodeModulesConfigs.onChange(({ before, after }) => {
        for (const config of [before, after]) {
          // The last trace of a Module that is being deleted frees it at once.
          for (const key of config ? modulesOfConfig(config) : [])
            if (caches.nodeModulesConfigs.byIndex(configsByModule, key).length === 0) wake(key)
            else nudge(key)
          if (config) nudgeRivals(config, nudge)
        }
      })
      watchPlugins(caches, nudge)
      caches.namespaces.onChange(({ after }) => {
        if (!after) return
        if (after.containsModules) wake(`${after.name}/`)
        for (const module of caches.modules.list()) if (module.metadata.namespace === after.name) wake(keyOf(module))
      })
      caches.nodes.onChange(({ before, after }) => {
        for (const module of caches.modules.list()) {
          const selector = module.spec?.selector ?? {}
          if ([before, after].some((node) => node && matchesSelector(node.labels, selector))) nudge(keyOf(module))
        }
      })
    },
  }
}
