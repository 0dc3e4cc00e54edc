import type { DaemonSet } from 'kubernetes-types/apps/v1.js'
import { sameQuantity } from '../../kube/quantity.ts'
import { isEmpty, sameJson, sameMap } from '../cluster/same-json.ts'
import { specHashAnnotation } from './daemon-set.ts'

/** Fields that only the Module fills: where it asks for nothing, nothing is to be there. */
const owned: ReadonlySet<string> = new Set([
  'args',
  'automountServiceAccountToken',
  'command',
  'env',
  'hostNetwork',
  'imagePullSecrets',
  'initContainers',
  'livenessProbe',
  'nodeSelector',
  'resources',
  'serviceAccountName',
  'tolerations',
  'volumeMounts',
  'volumes',
])

const isObject = (value: unknown): value is object => typeof value === 'object' && value !== null

function sameQuantities(present: unknown, wanted: unknown): boolean {
  if (!isObject(present) || !isObject(wanted)) return isEmpty(present) && isEmpty(wanted)
  const keys = new Set([...Object.keys(present), ...Object.keys(wanted)])
  return [...keys].every((key) => sameQuantity(Reflect.get(present, key), Reflect.get(wanted, key)))
}

function sameResources(present: unknown, wanted: unknown): boolean {
  const read = (resources: unknown, key: string): unknown =>
    isObject(resources) ? Reflect.get(resources, key) : undefined
  const isSame = (key: string): boolean => sameQuantities(read(present, key), read(wanted, key))
  return isSame('limits') && isSame('requests') && sameJson(read(present, 'claims'), read(wanted, 'claims'))
}

/** Fields whose values the API server writes in a form of its own, or that differ though both are empty. */
const comparers: Readonly<Record<string, (present: unknown, wanted: unknown) => boolean>> = {
  automountServiceAccountToken: (present, wanted) => present === wanted,
  divisor: sameQuantity,
  limits: sameQuantities,
  nodeSelector: sameMap,
  requests: sameQuantities,
  resources: sameResources,
  sizeLimit: sameQuantity,
}

function containsFields(present: object, wanted: object): boolean {
  const keys = new Set([...Object.keys(wanted), ...Object.keys(present).filter((key) => owned.has(key))])
  return [...keys].every((key) => {
    const compare = comparers[key] ?? (owned.has(key) ? containsOwned : contains)
    return compare(Reflect.get(present, key), Reflect.get(wanted, key))
  })
}

function containsOwned(present: unknown, wanted: unknown): boolean {
  return isEmpty(wanted) ? isEmpty(present) : contains(present, wanted)
}

/** True when `present` has all of `wanted`; what the API server added by default is no difference. */
function contains(present: unknown, wanted: unknown): boolean {
  // The API server drops what is empty.
  if (isEmpty(wanted)) return true
  if (!isObject(wanted) || !isObject(present)) return present === wanted
  if (!Array.isArray(wanted)) return containsFields(present, wanted)
  if (!Array.isArray(present) || present.length !== wanted.length) return false
  return wanted.every((item, index) => contains(present[index], item))
}

/**
 * True when the present DaemonSet is what is wanted: by the hash of what was asked for, which one that an upstream operator
 * made does not have, and by its fields, which anybody can edit.
 */
export function isAsWanted(present: DaemonSet, wanted: DaemonSet): boolean {
  const hash = present.metadata?.annotations?.[specHashAnnotation]
  if (hash !== undefined && hash !== wanted.metadata?.annotations?.[specHashAnnotation]) return false
  return contains(present.spec?.template, wanted.spec?.template)
}
