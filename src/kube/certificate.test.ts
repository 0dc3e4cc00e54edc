import { X509Certificate } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { createAuthority, makeLoopbackCertificate, restoreAuthority } from './certificate.ts'

const nowMs = Date.now()
const authority = createAuthority('an authority', nowMs)

describe('an authority', () => {
  it('signs what its own certificate verifies, and no other', () => {
    const { certificate } = authority.issue({ commonName: 'server', uses: ['server'], hosts: ['localhost'] })
    const issued = new X509Certificate(certificate)
    const own = new X509Certificate(authority.certificate)
    const other = new X509Certificate(createAuthority('an authority', nowMs).certificate)
    expect(issued.verify(own.publicKey)).toBe(true)
    expect(issued.checkIssued(own)).toBe(true)
    expect(issued.verify(other.publicKey)).toBe(false)
    expect([own.ca, issued.ca]).toEqual([true, false])
  })

  it('goes on after a restart, with the time of then', () => {
    const laterMs = nowMs + 30 * 86_400_000
    const restored = restoreAuthority(authority, 'an authority', laterMs)
    const { certificate } = restored.issue({ commonName: 'x', uses: ['server'], validMs: 3_600_000 })
    const issued = new X509Certificate(certificate)
    expect(issued.checkIssued(new X509Certificate(authority.certificate))).toBe(true)
    expect(Math.abs(new Date(issued.validTo).getTime() - laterMs - 3_600_000)).toBeLessThan(1_000)
  })

  it('can be made in any year', () => {
    const made = new X509Certificate(createAuthority('late', Date.UTC(2051, 5, 1)).certificate)
    expect(new Date(made.validTo).getUTCFullYear()).toBe(2052)
  })

  it('names users and their groups', () => {
    const { certificate, key } = authority.issue({
      commonName: 'system:node:n1',
      organizations: ['system:nodes', 'others'],
      uses: ['client'],
    })
    const { subject, keyUsage } = new X509Certificate(certificate)
    expect(subject.split('\n')).toEqual(['O=system:nodes', 'O=others', 'CN=system:node:n1'])
    expect(keyUsage).toEqual(['1.3.6.1.5.5.7.3.2'])
    expect(key).toContain('PRIVATE KEY')
  })

  it('certifies names and addresses', () => {
    const hosts = ['127.0.0.1', '10.0.2.2', 'kubernetes.default.svc']
    const issued = new X509Certificate(authority.issue({ commonName: 'x', uses: ['server'], hosts }).certificate)
    expect(issued.checkIP('10.0.2.2')).toBe('10.0.2.2')
    expect(issued.checkIP('10.0.2.3')).toBeUndefined()
    expect(issued.checkHost('kubernetes.default.svc')).toBe('kubernetes.default.svc')
  })
})

it('makes a certificate for loopback that is its own authority', () => {
  const made = new X509Certificate(makeLoopbackCertificate(nowMs).certificate)
  expect(made.checkIssued(made)).toBe(true)
  expect(made.checkIP('127.0.0.1')).toBe('127.0.0.1')
  expect(new Date(made.validTo).getTime()).toBeGreaterThan(nowMs)
})
