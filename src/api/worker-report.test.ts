import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { reportReasons } from '../errors/reason.ts'
import { formatWorkerReport, maxReportBytes, parseWorkerReport, type WorkerReport } from './worker-report.ts'

const report: WorkerReport = {
  v: 1,
  bootID: '6c5b0f3e-0d3f-4a53-9a57-0a8f6e0f2b11',
  kernel: '6.1.0-50-amd64',
  action: 'load',
  outcome: 'ok',
  alreadyLoaded: false,
  reason: 'Loaded',
  message: 'mod_a is loaded.',
  modules: [{ name: 'mod_a', srcversion: '533BB7E5866E52F63B9ACCB', refcnt: 0 }],
  durationsMs: { pull: 120, extract: 30.5, modprobe: 8 },
}

const texts = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 6000, size: 'max' }),
  fc.string({ unit: 'grapheme', maxLength: 1500, size: 'max' }),
  fc.string({ maxLength: 200 }),
)
const moduleEntries = fc.record(
  {
    name: fc.string({ maxLength: 64 }),
    srcversion: fc.string({ maxLength: 40 }),
    refcnt: fc.nat(),
  },
  { requiredKeys: ['name'] },
)
const reports: fc.Arbitrary<WorkerReport> = fc.record(
  {
    v: fc.constant(1 as const),
    bootID: texts,
    kernel: texts,
    action: fc.constantFrom('load' as const, 'unload' as const),
    outcome: fc.constantFrom('ok' as const, 'failed' as const),
    alreadyLoaded: fc.boolean(),
    reason: fc.constantFrom(...reportReasons),
    message: texts,
    modules: fc.array(moduleEntries, { maxLength: 120, size: 'max' }),
    more: fc.integer({ min: 1, max: 1000 }),
    durationsMs: fc.record({ pull: fc.nat(), extract: fc.nat(), modprobe: fc.nat() }, { requiredKeys: [] }),
  },
  {
    requiredKeys: [
      'v',
      'bootID',
      'kernel',
      'action',
      'outcome',
      'alreadyLoaded',
      'reason',
      'message',
      'modules',
      'durationsMs',
    ],
  },
)

describe('formatWorkerReport', () => {
  it('writes a report that parses to the same report when it is small', () => {
    expect(parseWorkerReport(formatWorkerReport(report))).toEqual(report)
  })

  it('always writes JSON of at most 4,000 bytes that keeps reason, outcome and the number of modules', () => {
    fc.assert(
      fc.property(reports, (each) => {
        const text = formatWorkerReport(each)
        expect(Buffer.byteLength(text)).toBeLessThanOrEqual(maxReportBytes)
        const parsed = parseWorkerReport(text)
        expect(parsed).toMatchObject({ reason: each.reason, outcome: each.outcome, action: each.action })
        const count = (some: WorkerReport): number => some.modules.length + (some.more ?? 0)
        expect(count(parsed ?? report)).toBe(count(each))
      }),
      { numRuns: 200 },
    )
  })

  it('cuts the message before it leaves out modules', () => {
    const modules = Array.from({ length: 20 }, (_, index) => ({ name: `mod_${index}`, refcnt: index }))
    const parsed = parseWorkerReport(formatWorkerReport({ ...report, message: 'é'.repeat(5000), modules }))
    expect(parsed?.modules).toEqual(modules)
    expect(parsed?.more).toBeUndefined()
    expect(parsed?.message).toMatch(/^é{1000,}…$/)
  })

  it('leaves out modules when the cut message is not enough, and counts them', () => {
    const modules = Array.from({ length: 200 }, (_, index) => ({ name: `module_with_a_long_name_${index}` }))
    const parsed = parseWorkerReport(formatWorkerReport({ ...report, message: 'm'.repeat(5000), modules, more: 3 }))
    expect(parsed?.message).toHaveLength(200)
    expect(parsed?.modules.length).toBeGreaterThan(50)
    expect((parsed?.more ?? 0) + (parsed?.modules.length ?? 0)).toBe(203)
  })

  it.each(['', 'a'])('does not cut a character in half, after "%s"', (start) => {
    const parsed = parseWorkerReport(formatWorkerReport({ ...report, message: start + '🦀'.repeat(3000) }))
    expect(parsed?.message).toMatch(/^a?(?:🦀)+…$/u)
  })
})

