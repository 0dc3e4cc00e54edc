import { describe, expect, it } from 'vitest'
import { type JobIdentity, formatJobName, formatTargetKernel, formatUnsignedReference } from './job-name.ts'

const identity: JobIdentity = {
  type: 'BuildImage',
  config: 'mod',
  kernelVersion: '6.1.0-1-amd64',
  image: 'registry.test/mod:v1',
  hash: 'aaaa',
  attempt: 1,
}
const named = (changes: Partial<JobIdentity>): string => formatJobName({ ...identity, ...changes })
const dnsName = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/

describe('the name of a job’s pod', () => {
  it('tells what it does, and is the same for the same attempt', () => {
    expect(named({})).toMatch(/^mod-build-6-1-0-1-amd64-[0-9a-f]{8}$/)
    expect(named({ type: 'SignImage' })).toMatch(/^mod-sign-6-1-0-1-amd64-[0-9a-f]{8}$/)
    expect(named({})).toBe(named({}))
  })

  it.each<Partial<JobIdentity>>([
    { image: 'registry.test/mod:v2' },
    { hash: 'aaab' },
    { attempt: 2 },
    // Both are 6-1-0 in DNS form.
    { kernelVersion: '6.1.0_1-amd64' },
  ])('is another one for %j', (change) => {
    expect(named(change)).not.toBe(named({}))
  })

  it.each([
    ['a long Module', { config: 'm'.repeat(200) }],
    ['a Module whose name is cut at a dot', { config: `${'m'.repeat(20)}.${'n'.repeat(200)}` }],
    ['a long kernel', { kernelVersion: `6.1.0-${'x'.repeat(100)}` }],
    ['a kernel that is cut at a dash', { kernelVersion: '5.14.0-1234567890123456-8.el9' }],
    ['a kernel without a letter of DNS', { kernelVersion: '+++' }],
  ])('fits into a label and is a DNS name for %s', (_what, change) => {
    expect(named(change)).toMatch(dnsName)
    expect(named(change).length).toBeLessThanOrEqual(63)
  })
})

describe('the label of the kernel', () => {
  it('is the kernel in DNS form', () => {
    expect(formatTargetKernel('5.14.0-70.el9.x86_64+debug')).toBe('5-14-0-70-el9-x86-64-debug')
  })

  it('tells long kernels apart', () => {
    const [one, other] = [`6.1.0-${'x'.repeat(80)}1`, `6.1.0-${'x'.repeat(80)}2`].map(formatTargetKernel)
    expect(one).not.toBe(other)
    expect([one?.length, other?.length]).toEqual([63, 63])
  })
})

describe('the name of an image that is not signed yet', () => {
  it('stands beside the final one', () => {
    expect(formatUnsignedReference('registry.test:5000/a/mod:v1', '0123456789abcdef')).toBe(
      'registry.test:5000/a/mod:v1-kmm-unsigned-01234567',
    )
  })

  it('is made from `latest` without a tag', () => {
    expect(formatUnsignedReference('mod', '0123456789')).toBe('docker.io/library/mod:latest-kmm-unsigned-01234567')
  })

  it('is cut to what a tag may be, and still tells long tags apart', () => {
    const [one = '', other = ''] = ['1', '2'].map((end) =>
      formatUnsignedReference(`registry.test/mod:${'t'.repeat(127)}${end}`, '0123456789'),
    )
    expect(one.slice(one.lastIndexOf(':') + 1)).toMatch(/^t+-[0-9a-f]{8}-kmm-unsigned-01234567$/)
    expect(one.slice(one.lastIndexOf(':') + 1)).toHaveLength(128)
    expect(one).not.toBe(other)
  })

  it('does not exist for an image that is named by its digest', () => {
    const image = `registry.test/mod@sha256:${'a'.repeat(64)}`
    expect(() => formatUnsignedReference(image, '0123456789')).toThrow(/give containerImage a tag instead/)
  })
})
