import { isEqualJson } from '../../kube/json.ts'
import type { Module } from '../../api/module.ts'
import type { KubeClient } from '../../kube/client.ts'
import type { Caches } from '../cluster/caches.ts'
import type { Controller } from '../cluster/controller.ts'
import type { NodeView } from '../cluster/node-view.ts'
import { isSameWish } from '../cluster/same-wish.ts'
import { isPluginPod } from '../cluster/pod-view.ts'
import { type Action, decide } from './decide.ts'
import { execute } from './execute.ts'
import { listVersionedModules, observe } from './observe.ts'
import type { ObservedUpgrade } from './observed.ts'

/** Leads each node from one version of a Module to another, in order; its key is the node. */
export function createUpgradeController(caches: Caches, client: KubeClient): Controller<ObservedUpgrade, Action> {
  const wakeNamed = (nodeName: string, wake: (key: string) => void): void => {
    const node = caches.nodes.get({ name: nodeName })
    if (node !== undefined && listVersionedModules(node).length > 0) wake(nodeName)
  }
  return {
    reconciler: {
      name: 'upgrade',
      observe: (key) => observe(key, caches),
      decide,
      execute: (action, context) => execute(action, client, caches, context),
    },
    concurrency: 8,
    watch(wake) {
      caches.nodes.onChange(({ key }) => wakeNamed(key, wake))
      caches.nodeModulesConfigs.onChange(({ key }) => wakeNamed(key, wake))
      caches.pods.onChange(({ before, after }) => {
        for (const pod of [before, after]) if (pod && isPluginPod(pod)) wakeNamed(pod.nodeName, wake)
      })
      caches.modules.onChange(({ before, after }) => {
        const named = after ?? before
        if (named === undefined || (before && after && isSameForUpgrade(before, after))) return
        const { namespace, name } = named.metadata
        const isNamed = (node: NodeView): boolean =>
          listVersionedModules(node).some((each) => each.namespace === namespace && each.name === name)
        for (const node of caches.nodes.list()) if (isNamed(node)) wake(node.name)
      })
    },
  }
}

/** The annotations have the unload policy. */
const isSameForUpgrade = (before: Module, after: Module): boolean =>
  isSameWish(before, after) && isEqualJson(before.metadata.annotations, after.metadata.annotations)