describe('parseWorkerReport', () => {
  it.each([
    ['is empty', ''],
    ['is a sentence', 'The container could not be located when the pod was deleted'],
    ['is a list', '[1]'],
    ['is a number', '17'],
  ])('finds no report in a text that %s', (_title, text) => {
    expect(parseWorkerReport(text)).toBeUndefined()
  })

  it.each([
    ['is cut', formatWorkerReport(report).slice(0, 100)],
    ['has another version', JSON.stringify({ ...report, v: 2 })],
    ['has no version', JSON.stringify({ ...report, v: undefined })],
    ['has another action', JSON.stringify({ ...report, action: 'reboot' })],
    ['has another outcome', JSON.stringify({ ...report, outcome: 'maybe' })],
    ['is empty', '{}'],
  ])('makes a failed report with the raw text of a report that %s', (_title, text) => {
    expect(parseWorkerReport(text)).toMatchObject({ outcome: 'failed', reason: 'Unknown', bootID: '', message: text })
  })

  it('keeps the rest of a report whose reason it does not know', () => {
    const text = JSON.stringify({ ...report, outcome: 'failed', reason: 'SolarFlare' })
    expect(parseWorkerReport(text)).toEqual({ ...report, outcome: 'failed', reason: 'Unknown', message: text })
  })

  it('does not parse a text that is longer than any report', () => {
    const text = JSON.stringify({ ...report, extra: 'x'.repeat(20_000) })
    const parsed = parseWorkerReport(text)
    expect(parsed?.reason).toBe('Unknown')
    expect(parsed?.message).toHaveLength(1000)
  })

  it.each(['{', '{a'])('does not cut a character of the raw text in half, after "%s"', (start) => {
    expect(parseWorkerReport(start + '🦀'.repeat(2000))?.message).toMatch(/^\{a?(?:🦀)+…$/u)
  })

  it('drops what has the wrong type and bounds the rest', () => {
    const hostile = {
      ...report,
      bootID: 7,
      message: `a\u0000b\u001b[31mc\n${'d'.repeat(9000)}`,
      modules: [
        null,
        { name: 5 },
        { name: 'x'.repeat(500), refcnt: -1, srcversion: {} },
        ...Array(400).fill(report.modules[0]),
      ],
      durationsMs: { pull: '1', extract: Number.MAX_VALUE, modprobe: -1, other: 1 },
      more: 1.5,
      alreadyLoaded: 'yes',
    }
    const parsed = parseWorkerReport(JSON.stringify(hostile).slice(0, 16_384))
    expect(parsed?.reason).toBe('Unknown')
    const small = parseWorkerReport(
      JSON.stringify({ ...hostile, message: 'a\u0000b\u001b[31mc\n', modules: hostile.modules.slice(0, 4) }),
    )
    expect(small).toEqual({
      ...report,
      bootID: '',
      message: 'a b [31mc\n',
      modules: [{ name: `${'x'.repeat(127)}…` }, report.modules[0]],
      durationsMs: { extract: Number.MAX_VALUE },
    })
  })

  it('never throws, whatever it reads', () => {
    fc.assert(
      fc.property(
        fc.oneof(
          texts,
          fc.json().map((text) => text),
          fc.object().map((value) => JSON.stringify({ ...report, ...value })),
        ),
        (text) => {
          const parsed = parseWorkerReport(text)
          if (parsed) expect(Buffer.byteLength(formatWorkerReport(parsed))).toBeLessThanOrEqual(maxReportBytes)
        },
      ),
    )
  })
})
