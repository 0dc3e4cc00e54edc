import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { chapters } from './api/chapters.ts'
import type { ApiAnswer, Body } from './api/client.ts'
import { Observer } from './api/context.ts'
import { findDisagreements, readRecording } from './api/suite.ts'
import { startApiTarget } from './api/target.ts'
import { compare, describeDisagreement, type Disagreement, judge } from './compare.ts'
import { acceptedDifferences } from './differences.ts'
import { Normaliser } from './observe.ts'
import { type Spoil, startSpoiler } from './spoil.ts'

/** What a wrong API server would do. */
const wrongs: Record<string, Spoil> = {
  // A name that is taken is a conflict, not a success.
  taken: (answer) => (isStatus(answer, 'AlreadyExists') ? { ...answer, status: 200 } : answer),
  // Pods that say nothing are restarted.
  restartPolicy: (answer) => (answer.body['kind'] === 'Pod' ? withSpec(answer, { restartPolicy: 'Never' }) : answer),
  // Every change of a spec is counted.
  generation: (answer) => (answer.body['kind'] === 'Module' ? withMetadata(answer, { generation: 1 }) : answer),
}

const isStatus = ({ body }: ApiAnswer, reason: string): boolean => body['reason'] === reason

const withSpec = (answer: ApiAnswer, spec: Body): ApiAnswer => ({
  ...answer,
  body: { ...answer.body, spec: { ...(answer.body['spec'] as Body), ...spec } },
})

const withMetadata = (answer: ApiAnswer, metadata: Body): ApiAnswer => ({
  ...answer,
  body: { ...answer.body, metadata: { ...answer.body.metadata, ...metadata } },
})

const tried = [
  'a name that is taken, a name that does not fit the path, a uid of another object',
  'an update that changes nothing keeps the resourceVersion',
  'the generation of a custom resource counts changes of its spec alone',
  'the smallest pod is defaulted',
  'writes with an old resourceVersion conflict',
]

describe('a wrong API server', () => {
  let observer: Observer
  let spoil: Spoil = (answer) => answer

  beforeAll(async () => {
    const target = await startApiTarget('embedded')
    observer = await Observer.start(await startSpoiler(target, (answer, request) => spoil(answer, request)))
  })

  afterAll(() => observer.stop())

  async function disagreements(): Promise<Disagreement[]> {
    const found: Disagreement[] = []
    for (const { name, cases } of chapters) {
      const some = cases.filter((each) => tried.includes(each.name))
      found.push(...(await findDisagreements(observer, { name, cases: some }, acceptedDifferences)))
    }
    return found
  }

  it('is not told from the right one as long as nothing is spoiled', async () => {
    expect(await disagreements()).toEqual([])
  })

  it.each([
    ['a status code', 'taken', tried[0], ['taken.status']],
    ['a default', 'restartPolicy', tried[3], ['body.spec.restartPolicy']],
    ['a count', 'generation', tried[2], ['[3].generation', '[4].generation', '[5].generation']],
  ])('is told by %s: the case and the place are named, and no other', async (_what, wrong, name, paths) => {
    spoil = wrongs[wrong] ?? spoil
    const found = await disagreements()
    spoil = (answer) => answer
    expect(found.map((each) => [each.case, each.path])).toEqual(paths.map((path) => [name, path]))
  })
})

describe('the comparison', () => {
  it('names each place that differs, with both values', () => {
    expect(compare({ a: [1, { b: 'x' }], c: null }, { a: [1, { b: 'y' }, 2], d: true })).toEqual([
      { path: 'a[1].b', expected: 'x', got: 'y' },
      { path: 'a[2]', expected: undefined, got: 2 },
      { path: 'c', expected: null, got: undefined },
      { path: 'd', expected: undefined, got: true },
    ])
  })

  it('says in words what is where', () => {
    const words = describeDisagreement({ case: 'a case', path: 'a.b', expected: 1, got: undefined })
    expect(words).toBe('a case: at a.b\n  expected 1\n  got      (absent)')
  })

  it('leaves out what is accepted, there and below, and tells of rows that are not needed', () => {
    const recorded = { one: { a: { b: 1 }, ab: 1 }, two: 1 }
    const rows = ['a', 'c'].map((path) => ({ case: 'one', path, reason: 'known' }))
    const { disagreements, needless } = judge(recorded, { one: { a: { b: 2 }, ab: 2 } }, rows)
    expect(disagreements).toEqual([{ case: 'one', path: 'ab', expected: 1, got: 2 }])
    expect(needless).toEqual([rows[1]])
  })

  it('tells a case that was never recorded', () => {
    expect(judge({}, { new: 1 }).disagreements).toEqual([{ case: 'new', path: '', expected: undefined, got: 1 }])
    expect(readRecording('no such chapter').cases).toEqual({})
  })
})

describe('an observation', () => {
  it('keeps which uids and versions are the same, and forgets which they are', () => {
    const uid = (last: string): string => `00000000-0000-0000-0000-00000000000${last}`
    const object = (name: string, last: string, resourceVersion: string): unknown => ({
      metadata: { name, uid: uid(last), resourceVersion, creationTimestamp: '2026-01-01T00:00:00Z', managedFields: [] },
    })
    const seen = [object('a', '1', '5'), object('a', '1', '6'), object('b', '2', '6')]
    const meta = (name: string, number: number, version: number): unknown => ({
      metadata: {
        creationTimestamp: '<time>',
        name,
        resourceVersion: `<version ${version}>`,
        uid: `<uid ${number}>`,
      },
    })
    expect(new Normaliser().normalise(seen)).toEqual([meta('a', 1, 1), meta('a', 1, 2), meta('b', 2, 2)])
  })

  it('names generated names by their prefix, wherever they stand', () => {
    const made = { metadata: { name: 'made-x2x4x', generateName: 'made-' }, message: 'made-x2x4x is there' }
    expect(new Normaliser().normalise(made)).toEqual({
      metadata: { name: 'made-<suffix 1>', generateName: 'made-' },
      message: 'made-<suffix 1> is there',
    })
  })
})
