import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  cutTrailingPlus,
  formatDnsSafeKernelVersion,
  normalizeKernelVersion,
  splitKernelVersion,
} from './kernel-version.ts'

describe('kernel versions', () => {
  it.each([
    ['6.1.0+', '6.1.0'],
    ['6.1.0++', '6.1.0+'],
    ['6.1+rpi', '6.1+rpi'],
    ['6.1.0-56-amd64', '6.1.0-56-amd64'],
  ])('loses one trailing plus: %s → %s', (version, expected) => {
    expect(cutTrailingPlus(version)).toBe(expected)
  })

  it.each([
    ['6.0.15-300.fc37.x86_64', '6.0.15-300.fc37.x86_64', '6-0-15-300-fc37-x86-64'],
    ['6.1.0~rc1+b/ö', '6.1.0_rc1_b__', '6-1-0-rc1-b'],
    ['5.14.0-70.EL9', '5.14.0-70.EL9', '5-14-0-70-el9'],
    ['_x_', '_x_', 'x'],
  ])('%s is normalised to %s and made dns-safe as %s', (version, normalised, safe) => {
    expect(normalizeKernelVersion(version)).toBe(normalised)
    expect(formatDnsSafeKernelVersion(version)).toBe(safe)
  })

  it('is always a valid part of a name when dns-safe', () => {
    fc.assert(
      fc.property(fc.string(), (version) => {
        expect(formatDnsSafeKernelVersion(version)).toMatch(/^(?:[a-z0-9](?:[a-z0-9-]*[a-z0-9])?)?$/)
      }),
    )
  })

  it.each([
    ['6.0.15-300.fc37.x86_64', { x: '6', y: '0', z: '15' }],
    ['6.1-rc1', { x: '6', y: '1', z: 'rc1' }],
    ['4.18.0~rc1-x', { x: '4', y: '18', z: '0_rc1' }],
  ])('%s has its three parts', (version, parts) => {
    expect(splitKernelVersion(version)).toEqual(parts)
  })

  it.each(['', '6', '6.1', '6_1_0', '6,1,0'])('%j has no three parts', (version) => {
    expect(() => splitKernelVersion(version)).toThrow(expect.objectContaining({ code: 'MappingInvalid' }))
  })
})
