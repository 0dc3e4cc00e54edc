import type { Container } from 'kubernetes-types/core/v1.js'

/** What a container runtime leaves a container that asks for nothing. */
const usualCapabilities = [
  'CHOWN',
  'DAC_OVERRIDE',
  'FSETID',
  'FOWNER',
  'MKNOD',
  'NET_RAW',
  'SETGID',
  'SETUID',
  'SETFCAP',
  'SETPCAP',
  'NET_BIND_SERVICE',
  'SYS_CHROOT',
  'KILL',
  'AUDIT_WRITE',
]

function listCapabilities({ securityContext }: Container): string[] {
  const { add = [], drop = [] } = securityContext?.capabilities ?? {}
  const kept = drop.includes('ALL') ? [] : usualCapabilities.filter((name) => !drop.includes(name))
  return [...new Set([...kept, ...add])]
}

/**
 * The words before a program that take from it what the container's security context does not give (util-linux: setpriv).
 * What a runtime does besides, seccomp and SELinux, is not imitated. By its path, since busybox prefers its own.
 */
export function limitPrivileges(container: Container): string[] {
  const { privileged, runAsUser, runAsGroup, allowPrivilegeEscalation } = container.securityContext ?? {}
  const group = String(runAsGroup ?? 0)
  const user = runAsUser === undefined ? [] : ['--reuid', String(runAsUser), '--regid', group, '--clear-groups']
  if (privileged === true) return user.length === 0 ? [] : ['/usr/bin/setpriv', ...user]
  const capabilities = listCapabilities(container).map((name) => `+${name.toLowerCase()}`)
  const limited = capabilities.includes('+all') ? [] : ['--bounding-set', ['-all', ...capabilities].join(',')]
  const fixed = allowPrivilegeEscalation === false ? ['--no-new-privs'] : []
  return ['/usr/bin/setpriv', ...limited, '--inh-caps', '-all', ...user, ...fixed]
}
