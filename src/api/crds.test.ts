import { describe, expect, it } from 'vitest'
import { customResourceDefinitions } from './crds.ts'
import {
  managedClusterModules,
  moduleImagesConfigs,
  modules,
  nodeModulesConfigs,
  preflightValidations,
} from './resources.ts'
import type { VersionDefinition } from './schema/crd.ts'
import type { StructuralSchema } from './schema/schema.ts'
import { findUnsupportedKeywords } from './schema/structural.ts'

const findVersion = (kind: string, name: string): VersionDefinition => {
  const definition = customResourceDefinitions.find(({ spec }) => spec.names.kind === kind)
  return definition!.spec.versions.find((version) => version.name === name)!
}

/** Follows a path such as `spec.images[].build` through a schema. */
function schemaAt(version: VersionDefinition, path: string): StructuralSchema {
  const steps = path === '' ? [] : path.replaceAll('[]', '.[]').split('.')
  return steps.reduce(
    (schema, step) => (step === '[]' ? schema.items! : schema.properties![step]!),
    version.schema.openAPIV3Schema,
  )
}

const container = 'spec.moduleLoader.container'
const pod = ['container']

/** Upstream's required fields; every other object of KMM's own fields requires nothing. */
const required: [kind: string, version: string, path: string, names: string[] | undefined][] = [
  ['Module', 'v1beta1', '', undefined],
  ['Module', 'v1beta1', 'spec', ['selector']],
  ['Module', 'v1beta1', 'spec.moduleLoader', pod],
  ['Module', 'v1beta1', container, ['kernelMappings', 'modprobe']],
  ['Module', 'v1beta1', `${container}.kernelMappings[]`, ['containerImage']],
  ['Module', 'v1beta1', `${container}.modprobe`, undefined],
  ['Module', 'v1beta1', `${container}.build`, ['dockerfileConfigMap']],
  ['Module', 'v1beta1', `${container}.build.buildArgs[]`, ['name', 'value']],
  ['Module', 'v1beta1', `${container}.sign`, ['certSecret', 'keySecret']],
  ['Module', 'v1beta1', 'spec.devicePlugin', pod],
  ['Module', 'v1beta1', 'spec.devicePlugin.container', ['image']],
  ['Module', 'v1beta1', 'spec.dra', ['container', 'driverName']],
  ['Module', 'v1beta1', 'spec.dra.deviceClasses[]', ['name']],
  ['Module', 'v1beta1', 'spec.dra.deviceClasses[].config[].opaque', ['driver', 'parameters']],
  ['Module', 'v1beta1', 'status', undefined],
  ['Module', 'v1beta1', 'status.moduleLoader', undefined],
  ['ModuleImagesConfig', 'v1beta1', 'spec', undefined],
  ['ModuleImagesConfig', 'v1beta1', 'spec.images[]', ['image', 'kernelVersion']],
  ['ModuleImagesConfig', 'v1beta1', 'status', ['imagesStates']],
  ['ModuleImagesConfig', 'v1beta1', 'status.imagesStates[]', ['image', 'status']],
  ['NodeModulesConfig', 'v1beta1', '', undefined],
  ['NodeModulesConfig', 'v1beta1', 'spec', undefined],
  ['NodeModulesConfig', 'v1beta1', 'spec.modules[]', ['config', 'name', 'namespace', 'serviceAccountName']],
  [
    'NodeModulesConfig',
    'v1beta1',
    'spec.modules[].config',
    ['containerImage', 'insecurePull', 'kernelVersion', 'modprobe'],
  ],
  ['NodeModulesConfig', 'v1beta1', 'status', undefined],
  ['NodeModulesConfig', 'v1beta1', 'status.modules[]', ['name', 'namespace', 'serviceAccountName']],
  ['PreflightValidation', 'v1beta2', '', ['spec']],
  ['PreflightValidation', 'v1beta2', 'spec', ['kernelVersion']],
  ['PreflightValidation', 'v1beta1', 'spec', ['kernelVersion']],
  [
    'PreflightValidation',
    'v1beta2',
    'status.modules[]',
    ['lastTransitionTime', 'name', 'namespace', 'verificationStage', 'verificationStatus'],
  ],
  ['ManagedClusterModule', 'v1beta1', 'spec', ['selector', 'spokeNamespace']],
  ['ManagedClusterModule', 'v1beta1', 'spec.moduleSpec', ['selector']],
]

