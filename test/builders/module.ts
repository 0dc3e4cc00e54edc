import { moduleFinalizer } from '../../src/api/finalizers.ts'
import type {
  DevicePlugin,
  DRA,
  KernelMapping,
  Module,
  ModuleLoaderContainer,
  ModuleSpec,
} from '../../src/api/module.ts'

/** What a test's Module has besides, or instead of, the usual. */
export interface ModuleParts {
  namespace?: string
  name?: string
  metadata?: Partial<Module['metadata']>
  spec?: Partial<ModuleSpec>
  container?: Partial<ModuleLoaderContainer>
  status?: Module['status']
}

export const workerSelector = { role: 'worker' }

/** Matches every kernel. */
export const anyKernel: KernelMapping = { regexp: '^.+$', containerImage: 'registry.test/mod:v1' }

/** A Module for nodes with the label `role: worker`: finalizer set, one mapping that matches every kernel. */
export function buildModule(parts: ModuleParts = {}): Module {
  const { namespace = 'ns', name = 'mod', metadata, spec, container, status } = parts
  return {
    apiVersion: 'kmm.sigs.x-k8s.io/v1beta1',
    kind: 'Module',
    metadata: {
      namespace,
      name,
      uid: `uid-${namespace}-${name}`,
      generation: 1,
      resourceVersion: '10',
      finalizers: [moduleFinalizer],
      ...metadata,
    },
    spec: {
      selector: workerSelector,
      moduleLoader: {
        container: { kernelMappings: [anyKernel], modprobe: { moduleName: 'mod', dirName: '/opt' }, ...container },
      },
      ...spec,
    },
    ...(status ? { status } : {}),
  }
}

/** A Module that only runs a device plugin. */
export function buildPluginModule(plugin: Partial<DevicePlugin> = {}, parts: ModuleParts = {}): Module {
  const { moduleLoader: _none, ...spec } = buildModule(parts).spec ?? { selector: {} }
  return {
    ...buildModule(parts),
    spec: { ...spec, devicePlugin: { container: { image: 'registry.test/plugin:v1' }, ...plugin } },
  }
}

/** A Module that loads a module and runs a DRA driver. */
export function buildDraModule(dra: Partial<DRA> = {}, parts: ModuleParts = {}): Module {
  const usual = { container: { image: 'registry.test/driver:v1' }, driverName: 'gpu.example.com' }
  return buildModule({ ...parts, spec: { ...parts.spec, dra: { ...usual, ...dra } } })
}

/** Marks a Module as being deleted. */
export function markDeleted(module: Module, deletionTimestamp = '2030-01-01T00:00:00Z'): Module {
  return { ...module, metadata: { ...module.metadata, deletionTimestamp } }
}
