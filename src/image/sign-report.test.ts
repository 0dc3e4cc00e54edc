import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { KmmError } from '../errors/error.ts'
import { describeFailure, formatSignReport, parseSignReport, type SignReport } from './sign-report.ts'

const digest = `sha256:${'a'.repeat(64)}`
const report: SignReport = {
  v: 1,
  outcome: 'ok',
  reason: 'Signed',
  message: 'signed 1 of 1 files',
  digest,
  sourceDigest: digest,
  signedBy: 'b'.repeat(64),
  files: [{ path: '/opt/a.ko', outcome: 'signed' }],
}

describe('a sign report', () => {
  it('is read back', () => {
    expect(parseSignReport(formatSignReport(report))).toEqual(report)
  })

  it('never grows beyond what the kubelet keeps, and counts the files that it leaves out', () => {
    const file = fc.record({ path: fc.string({ maxLength: 300 }), outcome: fc.constant('signed' as const) })
    fc.assert(
      fc.property(
        fc.array(file, { maxLength: 300 }),
        fc.string({ maxLength: 5000, unit: 'binary' }),
        (files, message) => {
          const text = formatSignReport({ ...report, files, message })
          expect(Buffer.byteLength(text)).toBeLessThanOrEqual(4096)
          const written = JSON.parse(text) as SignReport
          expect(written.files.length + (written.more ?? 0)).toBe(files.length)
          expect(written.digest).toBe(digest)
        },
      ),
      { numRuns: 50 },
    )
  })

  it('of a failure has the code of the error', () => {
    const error = new KmmError('no key', { code: 'SigningKeyInvalid' })
    expect(describeFailure(error)).toMatchObject({ outcome: 'failed', reason: 'SigningKeyInvalid', message: 'no key' })
    expect(describeFailure(new Error('x')).reason).toBe('Unknown')
    expect(describeFailure(Object.assign(new Error('x'), { code: 'ENOSPC' })).reason).toBe('OutOfSpace')
  })

  it.each([
    ['no JSON', 'Killed'],
    ['of another version', JSON.stringify({ ...report, v: 2 })],
    ['without an outcome', JSON.stringify({ ...report, outcome: 'fine' })],
    ['a success with a digest that is none', JSON.stringify({ ...report, digest: 'latest' })],
    ['too long', JSON.stringify({ ...report, message: 'x'.repeat(20_000) })],
  ])('is none when it is %s', (_what, text) => {
    expect(parseSignReport(text)).toBeUndefined()
  })

  it('is bounded, whatever a pod wrote', () => {
    const text = JSON.stringify({
      ...report,
      reason: 'Pwned',
      message: 'a\u001b[2Jb',
      signedBy: '../x',
      files: [{ path: 7 }, { path: '/a\nb', outcome: 'signed' }, { path: '/c', outcome: 'eaten' }],
      more: -1,
    })
    expect(parseSignReport(text)).toEqual({
      v: 1,
      outcome: 'ok',
      reason: 'Unknown',
      message: 'a [2Jb',
      digest,
      sourceDigest: digest,
      files: [{ path: '/a b', outcome: 'signed' }],
    })
  })
})