describe('the CustomResourceDefinitions', () => {
  it.each(required)('require of %s %s at "%s" what upstream requires', (kind, version, path, names) => {
    expect(schemaAt(findVersion(kind, version), path).required).toEqual(names)
  })

  it('stand where the resources say', () => {
    const resources = [modules, nodeModulesConfigs, moduleImagesConfigs, preflightValidations, managedClusterModules]
    const served = customResourceDefinitions.map(({ spec }) => ({
      group: spec.group,
      version: spec.versions.find((version) => version.storage)?.name,
      kind: spec.names.kind,
      plural: spec.names.plural,
      namespaced: spec.scope === 'Namespaced',
    }))
    expect(served).toEqual(resources)
  })

  it.each(
    customResourceDefinitions.flatMap(({ spec }) =>
      spec.versions.map((version) => [spec.names.kind, version] as const),
    ),
  )('of %s has a status subresource, an age, and only what the walker can check', (_kind, version) => {
    expect(version.subresources).toEqual({ status: {} })
    expect(version.additionalPrinterColumns?.at(-1)?.name).toBe('Age')
    expect(findUnsupportedKeywords(version.schema.openAPIV3Schema)).toEqual([])
  })

  it('keep the defaults of upstream', () => {
    const defaults: [string, string, unknown][] = [
      ['Module', `${container}.modprobe.dirName`, '/opt'],
      ['Module', `${container}.imagePullPolicy`, undefined],
      ['ModuleImagesConfig', 'spec.images[].dirName', '/opt'],
      ['ModuleImagesConfig', 'spec.imagePullPolicy', 'IfNotPresent'],
      ['NodeModulesConfig', 'spec.modules[].config.imagePullPolicy', 'IfNotPresent'],
      ['NodeModulesConfig', 'status.modules[].config.modprobe.dirName', '/opt'],
      ['Module', 'spec.imageRepoSecret.name', ''],
    ]
    for (const [kind, path, value] of defaults)
      expect([path, schemaAt(findVersion(kind, 'v1beta1'), path).default]).toEqual([path, value])
  })

  it('keep the rule that a device plugin and a DRA driver exclude each other, also on the hub', () => {
    const rules = [
      {
        rule: '!(has(self.dra) && has(self.devicePlugin))',
        message: 'spec.dra and spec.devicePlugin are mutually exclusive',
      },
    ]
    const key = 'x-kubernetes-validations'
    expect(schemaAt(findVersion('Module', 'v1beta1'), 'spec')[key]).toEqual(rules)
    expect(schemaAt(findVersion('ManagedClusterModule', 'v1beta1'), 'spec.moduleSpec')[key]).toEqual(rules)
  })

  it('do not key lists that upstream does not key', () => {
    const version = findVersion('Module', 'v1beta1')
    for (const path of ['spec.devicePlugin.container.env', 'spec.devicePlugin.volumes', `${container}.kernelMappings`])
      expect(schemaAt(version, path)['x-kubernetes-list-type']).toBeUndefined()
    expect(schemaAt(version, 'spec.devicePlugin.container.resources.claims')['x-kubernetes-list-map-keys']).toEqual([
      'name',
    ])
  })

  it('serve the old version of PreflightValidation through the conversion webhook', () => {
    expect(findVersion('PreflightValidation', 'v1beta1')).toMatchObject({
      served: true,
      storage: false,
      deprecated: true,
    })
    const definition = customResourceDefinitions.find(({ spec }) => spec.names.kind === 'PreflightValidation')
    expect(definition?.spec.conversion).toMatchObject({
      strategy: 'Webhook',
      webhook: { clientConfig: { service: { path: '/convert' } }, conversionReviewVersions: ['v1beta2', 'v1beta1'] },
    })
  })

  it('have the short names of upstream', () => {
    const shortNames = customResourceDefinitions.map(({ spec }) => [spec.names.singular, spec.names.shortNames])
    expect(shortNames).toEqual([
      ['module', undefined],
      ['nodemodulesconfig', ['nmc']],
      ['moduleimagesconfig', ['mic']],
      ['preflightvalidation', ['pfv']],
      ['managedclustermodule', undefined],
    ])
  })
})
