import type { Event as CoreEvent, Node, Pod } from 'kubernetes-types/core/v1.js'
import type { Module } from '../../src/api/module.ts'
import type { ModuleImagesConfig } from '../../src/api/module-images-config.ts'
import type { NodeModulesConfig } from '../../src/api/node-modules-config.ts'
import type { PreflightValidation } from '../../src/api/preflight-validation.ts'
import { moduleImagesConfigs, modules, nodeModulesConfigs, preflightValidations } from '../../src/api/resources.ts'
import type { KubeClient } from '../../src/kube/client.ts'
import { events, nodes, pods } from '../../src/kube/core-resources.ts'
import { defineResource } from '../../src/kube/resource.ts'
import { createWatchCache, type WatchCache } from '../../src/kube/watch-cache.ts'

export const moduleResource = defineResource<Module>(modules)
export const nmcResource = defineResource<NodeModulesConfig>(nodeModulesConfigs)
export const micResource = defineResource<ModuleImagesConfig>(moduleImagesConfigs)
export const preflightResource = defineResource<PreflightValidation>(preflightValidations)

const keep = <T>(object: T): T => object

/** What a test looks at. */
export interface View {
  nodes: WatchCache<Node, Node>
  modules: WatchCache<Module, Module>
  configs: WatchCache<NodeModulesConfig, NodeModulesConfig>
  images: WatchCache<ModuleImagesConfig, ModuleImagesConfig>
  preflights: WatchCache<PreflightValidation, PreflightValidation>
  pods: WatchCache<Pod, Pod>
  events: WatchCache<CoreEvent, CoreEvent>
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
    pods: createWatchCache({ ...options, resource: pods, trim: keep<Pod> }),
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
