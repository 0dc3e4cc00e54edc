import {
  type Caches,
  configsByModule,
  daemonSetsByModule,
  imagesByModule,
  imagesByPreflight,
  kernelModulesOf,
  deviceClassesByModule,
  moduleKeyOfDaemonSet,
  moduleKeyOfPod,
  modulesByKernelModule,
  nodesByKernel,
  podsByJobType,
  podsByModule,
  podsByNode,
} from '../../controllers/cluster/caches.ts'
import { findModule, findPreflight } from '../../controllers/cluster/images-config.ts'
import { moduleKeyOfDeviceClass } from '../../controllers/cluster/device-class.ts'
import { modulesOfConfig } from '../../controllers/cluster/modules-of-config.ts'
import { trimNamespace } from '../../controllers/cluster/namespace-view.ts'
import { trimNode } from '../../controllers/cluster/node-view.ts'
import { trimPod } from '../../controllers/cluster/pod-view.ts'
import { moduleNameLabel, resourceTypeLabel } from '../../api/labels.ts'
import type { Module } from '../../api/module.ts'
import type { ModuleImagesConfig } from '../../api/module-images-config.ts'
import type { NodeModulesConfig } from '../../api/node-modules-config.ts'
import type { PreflightValidation } from '../../api/preflight-validation.ts'
import { moduleImagesConfigs, modules, nodeModulesConfigs, preflightValidations } from '../../api/resources.ts'
import type { Clock } from '../../kube/clock.ts'
import type { KubeClient } from '../../kube/client.ts'
import { daemonSets, namespaces, nodes, pods } from '../../kube/core-resources.ts'
import { type DeviceClass, deviceClasses } from '../../kube/device-class.ts'
import { findDraAbsence } from '../../kube/dra-support.ts'
import { createOptionalCache } from '../../kube/optional-cache.ts'
import { defineResource } from '../../kube/resource.ts'
import { createWatchCache } from '../../kube/watch-cache.ts'
import { formatKey, type KubeObject } from '../../kube/object.ts'

/** What all caches share. */
export interface CacheOptions {
  client: KubeClient
  clock: Clock
  random: () => number
  onError: (error: unknown) => void
}

/** Drops what nobody reads and what changes without meaning. */
function trimMeta<T extends KubeObject>(object: T): T {
  const metadata = Object.entries(object.metadata ?? {}).filter(([key]) => key !== 'managedFields')
  return { ...object, metadata: Object.fromEntries(metadata) }
}

/** All DeviceClasses, whosesoever: a name that is taken must be seen. */
const createClassCache = (options: CacheOptions) =>
  createOptionalCache({
    ...options,
    resource: deviceClasses,
    findAbsence: (signal) => findDraAbsence(options.client, signal),
    trim: trimMeta<DeviceClass>,
    indexes: { [deviceClassesByModule]: (deviceClass) => [moduleKeyOfDeviceClass(deviceClass) ?? ''] },
  })

function createImagesCache(options: CacheOptions) {
  return createWatchCache({
    ...options,
    resource: defineResource<ModuleImagesConfig>(moduleImagesConfigs),
    trim: trimMeta<ModuleImagesConfig>,
    indexes: {
      [imagesByModule]: (config) => [formatKey(findModule(config))],
      [imagesByPreflight]: (config) => {
        const preflight = findPreflight(config)
        return preflight === undefined ? [] : [preflight.uid]
      },
    },
  })
}

/** Makes every cache of the operator; none is started yet. Pods and DaemonSets are watched by KMM's label only. */
export function createCaches(options: CacheOptions) {
  const ownLabel = moduleNameLabel
  return {
    nodes: createWatchCache({
      ...options,
      resource: nodes,
      trim: trimNode,
      indexes: { [nodesByKernel]: ({ kernelVersion }) => [kernelVersion] },
    }),
    modules: createWatchCache({
      ...options,
      resource: defineResource<Module>(modules),
      trim: trimMeta,
      indexes: { [modulesByKernelModule]: kernelModulesOf },
    }),
    nodeModulesConfigs: createWatchCache({
      ...options,
      resource: defineResource<NodeModulesConfig>(nodeModulesConfigs),
      trim: trimMeta,
      indexes: { [configsByModule]: modulesOfConfig },
    }),
    moduleImagesConfigs: createImagesCache(options),
    preflightValidations: createWatchCache({
      ...options,
      resource: defineResource<PreflightValidation>(preflightValidations),
      trim: trimMeta,
      indexes: {},
    }),
    pods: createWatchCache({
      ...options,
      resource: pods,
      labelSelector: ownLabel,
      trim: trimPod,
      indexes: {
        [podsByNode]: ({ nodeName }) => [nodeName],
        [podsByModule]: (pod) => [moduleKeyOfPod(pod)],
        [podsByJobType]: ({ labels: { [resourceTypeLabel]: type } }) => (type === undefined ? [] : [type]),
      },
    }),
    daemonSets: createWatchCache({
      ...options,
      resource: daemonSets,
      labelSelector: ownLabel,
      trim: trimMeta,
      indexes: { [daemonSetsByModule]: (daemonSet) => [moduleKeyOfDaemonSet(daemonSet)] },
    }),
    namespaces: createWatchCache({ ...options, resource: namespaces, trim: trimNamespace, indexes: {} }),
    deviceClasses: createClassCache(options),
  } satisfies { [K in keyof Caches]: Caches[K] }
}
