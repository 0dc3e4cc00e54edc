/** Where the API serves a kind of object. */
export interface ResourceName {
  group: string
  version: string
  kind: string
  plural: string
  namespaced: boolean
}

export const kmmGroup = 'kmm.sigs.x-k8s.io'
export const hubGroup = 'hub.kmm.sigs.x-k8s.io'

export const modules = {
  group: kmmGroup,
  version: 'v1beta1',
  kind: 'Module',
  plural: 'modules',
  namespaced: true,
} as const satisfies ResourceName

export const nodeModulesConfigs = {
  group: kmmGroup,
  version: 'v1beta1',
  kind: 'NodeModulesConfig',
  plural: 'nodemodulesconfigs',
  namespaced: false,
} as const satisfies ResourceName

export const moduleImagesConfigs = {
  group: kmmGroup,
  version: 'v1beta1',
  kind: 'ModuleImagesConfig',
  plural: 'moduleimagesconfigs',
  namespaced: true,
} as const satisfies ResourceName

export const preflightValidations = {
  group: kmmGroup,
  version: 'v1beta2',
  kind: 'PreflightValidation',
  plural: 'preflightvalidations',
  namespaced: false,
} as const satisfies ResourceName

export const managedClusterModules = {
  group: hubGroup,
  version: 'v1beta1',
  kind: 'ManagedClusterModule',
  plural: 'managedclustermodules',
  namespaced: false,
} as const satisfies ResourceName
