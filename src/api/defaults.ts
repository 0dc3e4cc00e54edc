/** Where a kmod image keeps `lib/modules` when the Module does not say. */
export const defaultDirName = '/opt'
/** The pull policy that the API server writes into a ModuleConfig or ModuleImagesConfig whose key is absent; an empty string stays. */
export const defaultImagePullPolicy = 'IfNotPresent'
/** The service account of worker pods when the Module does not name one. */
export const defaultServiceAccountName = 'default'
