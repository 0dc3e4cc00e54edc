import { type LocalObjectReference, localObjectReferenceSchema } from './core.generated.ts'
import { defaultDirName } from './defaults.ts'
import { boolean, type Infer, imported, list, map, object, optional, string, strings } from './schema/builder.ts'

/** The name of an object in the same namespace. */
export const localObjectReference = imported<LocalObjectReference>(localObjectReferenceSchema)

export const tlsOptions = object({
  insecure: optional(boolean('Allows plain HTTP.')),
  insecureSkipTLSVerify: optional(boolean('Accepts any TLS certificate of the registry.')),
})
/** How a registry may be reached with less security than usual. */
export type TLSOptions = Infer<typeof tlsOptions>

const buildArg = object({ name: string('Name of the argument.'), value: string('Its value.') })
export type BuildArg = Infer<typeof buildArg>

export const build = object({
  baseImageRegistryTLS: optional(tlsOptions, 'How the registries of the images in FROM lines may be reached.'),
  buildArgs: optional(list(buildArg, 'Arguments of the build.')),
  dockerfileConfigMap: redescribeReference('ConfigMap whose key "dockerfile" holds the Dockerfile.'),
  kanikoParams: optional(
    object({ tag: optional(string('Tag of the builder image.')) }, 'Settings of the builder, for compatibility.'),
  ),
  secrets: optional(list(localObjectReference, 'Secrets that the build finds below /run/secrets.')),
  selector: optional(map(string(), 'Labels of the nodes on which build pods may run.')),
})
/** How an image is built in the cluster. */
export type Build = Infer<typeof build>

export const sign = object({
  certSecret: redescribeReference('Secret whose key "cert" holds the certificate.'),
  filesToSign: optional(strings('Paths of the modules to sign; variables are substituted.')),
  keySecret: redescribeReference('Secret whose key "key" holds the private key.'),
  unsignedImage: optional(string('Image to sign; not needed when the image is built too.')),
  unsignedImageRegistryTLS: optional(tlsOptions, 'How the registry of the unsigned image may be reached.'),
})
/** How the modules of an image are signed. */
export type Sign = Infer<typeof sign>

const modprobeArgs = object({
  load: optional(strings('Arguments when the module is loaded.', { minItems: 1 })),
  unload: optional(strings('Arguments when the module is unloaded.', { minItems: 1 })),
})
/** Arguments of modprobe, for either direction. */
export type ModprobeArgs = Infer<typeof modprobeArgs>

export const modprobe = object({
  args: optional(modprobeArgs, 'Arguments that stand before the name of the module.'),
  dirName: optional(
    string('Folder of the image that holds lib/modules; becomes the -d of modprobe.', { default: defaultDirName }),
  ),
  firmwarePath: optional(string('Folder of the image whose files are copied to the firmware folder of the node.')),
  moduleName: optional(string('Kernel module to load, without .ko. May be absent only with rawArgs.')),
  modulesLoadingOrder: optional(
    strings('Modules that need each other without knowing it: the first is loaded last and must be moduleName.'),
  ),
  parameters: optional(strings('Parameters of the module, each as name=value.')),
  rawArgs: optional(modprobeArgs, 'The whole argument list of modprobe; all other fields are then ignored.'),
})
/** How modprobe is called. An absent `dirName` means `/opt`. */
export type ModprobeSpec = Infer<typeof modprobe>

function redescribeReference(description: string) {
  return imported<LocalObjectReference>(localObjectReferenceSchema, description)
}
