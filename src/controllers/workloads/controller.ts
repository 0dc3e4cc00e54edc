import type { KubeClient } from '../../kube/client.ts'
import { keyOf } from '../../kube/object.ts'
import { type Caches, moduleKeyOfDaemonSet, moduleKeyOfPod } from '../cluster/caches.ts'
import type { Controller } from '../cluster/controller.ts'
import { matchesSelector } from '../cluster/node-view.ts'
import { isPluginPod } from '../cluster/pod-view.ts'
import { type Action, decide } from './decide.ts'
import { execute } from './execute.ts'
import { observe } from './observe.ts'
import type { ObservedWorkloads } from './observed.ts'

/** A Module's pods and nodes change by the thousand: they are looked at together. */
const paceMs = 200

/** Runs the device plugins and labels the nodes that they are ready on; its key is the Module. */
export function createWorkloadsController(caches: Caches, client: KubeClient): Controller<ObservedWorkloads, Action> {
  return {
    reconciler: {
      name: 'workloads',
      observe: (key) => observe(key, caches),
      decide,
      execute: (action, context) => execute(action, client, caches, context),
      groupOf: ({ type }) => (type === 'labelNode' || type === 'releasePod' ? type : undefined),
    },
    concurrency: 4,
    paceMs,
    watch(wake, nudge) {
      caches.modules.onChange(({ key, before, after }) => {
        if (
          before?.metadata.generation === after?.metadata.generation &&
          before?.metadata.deletionTimestamp === after?.metadata.deletionTimestamp
        )
          return
        wake(key)
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
            module.spec?.devicePlugin &&
            [before, after].some((node) => node && matchesSelector(node.labels, selector))
          )
            nudge(keyOf(module))
        }
      })
    },
  }
}
