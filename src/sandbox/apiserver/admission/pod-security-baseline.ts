import type { Container, SELinuxOptions } from 'kubernetes-types/core/v1.js'
import { listContainers, type PodSpec } from './pod-shape.ts'
import {
  joinQuoted,
  nameContainers,
  namesOf,
  nameSetters,
  type PodSecurityCheck,
  pluralize,
  sortedSet,
  type Violation,
} from './pod-security-words.ts'

const defaultCapabilities = [
  'AUDIT_WRITE',
  'CHOWN',
  'DAC_OVERRIDE',
  'FOWNER',
  'FSETID',
  'KILL',
  'MKNOD',
  'NET_BIND_SERVICE',
  'SETFCAP',
  'SETGID',
  'SETPCAP',
  'SETUID',
  'SYS_CHROOT',
]
const safeSysctls = [
  'kernel.shm_rmid_forced',
  'net.ipv4.ip_local_port_range',
  'net.ipv4.tcp_syncookies',
  'net.ipv4.ping_group_range',
  'net.ipv4.ip_unprivileged_port_start',
  'net.ipv4.ip_local_reserved_ports',
  'net.ipv4.tcp_keepalive_time',
  'net.ipv4.tcp_fin_timeout',
  'net.ipv4.tcp_keepalive_intvl',
  'net.ipv4.tcp_keepalive_probes',
  'net.ipv4.tcp_rmem',
  'net.ipv4.tcp_wmem',
]
const confinedSelinuxTypes = ['', 'container_t', 'container_init_t', 'container_kvm_t', 'container_engine_t']
const appArmorAnnotation = 'container.apparmor.security.beta.kubernetes.io/'

const checkAppArmor: PodSecurityCheck = (spec, annotations) => {
  const isBad = (type: string | undefined): boolean =>
    type !== undefined && type !== 'RuntimeDefault' && type !== 'Localhost'
  const podType = spec.securityContext?.appArmorProfile?.type
  const typeOf = (container: Container): string | undefined => container.securityContext?.appArmorProfile?.type
  const containers = namesOf(spec, (container) => isBad(typeOf(container)))
  const forbidden = Object.entries(annotations)
    .filter(([key, value]) => key.startsWith(appArmorAnnotation) && !isAllowedAppArmorAnnotation(value))
    .map(([key, value]) => `${key}=${JSON.stringify(value)}`)
    .sort()
  const values = [...sortedSet([podType, ...listContainers(spec).map(typeOf)].filter(isBad).map(String)), ...forbidden]
  if (values.length === 0) return undefined
  const setters = [
    nameSetters(isBad(podType), containers),
    forbidden.length > 0 ? pluralize('annotation', 'annotations', forbidden.length) : '',
  ].filter((each) => each !== '')
  return {
    reason: pluralize('forbidden AppArmor profile', 'forbidden AppArmor profiles', values.length),
    detail: `${setters.join(' and ')} must not set AppArmor profile type to ${joinQuoted(values)}`,
  }
}

function isAllowedAppArmorAnnotation(value: string): boolean {
  return value === '' || value === 'runtime/default' || value.startsWith('localhost/')
}

const checkCapabilities: PodSecurityCheck = (spec) => {
  const extra = (container: Container): string[] =>
    (container.securityContext?.capabilities?.add ?? []).filter((name) => !defaultCapabilities.includes(name))
  const containers = namesOf(spec, (container) => extra(container).length > 0)
  if (containers.length === 0) return undefined
  const added = sortedSet(listContainers(spec).flatMap(extra))
  return {
    reason: 'non-default capabilities',
    detail: `${nameContainers(containers)} must not include ${joinQuoted(added)} in securityContext.capabilities.add`,
  }
}

const checkHostNamespaces: PodSecurityCheck = (spec) => {
  const shared = (['hostNetwork', 'hostPID', 'hostIPC'] as const).filter((name) => spec[name] === true)
  if (shared.length === 0) return undefined
  return { reason: 'host namespaces', detail: shared.map((name) => `${name}=true`).join(', ') }
}

const checkHostPathVolumes: PodSecurityCheck = (spec) => {
  const names = (spec.volumes ?? []).filter((volume) => volume.hostPath !== undefined).map((volume) => volume.name)
  if (names.length === 0) return undefined
  return { reason: 'hostPath volumes', detail: `${pluralize('volume', 'volumes', names.length)} ${joinQuoted(names)}` }
}

const checkHostPorts: PodSecurityCheck = (spec) => {
  const hostPorts = (container: Container): number[] =>
    (container.ports ?? []).flatMap((port) => (port.hostPort ? [port.hostPort] : []))
  const names = namesOf(spec, (container) => hostPorts(container).length > 0)
  if (names.length === 0) return undefined
  const ports = sortedSet(listContainers(spec).flatMap(hostPorts).map(String))
  const verb = pluralize('uses', 'use', names.length)
  const noun = pluralize('hostPort', 'hostPorts', ports.length)
  return { reason: 'hostPort', detail: `${nameContainers(names)} ${verb} ${noun} ${ports.join(', ')}` }
}

function listHandlerHosts(container: Container): string[] {
  const { livenessProbe, readinessProbe, startupProbe, lifecycle } = container
  return [livenessProbe, readinessProbe, startupProbe, lifecycle?.postStart, lifecycle?.preStop]
    .flatMap((handler) => [handler?.httpGet?.host, handler?.tcpSocket?.host])
    .filter((host) => host !== undefined && host !== '')
    .map(String)
}

