import type { KubeClient } from '../../kube/client.ts'
import type { MappingResolver } from '../../kernel/resolver.ts'
import { keyOf } from '../../kube/object.ts'
import type { Caches } from '../cluster/caches.ts'
import type { Controller } from '../cluster/controller.ts'
import { matchesSelector, type NodeView } from '../cluster/node-view.ts'
import { type Action, decide, type ObservedImages } from './decide.ts'
import { execute } from './execute.ts'
import { observe } from './observe.ts'

function sameForImages(before: NodeView, after: NodeView): boolean {
  return before.kernelVersion === after.kernelVersion && JSON.stringify(before.labels) === JSON.stringify(after.labels)
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
    watch(wake) {
      caches.modules.onChange(({ key }) => wake(key))
      caches.moduleImagesConfigs.onChange(({ key }) => wake(key))
      caches.nodes.onChange(({ before, after }) => {
        if (before && after && sameForImages(before, after)) return
        for (const module of caches.modules.list()) {
          const selector = module.spec?.selector ?? {}
          if ([before, after].some((node) => node && matchesSelector(node.labels, selector))) wake(keyOf(module))
        }
      })
    },
  }
}
