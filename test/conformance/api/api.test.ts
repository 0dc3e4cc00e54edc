import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { describeDisagreement, judge, type Json } from '../compare.ts'
import { acceptedDifferences } from '../differences.ts'
import { chapters } from './chapters.ts'
import { Observer } from './context.ts'
import { findKubectl } from './kubectl.ts'
import { readRecording, writeRecording } from './suite.ts'
import { type ApiTarget, startApiTarget } from './target.ts'

const isReal = process.env['KMM_TEST_ENGINE'] === 'kubernetes'
/** Writes down what the real API server answers, instead of comparing. */
const isRecording = isReal && process.env['KMM_RECORD'] === '1'
const kubectl = findKubectl()
const caseTimeoutMs = 120_000
/** A first start builds the control plane. */
const startTimeoutMs = 40 * 60_000

let target: ApiTarget
let observer: Observer

beforeAll(async () => {
  target = await startApiTarget(isReal ? 'kubernetes' : 'embedded')
  observer = await Observer.start(target, kubectl)
}, startTimeoutMs)

afterAll(() => observer.stop(), caseTimeoutMs)

describe.concurrent.each(chapters)('$name', (chapter) => {
  const recorded = readRecording(chapter.name).cases
  const observed: Record<string, Json> = {}
  // Real programs are always there; elsewhere a machine may lack kubectl, and the API itself is compared all the same.
  const isSkipped = chapter.needsKubectl === true && kubectl === undefined && !isReal

  afterAll(() => {
    if (isRecording) writeRecording(chapter, target.version, observed)
  })

  it.skipIf(isSkipped).each(chapter.cases)(
    '$name',
    async (each) => {
      const observation = await observer.observe(each)
      observed[each.name] = observation
      if (isRecording) return
      const rows = isReal ? [] : acceptedDifferences
      const { disagreements, needless } = judge(recorded, { [each.name]: observation }, rows)
      expect(disagreements.map(describeDisagreement).join('\n')).toBe('')
      expect(needless, 'these rows of differences.ts are not needed any more').toEqual([])
    },
    caseTimeoutMs,
  )
})

describe('the accepted differences', () => {
  it('name cases that there are, each with a reason', () => {
    const names = chapters.flatMap(({ cases }) => cases.map(({ name }) => name))
    expect(new Set(names).size).toBe(names.length)
    expect(acceptedDifferences.filter((row) => !names.includes(row.case) || row.reason.length < 10)).toEqual([])
  })
})
