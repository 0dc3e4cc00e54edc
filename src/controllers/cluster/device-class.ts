import { moduleNamespaceLabel, moduleNameLabel } from '../../api/labels.ts'
import type { DeviceClassSpec, Module } from '../../api/module.ts'
import type { DeviceClass } from '../../kube/device-class.ts'
import { isEqualJson } from '../../kube/json.ts'
import type { DeviceClassRefusal } from './refusals.ts'

/** How a DeviceClass that a Module lists stands in the cluster. */
export type DeviceClassStanding =
  | { kind: 'asWanted' }
  | { kind: 'missing' }
  | { kind: 'differs'; present: DeviceClass }
  /** Being deleted: it is made anew when it is gone. */
  | { kind: 'leaving' }
  /** One of that name is there, and it is not this Module's. */
  | { kind: 'foreign'; owner: string | undefined }
  /** The API server does not take what the Module asks for. */
  | { kind: 'refused'; refusal: DeviceClassRefusal; present: DeviceClass | undefined }

/** A DeviceClass that a Module lists, as it is to be, and how it stands. */
export interface ListedDeviceClass {
  name: string
  wanted: DeviceClass
  standing: DeviceClassStanding
}

/** `namespace/name` of the Module that a DeviceClass belongs to (upstream: labels); undefined for one of somebody else. */
export function moduleKeyOfDeviceClass({ metadata }: DeviceClass): string | undefined {
  const { [moduleNamespaceLabel]: namespace = '', [moduleNameLabel]: name = '' } = metadata?.labels ?? {}
  return namespace === '' || name === '' ? undefined : `${namespace}/${name}`
}

/** The DeviceClass that a Module asks for. It has no owner reference: a Module has a namespace, and a class has none. */
export function buildDeviceClass({ metadata }: Module, { name, selectors, config }: DeviceClassSpec): DeviceClass {
  return {
    apiVersion: 'resource.k8s.io/v1',
    kind: 'DeviceClass',
    metadata: {
      name,
      labels: { [moduleNameLabel]: metadata.name, [moduleNamespaceLabel]: metadata.namespace },
    },
    spec: { ...(selectors?.length ? { selectors } : {}), ...(config?.length ? { config } : {}) },
  }
}

/** Parameters are the driver's: there an absent field and an empty one are two things. */
function isAsWanted(present: DeviceClass, wanted: DeviceClass): boolean {
  return (['selectors', 'config'] as const).every((field) =>
    isEqualJson(present.spec?.[field] ?? [], wanted.spec?.[field] ?? []),
  )
}

function standPresent(wanted: DeviceClass, present: DeviceClass): DeviceClassStanding {
  const owner = moduleKeyOfDeviceClass(present)
  if (owner !== moduleKeyOfDeviceClass(wanted)) return { kind: 'foreign', owner }
  if (present.metadata?.deletionTimestamp !== undefined) return { kind: 'leaving' }
  return isAsWanted(present, wanted) ? { kind: 'asWanted' } : { kind: 'differs', present }
}

function standDeviceClass(
  wanted: DeviceClass,
  present: DeviceClass | undefined,
  refusal: DeviceClassRefusal | undefined,
): DeviceClassStanding {
  const standing = present ? standPresent(wanted, present) : ({ kind: 'missing' } as const)
  const isToWrite = standing.kind === 'missing' || standing.kind === 'differs'
  if (!isToWrite || !refusal || !isEqualJson(refusal.wanted, wanted)) return standing
  return { kind: 'refused', refusal, present }
}

/** Where what is there is found. */
export interface DeviceClassSources {
  find: (name: string) => DeviceClass | undefined
  findRefusal: (name: string) => DeviceClassRefusal | undefined
}

/** How each DeviceClass that the Module lists stands; of two with one name the first counts. */
export function listDeviceClasses(
  module: Module,
  { find, findRefusal }: DeviceClassSources,
): readonly ListedDeviceClass[] {
  const listed = new Map<string, ListedDeviceClass>()
  for (const spec of module.spec?.dra?.deviceClasses ?? []) {
    const { name } = spec
    if (listed.has(name)) continue
    const wanted = buildDeviceClass(module, spec)
    listed.set(name, { name, wanted, standing: standDeviceClass(wanted, find(name), findRefusal(name)) })
  }
  return [...listed.values()]
}
