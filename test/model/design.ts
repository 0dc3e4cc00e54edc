import type { Module } from '../../src/api/module.ts'

/** What the user of the model asks for with one Module, in the model's own terms. */
export interface Design {
  namespace: string
  name: string
  /** The name in the kernel. */
  kernelModule: string
  selector: Record<string, string>
  /** False for a Module without `moduleLoader`. */
  loads: boolean
  /** The kernels that have a mapping. */
  kernels: readonly string[]
  /** The image's version. */
  tag: number
  parameters: number
  pullPolicy: 'Always' | 'IfNotPresent'
  /** It tolerates the taint `maintenance`. */
  tolerates: boolean
  /** The version of the device plugin or DRA driver; 0 for none. */
  plugin: number
  /** It is a DRA driver. */
  dra: boolean
  /** With ordered upgrade; then `tag` is the version. */
  versioned: boolean
  policy: 'OnDelete' | 'OnTaint' | 'Never' | undefined
}

/** The names of the three Modules, and where their kernel modules come from. */
export const moduleNames = [
  { namespace: 'red', name: 'alpha', kernelModule: 'alpha_mod' },
  { namespace: 'red', name: 'beta', kernelModule: 'beta_mod' },
  { namespace: 'blue', name: 'gamma', kernelModule: 'gamma_mod' },
] as const

/** The kernels of the model's machines. */
export const kernels = ['6.1.0-1-amd64', '6.1.0-2-amd64', '6.6.0-1-amd64'] as const

/** The versions of every image. */
export const tags = [1, 2, 3] as const

/** `namespace/name`. */
export const keyOfDesign = ({ namespace, name }: Pick<Design, 'namespace' | 'name'>): string => `${namespace}/${name}`

/** The image that a design asks for on a kernel. */
export const imageOf = ({ name, tag }: Pick<Design, 'name' | 'tag'>, kernel: string): string =>
  `registry.model/${name}:v${tag}-${kernel}`

/** The version of an image in words, as `container.version` and the node's label have it. */
export const versionOf = ({ tag }: Pick<Design, 'tag'>): string => `v${tag}`

/** The parameters of a design as the kernel gets them. */
export const parametersOf = ({ parameters }: Pick<Design, 'parameters'>): string[] =>
  parameters === 0 ? [] : [`level=${parameters}`]

export const maintenanceTaint = 'maintenance'

function buildLoader(design: Design): Pick<NonNullable<Module['spec']>, 'moduleLoader'> {
  const parameters = parametersOf(design)
  const container = {
    kernelMappings: design.kernels.map((literal) => ({ literal, containerImage: imageOf(design, literal) })),
    modprobe: {
      moduleName: design.kernelModule,
      dirName: '/opt',
      ...(parameters.length === 0 ? {} : { parameters }),
    },
    imagePullPolicy: design.pullPolicy,
    ...(design.versioned ? { version: versionOf(design) } : {}),
  }
  return { moduleLoader: { container } }
}

/** The name of the DeviceClass of a design with a DRA driver. */
export const classOf = ({ name }: Pick<Design, 'name'>): string => `${name}.model`

function buildPlugin(design: Design): Pick<NonNullable<Module['spec']>, 'devicePlugin' | 'dra'> {
  if (design.plugin === 0) return {}
  const container = { image: `registry.model/plugin:v${design.plugin}` }
  if (!design.dra) return { devicePlugin: { container } }
  return { dra: { container, driverName: `${design.name}.model`, deviceClasses: [{ name: classOf(design) }] } }
}

/** The Module of a design. */
export function buildModule(design: Design): Module {
  const { namespace, name, policy } = design
  return {
    apiVersion: 'kmm.sigs.x-k8s.io/v1beta1',
    kind: 'Module',
    metadata: {
      namespace,
      name,
      ...(policy === undefined ? {} : { annotations: { 'kmm.sigs.x-k8s.io/unload-policy': policy } }),
    },
    spec: {
      selector: design.selector,
      ...(design.loads ? buildLoader(design) : {}),
      ...buildPlugin(design),
      ...(design.tolerates ? { tolerations: [{ key: maintenanceTaint, operator: 'Exists' }] } : {}),
    },
  }
}
