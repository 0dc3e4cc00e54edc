import type { Module } from '../../api/module.ts'
import type { KubeClient } from '../../kube/client.ts'
import type { MappingResolver } from '../../kernel/resolver.ts'
import { keyOf } from '../../kube/object.ts'
import type { Caches } from '../cluster/caches.ts'
import type { Controller } from '../cluster/controller.ts'
import { matchesSelector, type NodeView } from '../cluster/node-view.ts'
import { type Action, decide, type ObservedImages } from './decide.ts'
import { execute } from './execute.ts'
import { observe } from './observe.ts'

/** Nodes come by the thousand when a cluster starts: they are looked at together. */
const paceMs = 200

/** True when a change of a node may change which kernels a Module is wanted for. */
function concerns({ spec }: Module, before: NodeView | undefined, after: NodeView | undefined): boolean {
  const [was, is] = [before, after].map((node) => node && matchesSelector(node.labels, spec?.selector ?? {}))
  if (!was && !is) return false
  return was !== is || before?.kernelVersion !== after?.kernelVersion
}

/** Lists the images that each Module needs for the kernels in the cluster; its key is the Module. */
export function createWantedImagesController(
  caches: Caches,
  resolver: MappingResolver,
  client: KubeClient,
): Controller<ObservedImages, Action> {
  return {
    reconciler: {
      name: 'wanted-images',
      observe: (key) => observe(key, caches, resolver),
      decide,
      execute: (action, context) => execute(action, client, caches, context),
    },
    concurrency: 4,
    paceMs,
    watch(wake, nudge) {
      caches.modules.onChange(({ key }) => wake(key))
      caches.moduleImagesConfigs.onChange(({ key }) => wake(key))
      caches.nodes.onChange(({ before, after }) => {
        for (const module of caches.modules.list()) if (concerns(module, before, after)) nudge(keyOf(module))
      })
    },
  }
}
