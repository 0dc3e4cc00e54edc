import type { KernelMapping, Module, ModuleLoaderContainer, ModuleSpec, Sign } from '../../src/api/module.ts'
import { type ModuleRulesOptions, validateModule } from '../../src/webhook/module/validate-module.ts'

export const mapping: KernelMapping = { regexp: '^.+$', containerImage: 'r.example/m:${KERNEL_FULL_VERSION}' }
export const sign: Sign = { keySecret: { name: 'k' }, certSecret: { name: 'c' }, filesToSign: ['/opt/lib/m.ko'] }

/** The path of the module loader's container, and of its first mapping. */
export const container = 'spec.moduleLoader.container'
export const first = `${container}.kernelMappings[0]`

export const text = (length: number): string => 'a'.repeat(length)

function makeContainer(fields: Partial<ModuleLoaderContainer>): ModuleLoaderContainer {
  return { modprobe: { moduleName: 'm', dirName: '/opt' }, kernelMappings: [mapping], ...fields }
}

/** A Module that nothing is wrong with. */
export function makeModule(spec: Partial<ModuleSpec> = {}, metadata: Partial<Module['metadata']> = {}): Module {
  return {
    metadata: { name: 'm', namespace: 'ns', ...metadata },
    spec: { selector: {}, moduleLoader: { container: makeContainer({}) }, ...spec },
  }
}

export const withContainer = (fields: Partial<ModuleLoaderContainer>): Module =>
  makeModule({ moduleLoader: { container: makeContainer(fields) } })
export const withMapping = (...mappings: Partial<KernelMapping>[]): Module =>
  withContainer({ kernelMappings: mappings.map((each) => ({ containerImage: 'r/m:${KERNEL_FULL_VERSION}', ...each })) })
export const withDra = (dra: Partial<NonNullable<ModuleSpec['dra']>>): Module =>
  makeModule({ dra: { container: { image: 'd:1' }, driverName: 'gpu.example.com', ...dra } })
export const withToleration = (toleration: NonNullable<ModuleSpec['tolerations']>[number]): Module =>
  makeModule({ tolerations: [toleration] })
/** Without a module loader: a device plugin alone. */
export const withoutLoader = (spec: Partial<ModuleSpec> = {}): Module => ({
  metadata: { name: 'm', namespace: 'ns' },
  spec: { selector: {}, ...spec },
})

/** A Module and what is known besides: what it replaces, and the cluster. */
export interface Asked extends ModuleRulesOptions {
  module: Module
  old?: Module
}

/** The paths of everything that is wrong with a Module that is created. */
export const judgeModule = (module: Module): string[] => judgeAsked({ module })

/** The same of a Module that may replace another, on a certain cluster. */
export const judgeAsked = ({ module, old, ...options }: Asked): string[] =>
  validateModule(module, old, options).errors.map(({ field }) => field)
