import { expect, it } from 'vitest'
import { limitPrivileges } from './container-privileges.ts'

const limit = (securityContext: Parameters<typeof limitPrivileges>[0]['securityContext']): string =>
  limitPrivileges({ name: 'c', ...(securityContext && { securityContext }) }).join(' ')

it('leaves a worker the one capability that it asks for', () => {
  const worker = {
    runAsUser: 0,
    allowPrivilegeEscalation: false,
    capabilities: { add: ['SYS_MODULE'], drop: ['ALL'] },
  }
  expect(limit(worker)).toBe(
    '/usr/bin/setpriv --bounding-set -all,+sys_module --inh-caps -all --reuid 0 --regid 0 --clear-groups --no-new-privs',
  )
})

it('takes nothing from a privileged container', () => {
  expect(limit({ privileged: true })).toBe('')
  expect(limit({ privileged: true, runAsUser: 7, runAsGroup: 8 })).toBe(
    '/usr/bin/setpriv --reuid 7 --regid 8 --clear-groups',
  )
})

it('gives a container that says nothing what runtimes do', () => {
  expect(limit(undefined)).toContain('+sys_chroot')
  expect(limit(undefined)).not.toContain('+sys_module')
  expect(limit({ capabilities: { drop: ['SYS_CHROOT'] } })).not.toContain('+sys_chroot')
  expect(limit({ capabilities: { add: ['ALL'] } })).not.toContain('bounding')
})
