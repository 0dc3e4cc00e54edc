import type { Container } from 'kubernetes-types/core/v1.js'
import { checkProcMount, findForbiddenSeccomp, isConfinedSeccomp } from './pod-security-baseline.ts'
import {
  joinQuoted,
  nameContainers,
  namesOf,
  nameSetters,
  type PodSecurityCheck,
  pluralize,
  sortedSet,
} from './pod-security-words.ts'
import { listContainers, type PodSpec, type Volume } from './pod-shape.ts'

const allowedVolumeTypes = [
  'configMap',
  'csi',
  'downwardAPI',
  'emptyDir',
  'ephemeral',
  'image',
  'persistentVolumeClaim',
  'projected',
  'secret',
]

const isWindows = (spec: PodSpec): boolean => spec.os?.name === 'windows'

const checkAllowPrivilegeEscalation: PodSecurityCheck = (spec) => {
  if (isWindows(spec)) return undefined
  const names = namesOf(spec, (container) => container.securityContext?.allowPrivilegeEscalation !== false)
  if (names.length === 0) return undefined
  return {
    reason: 'allowPrivilegeEscalation != false',
    detail: `${nameContainers(names)} must set securityContext.allowPrivilegeEscalation=false`,
  }
}

const checkCapabilities: PodSecurityCheck = (spec) => {
  if (isWindows(spec)) return undefined
  const dropsAll = (container: Container): boolean =>
    container.securityContext?.capabilities?.drop?.includes('ALL') === true
  const extra = (container: Container): string[] =>
    (container.securityContext?.capabilities?.add ?? []).filter((name) => name !== 'NET_BIND_SERVICE')
  const keeping = namesOf(spec, (container) => !dropsAll(container))
  const adding = namesOf(spec, (container) => extra(container).length > 0)
  const details = [
    keeping.length > 0 ? `${nameContainers(keeping)} must set securityContext.capabilities.drop=["ALL"]` : '',
    adding.length > 0
      ? `${nameContainers(adding)} must not include ${joinQuoted(sortedSet(listContainers(spec).flatMap(extra)))} in securityContext.capabilities.add`
      : '',
  ].filter((detail) => detail !== '')
  return details.length === 0 ? undefined : { reason: 'unrestricted capabilities', detail: details.join('; ') }
}

function typeOfVolume(volume: Volume): string {
  return Object.keys(volume).find((key) => key !== 'name') ?? 'unknown'
}

const checkVolumes: PodSecurityCheck = (spec) => {
  const bad = (spec.volumes ?? []).filter(
    (volume) => !Object.keys(volume).some((key) => allowedVolumeTypes.includes(key)),
  )
  if (bad.length === 0) return undefined
  const types = sortedSet(bad.map(typeOfVolume))
  const names = bad.map((volume) => volume.name)
  const volumes = `${pluralize('volume', 'volumes', names.length)} ${joinQuoted(names)}`
  const noun = pluralize('restricted volume type', 'restricted volume types', types.length)
  return {
    reason: 'restricted volume types',
    detail: `${volumes} ${pluralize('uses', 'use', names.length)} ${noun} ${joinQuoted(types)}`,
  }
}

const checkRunAsNonRoot: PodSecurityCheck = (spec) => {
  if (spec.hostUsers === false) return undefined
  const reason = 'runAsNonRoot != true'
  const pod = spec.securityContext?.runAsNonRoot
  const explicit = namesOf(spec, (container) => container.securityContext?.runAsNonRoot === false)
  const setters = nameSetters(pod === false, explicit)
  if (setters !== '') return { reason, detail: `${setters} must not set securityContext.runAsNonRoot=false` }
  const silent = namesOf(spec, (container) => pod !== true && container.securityContext?.runAsNonRoot === undefined)
  if (silent.length === 0) return undefined
  return { reason, detail: `pod or ${nameContainers(silent)} must set securityContext.runAsNonRoot=true` }
}

const checkRunAsUser: PodSecurityCheck = (spec) => {
  if (spec.hostUsers === false) return undefined
  const containers = namesOf(spec, (container) => container.securityContext?.runAsUser === 0)
  const setters = nameSetters(spec.securityContext?.runAsUser === 0, containers)
  return setters === '' ? undefined : { reason: 'runAsUser=0', detail: `${setters} must not set runAsUser=0` }
}

const checkSeccomp: PodSecurityCheck = (spec) => {
  if (isWindows(spec)) return undefined
  const forbidden = findForbiddenSeccomp(spec)
  if (forbidden !== undefined) return forbidden
  if (isConfinedSeccomp(spec.securityContext?.seccompProfile?.type)) return undefined
  const silent = namesOf(spec, (container) => container.securityContext?.seccompProfile === undefined)
  if (silent.length === 0) return undefined
  return {
    reason: 'seccompProfile',
    detail: `pod or ${nameContainers(silent)} must set securityContext.seccompProfile.type to "RuntimeDefault" or "Localhost"`,
  }
}

/** What the restricted level asks beyond the baseline's checks, by ID and in the server's order. */
export const restrictedChecks: readonly (readonly [id: string, check: PodSecurityCheck])[] = [
  ['allowPrivilegeEscalation', checkAllowPrivilegeEscalation],
  ['capabilities_restricted', checkCapabilities],
  ['procMount_restricted', checkProcMount],
  ['restrictedVolumes', checkVolumes],
  ['runAsNonRoot', checkRunAsNonRoot],
  ['runAsUser', checkRunAsUser],
  ['seccompProfile_restricted', checkSeccomp],
]
