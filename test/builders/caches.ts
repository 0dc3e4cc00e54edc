import type { DaemonSet } from 'kubernetes-types/apps/v1.js'
import type { Namespace, Pod } from 'kubernetes-types/core/v1.js'
import type { Module } from '../../src/api/module.ts'
import type { ModuleImagesConfig } from '../../src/api/module-images-config.ts'
import type { NodeModulesConfig } from '../../src/api/node-modules-config.ts'
import type { PreflightValidation } from '../../src/api/preflight-validation.ts'
import type { Caches } from '../../src/controllers/cluster/caches.ts'
import type { NodeView } from '../../src/controllers/cluster/node-view.ts'
import type { DeviceClass } from '../../src/kube/device-class.ts'
import type { Presence } from '../../src/kube/optional-cache.ts'
import type { KubeClient } from '../../src/kube/client.ts'
import { createFakeClock } from '../../src/kube/fake-clock.ts'
import type { DepartedWorkers } from '../../src/controllers/cluster/departed-workers.ts'
import type { LostConfigs } from '../../src/controllers/cluster/lost-configs.ts'
import { createCaches } from '../../src/main/compose/caches.ts'
import { toNode } from './node.ts'

/** The objects of a test's cluster. */
export interface ClusterObjects {
  nodes?: readonly NodeView[]
  modules?: readonly Module[]
  nodeModulesConfigs?: readonly NodeModulesConfig[]
  moduleImagesConfigs?: readonly ModuleImagesConfig[]
  preflightValidations?: readonly PreflightValidation[]
  pods?: readonly Pod[]
  daemonSets?: readonly DaemonSet[]
  namespaces?: readonly Namespace[]
  deviceClasses?: readonly DeviceClass[]
  /** Whether the cluster has DeviceClasses; it has them unless this says otherwise. */
  dra?: Presence
}

/** The operator's real caches, filled by hand: nothing is listed or watched. */
export function fillCaches(objects: ClusterObjects): Caches {
  const nobody = new Proxy({} as KubeClient, {
    get: () => {
      throw new Error('the caches of this test ask nobody')
    },
  })
  const onError = (error: unknown): void => {
    throw error
  }
  const caches = createCaches({ client: nobody, clock: createFakeClock(), random: () => 0.5, onError })
  for (const node of objects.nodes ?? []) caches.nodes.written(toNode(node))
  for (const module of objects.modules ?? []) caches.modules.written(module)
  for (const config of objects.nodeModulesConfigs ?? []) caches.nodeModulesConfigs.written(config)
  for (const images of objects.moduleImagesConfigs ?? []) caches.moduleImagesConfigs.written(images)
  for (const preflight of objects.preflightValidations ?? []) caches.preflightValidations.written(preflight)
  for (const pod of objects.pods ?? []) caches.pods.written(pod)
  for (const daemonSet of objects.daemonSets ?? []) caches.daemonSets.written(daemonSet)
  for (const namespace of objects.namespaces ?? []) caches.namespaces.written(namespace)
  for (const deviceClass of objects.deviceClasses ?? []) caches.deviceClasses.written(deviceClass)
  return { ...caches, deviceClasses: { ...caches.deviceClasses, presence: objects.dra ?? { kind: 'present' } } }
}

/** Nobody has deleted a NodeModulesConfig. */
export const noLostConfigs: LostConfigs = { find: () => undefined, names: () => false }

/** Every worker pod is still there. */
export const noDepartedWorkers: DepartedWorkers = {
  list: () => [],
  forget: () => undefined,
  onForgotten: () => undefined,
}
