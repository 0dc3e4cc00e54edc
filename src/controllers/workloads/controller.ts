import { isSameWish } from '../cluster/same-wish.ts'
import { keyOf } from '../../kube/object.ts'
import { moduleKeyOfDaemonSet, moduleKeyOfPod } from '../cluster/caches.ts'
import type { Controller } from '../cluster/controller.ts'
import { matchesSelector } from '../cluster/node-view.ts'
import { pluginOf, pluginRoles } from '../cluster/plugin-role.ts'
import { isPluginPod } from '../cluster/pod-view.ts'
import { watchDra } from '../cluster/watch-dra.ts'
import { type Action, decide } from './decide.ts'
import { execute, type WorkloadsTools } from './execute.ts'
import { observe } from './observe.ts'
import type { ObservedWorkloads } from './observed.ts'

/** A Module's pods and nodes change by the thousand: they are looked at together. */
const paceMs = 200

/** Runs device plugins and DRA drivers, and labels the nodes that they are ready on; its key is the Module. */
export function createWorkloadsController(tools: WorkloadsTools): Controller<ObservedWorkloads, Action> {
  const { caches } = tools
  const { daemonSets, deviceClasses } = tools.refusals
  return {
    reconciler: {
      name: 'workloads',
      observe: (key) => observe(key, tools),
      decide,
      execute: (action, context) => execute(action, tools, context),
      groupOf: ({ type }) => (type === 'labelNode' || type === 'releasePod' ? type : undefined),
    },
    concurrency: 4,
    paceMs,
    watch(wake, nudge) {
      watchDra(caches, nudge)
      // What was refused is to be tried again: nothing else may ever wake the Module.
      for (const each of [daemonSets, deviceClasses]) each.onChange(nudge)
      caches.modules.onChange(({ key, before, after }) => {
        if (after === undefined) for (const each of [daemonSets, deviceClasses]) each.delete(key)
        if (!isSameWish(before, after)) wake(key)
      })
      caches.daemonSets.onChange(({ before, after }) => {
        for (const daemonSet of [before, after]) if (daemonSet) nudge(moduleKeyOfDaemonSet(daemonSet))
      })
      caches.pods.onChange(({ before, after }) => {
        for (const pod of [before, after]) if (pod && isPluginPod(pod)) nudge(moduleKeyOfPod(pod))
      })
      caches.nodes.onChange(({ before, after }) => {
        for (const module of caches.modules.list()) {
          const selector = module.spec?.selector ?? {}
          if (
            pluginRoles.some((role) => pluginOf(module, role)) &&
            [before, after].some((node) => node && matchesSelector(node.labels, selector))
          )
            nudge(keyOf(module))
        }
      })
    },
  }
}
