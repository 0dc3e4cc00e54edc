import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { KmmError } from '../errors/error.ts'
import {
  BuildError,
  type BuildReport,
  cutLog,
  describeBuildFailure,
  describeBuilt,
  formatBuildReport,
  parseBuildReport,
} from './build-report.ts'

const digest = `sha256:${'a'.repeat(64)}`
const failure: BuildReport = {
  v: 1,
  outcome: 'failed',
  reason: 'BuildFailed',
  message: 'step "RUN make" ended with status 2',
  log: 'make: *** no rule\nerror: building',
}

describe('a build report', () => {
  it('is read back, with a digest, without one, and of a failure', () => {
    for (const report of [describeBuilt('built and pushed', digest), describeBuilt('built', undefined), failure])
      expect(parseBuildReport(formatBuildReport(report))).toEqual(report)
  })

  it('never grows beyond what the kubelet keeps, and keeps its reason', () => {
    const text = fc.string({ maxLength: 6000, unit: 'binary' })
    fc.assert(
      fc.property(text, text, (message, log) => {
        const written = formatBuildReport({ ...failure, message, log })
        expect(Buffer.byteLength(written)).toBeLessThanOrEqual(4000)
        expect(parseBuildReport(written)?.reason).toBe('BuildFailed')
      }),
      { numRuns: 100 },
    )
  })

  it('keeps the end of a long log, from the beginning of a line', () => {
    const log = Array.from({ length: 500 }, (_, index) => `line ${index} "quoted" é`).join('\n')
    const kept = parseBuildReport(formatBuildReport({ ...failure, message: 'x'.repeat(3000), log }))?.log ?? ''
    expect(kept).toMatch(/^line \d+ "quoted" é\n/)
    expect(kept).toMatch(/line 499 "quoted" é$/)
    expect(Buffer.byteLength(cutLog('é'.repeat(5000)))).toBeLessThanOrEqual(2048)
    expect(cutLog('é'.repeat(5000))).toMatch(/^é+$|^é+…$/)
    expect(cutLog('a\r\n\u001b[31mb\n\n')).toBe('a\n [31mb')
  })

  it('of a failure has the reason of the error, and its log', () => {
    const error = new BuildError('BuilderUnavailable', 'no buildah', { log: 'last\u0007words' })
    expect(describeBuildFailure(error)).toEqual({
      v: 1,
      outcome: 'failed',
      reason: 'BuilderUnavailable',
      message: 'no buildah',
      log: 'last words',
    })
    expect(describeBuildFailure(new KmmError('x', { code: 'ImageNotFound' })).reason).toBe('ImageNotFound')
    expect(describeBuildFailure(new KmmError('x', { code: 'Conflict' })).reason).toBe('Unknown')
    expect(describeBuildFailure(new Error('x')).reason).toBe('Unknown')
    expect(describeBuildFailure(Object.assign(new Error('x'), { code: 'ENOSPC' })).reason).toBe('OutOfSpace')
    expect(describeBuildFailure(new DOMException('x', 'AbortError')).reason).toBe('Aborted')
  })

  it.each([
    ['no JSON', 'Killed'],
    ['of another version', JSON.stringify({ ...failure, v: 2 })],
    ['without an outcome', JSON.stringify({ ...failure, outcome: 'fine' })],
    ['too long', JSON.stringify({ ...failure, message: 'x'.repeat(20_000) })],
  ])('is none when it is %s', (_what, text) => {
    expect(parseBuildReport(text)).toBeUndefined()
  })

  it('is bounded, whatever a pod wrote', () => {
    const text = JSON.stringify({
      ...failure,
      reason: 'Pwned',
      message: 'a\u001b[2Jb',
      digest: 'latest',
      log: 7,
      more: 1,
    })
    expect(parseBuildReport(text)).toEqual({ v: 1, outcome: 'failed', reason: 'Unknown', message: 'a [2Jb' })
    const long = parseBuildReport(JSON.stringify({ ...failure, log: 'y\u0000'.repeat(2000) }))
    expect(Buffer.byteLength(long?.log ?? '')).toBeLessThanOrEqual(2048)
  })
})