const checkHandlerHosts: PodSecurityCheck = (spec) => {
  const names = sortedSet(namesOf(spec, (container) => listHandlerHosts(container).length > 0))
  if (names.length === 0) return undefined
  const hosts = sortedSet(listContainers(spec).flatMap(listHandlerHosts))
  const noun = pluralize('probe or lifecycle host', 'probe or lifecycle hosts', hosts.length)
  return {
    reason: 'probe or lifecycle host',
    detail: `${nameContainers(names)} ${pluralize('uses', 'use', names.length)} ${noun} ${joinQuoted(hosts)}`,
  }
}

const checkPrivileged: PodSecurityCheck = (spec) => {
  const names = namesOf(spec, (container) => container.securityContext?.privileged === true)
  if (names.length === 0) return undefined
  return { reason: 'privileged', detail: `${nameContainers(names)} must not set securityContext.privileged=true` }
}

/** Forbids an unmasked /proc whatever the pod's user namespace; the restricted level uses it as it is. */
export const checkProcMount: PodSecurityCheck = (spec) => {
  const typeOf = (container: Container): string => container.securityContext?.procMount ?? 'Default'
  const names = namesOf(spec, (container) => typeOf(container) !== 'Default')
  if (names.length === 0) return undefined
  const types = sortedSet(
    listContainers(spec)
      .map(typeOf)
      .filter((type) => type !== 'Default'),
  )
  return {
    reason: 'procMount',
    detail: `${nameContainers(names)} must not set securityContext.procMount to ${joinQuoted(types)}`,
  }
}

const checkProcMountOutsideUserNamespace: PodSecurityCheck = (spec, annotations) =>
  spec.hostUsers === false ? undefined : checkProcMount(spec, annotations)

function isConfined(options: SELinuxOptions | undefined): boolean {
  if (options === undefined) return true
  return confinedSelinuxTypes.includes(options.type ?? '') && !options.user && !options.role
}

const checkSelinux: PodSecurityCheck = (spec) => {
  const podOptions = spec.securityContext?.seLinuxOptions
  const containers = namesOf(spec, (container) => !isConfined(container.securityContext?.seLinuxOptions))
  const setters = nameSetters(!isConfined(podOptions), containers)
  if (setters === '') return undefined
  const all = [podOptions, ...listContainers(spec).map((container) => container.securityContext?.seLinuxOptions)]
  const types = sortedSet(all.map((each) => each?.type ?? '').filter((type) => !confinedSelinuxTypes.includes(type)))
  const words = [
    types.length > 0 ? `${pluralize('type', 'types', types.length)} ${joinQuoted(types)}` : '',
    all.some((each) => each?.user) ? 'user may not be set' : '',
    all.some((each) => each?.role) ? 'role may not be set' : '',
  ].filter((each) => each !== '')
  return {
    reason: 'seLinuxOptions',
    detail: `${setters} set forbidden securityContext.seLinuxOptions: ${words.join('; ')}`,
  }
}

/** True for a seccomp profile that the restricted and baseline levels accept. */
export function isConfinedSeccomp(type: string | undefined): boolean {
  return type === 'RuntimeDefault' || type === 'Localhost'
}

/** The violation of a pod or container that asks for a seccomp profile of its own and names a forbidden one. */
export function findForbiddenSeccomp(spec: PodSpec): Violation | undefined {
  const isBad = (profile: { type: string } | undefined): boolean =>
    profile !== undefined && !isConfinedSeccomp(profile.type)
  const podProfile = spec.securityContext?.seccompProfile
  const containers = namesOf(spec, (container) => isBad(container.securityContext?.seccompProfile))
  const setters = nameSetters(isBad(podProfile), containers)
  if (setters === '') return undefined
  const profiles = [podProfile, ...listContainers(spec).map((container) => container.securityContext?.seccompProfile)]
  const types = sortedSet(profiles.filter(isBad).map((profile) => profile?.type ?? ''))
  return {
    reason: 'seccompProfile',
    detail: `${setters} must not set securityContext.seccompProfile.type to ${joinQuoted(types)}`,
  }
}

const checkSysctls: PodSecurityCheck = (spec) => {
  const names = (spec.securityContext?.sysctls ?? []).map((each) => each.name).filter((n) => !safeSysctls.includes(n))
  return names.length === 0 ? undefined : { reason: 'forbidden sysctls', detail: names.join(', ') }
}

const checkWindowsHostProcess: PodSecurityCheck = (spec) => {
  const containers = namesOf(spec, (container) => container.securityContext?.windowsOptions?.hostProcess === true)
  const setters = nameSetters(spec.securityContext?.windowsOptions?.hostProcess === true, containers)
  if (setters === '') return undefined
  return { reason: 'hostProcess', detail: `${setters} must not set securityContext.windowsOptions.hostProcess=true` }
}

/** The baseline level's checks that the restricted level replaces by stricter ones, by the server's check ID. */
export const overriddenByRestricted = [
  'capabilities_baseline',
  'hostPathVolumes',
  'procMount',
  'seccompProfile_baseline',
]

/** The checks of the baseline level at version `latest`, by ID and in the server's order. */
export const baselineChecks: readonly (readonly [id: string, check: PodSecurityCheck])[] = [
  ['appArmorProfile', checkAppArmor],
  ['capabilities_baseline', checkCapabilities],
  ['hostNamespaces', checkHostNamespaces],
  ['hostPathVolumes', checkHostPathVolumes],
  ['hostPorts', checkHostPorts],
  ['hostProbesAndHostLifecycle', checkHandlerHosts],
  ['privileged', checkPrivileged],
  ['procMount', checkProcMountOutsideUserNamespace],
  ['seLinuxOptions', checkSelinux],
  ['seccompProfile_baseline', findForbiddenSeccomp],
  ['sysctls', checkSysctls],
  ['windowsHostProcess', checkWindowsHostProcess],
]
