import type { Event as CoreEvent, Node, Pod } from 'kubernetes-types/core/v1.js'
import type { Module } from '../../src/api/module.ts'
import type { ModuleImagesConfig } from '../../src/api/module-images-config.ts'
import type { NodeModulesConfig } from '../../src/api/node-modules-config.ts'
import type { PreflightValidation } from '../../src/api/preflight-validation.ts'
import { moduleImagesConfigs, modules, nodeModulesConfigs, preflightValidations } from '../../src/api/resources.ts'
import type { KubeClient, WatchEvent } from '../../src/kube/client.ts'
import { events, nodes, pods } from '../../src/kube/core-resources.ts'
import type { KubeObject } from '../../src/kube/object.ts'
import { defineResource } from '../../src/kube/resource.ts'
import { createWatchCache, type WatchCache } from '../../src/kube/watch-cache.ts'
import { bindClient } from './late-news.ts'

export const moduleResource = defineResource<Module>(modules)
export const nmcResource = defineResource<NodeModulesConfig>(nodeModulesConfigs)
export const micResource = defineResource<ModuleImagesConfig>(moduleImagesConfigs)
export const preflightResource = defineResource<PreflightValidation>(preflightValidations)

const keep = <T>(object: T): T => object

/** Pods, and the number of the write by which each of them went, by uid: of what is gone a cache tells no more than what it was. */
export interface PodWatch extends WatchCache<Pod, Pod> {
  readonly wentAt: ReadonlyMap<string, number>
}

/** What a test looks at. */
export interface View {
  nodes: WatchCache<Node, Node>
  modules: WatchCache<Module, Module>
  configs: WatchCache<NodeModulesConfig, NodeModulesConfig>
  images: WatchCache<ModuleImagesConfig, ModuleImagesConfig>
  preflights: WatchCache<PreflightValidation, PreflightValidation>
  pods: PodWatch
  events: WatchCache<CoreEvent, CoreEvent>
}

async function* noteDeletions<T extends KubeObject>(
  events: AsyncIterable<WatchEvent<T>>,
  wentAt: Map<string, number>,
): AsyncIterable<WatchEvent<T>> {
  for await (const event of events) {
    if (event.type === 'DELETED') {
      const { uid = '', resourceVersion } = event.object.metadata ?? {}
      wentAt.set(uid, Number(resourceVersion))
    }
    yield event
  }
}

function createPodWatch(client: KubeClient): PodWatch {
  const wentAt = new Map<string, number>()
  const noting: KubeClient = {
    ...bindClient(client),
    watch: (resource, options) => noteDeletions(client.watch(resource, options), wentAt),
  }
  const cache = createWatchCache({ client: noting, onError: () => undefined, resource: pods, trim: keep<Pod> })
  return Object.assign(cache, { wentAt })
}

/** Watches everything that tests look at, whole; `startView` begins. */
export function createView(client: KubeClient): View {
  const options = { client, onError: () => undefined }
  return {
    nodes: createWatchCache({ ...options, resource: nodes, trim: keep<Node> }),
    modules: createWatchCache({ ...options, resource: moduleResource, trim: keep<Module> }),
    configs: createWatchCache({ ...options, resource: nmcResource, trim: keep<NodeModulesConfig> }),
    images: createWatchCache({ ...options, resource: micResource, trim: keep<ModuleImagesConfig> }),
    preflights: createWatchCache({ ...options, resource: preflightResource, trim: keep<PreflightValidation> }),
    pods: createPodWatch(client),
    events: createWatchCache({ ...options, resource: events, trim: keep<CoreEvent> }),
  }
}

/** Starts the watches; resolves when all have been read. */
export async function startView(view: View): Promise<void> {
  for (const cache of Object.values(view)) cache.start()
  await Promise.all(Object.values(view).map((cache) => cache.whenSynced()))
}

export async function stopView(view: View): Promise<void> {
  await Promise.all(Object.values(view).map((cache) => cache.stop()))
}
