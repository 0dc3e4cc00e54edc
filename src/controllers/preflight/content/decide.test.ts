import { describe, expect, it } from 'vitest'
import { buildModule } from '../../../../test/builders/module.ts'
import { buildAsked, buildFact, digest, nextKernel } from '../../../../test/builders/preflight.ts'
import { decide } from './decide.ts'
import type { ContentFact, ContentResult, ObservedContent } from './observed.ts'
import { findWish } from './wish.ts'

const nowMs = 1_000_000
const module = buildModule()
const config = buildAsked({ modules: [module] }, { phase: 'Exists', digest })
const fits: ContentResult = { kind: 'fits', message: 'it fits' }
const unknown: ContentResult = { kind: 'unknown', reason: 'RegistryUnreachable', message: 'no answer' }

function observed(parts: Partial<ObservedContent> = {}): ObservedContent {
  const wish = findWish(config, module, nextKernel)
  return { config, module, wish, fact: undefined, architectures: ['amd64'], standingUntilMs: undefined, ...parts }
}

function factOf(result: ContentResult, parts: Partial<ContentFact> = {}): ContentFact {
  const [fact] = [...buildFact(config, module, result).values()]
  if (fact === undefined) throw new Error('no fact was built')
  return { ...fact, atMs: nowMs, ...parts }
}

describe('an image', () => {
  it('that does not exist is not looked into', () => {
    expect(decide(observed({ wish: undefined }), nowMs)).toEqual({ actions: [], waits: [] })
  })

  it('that nobody has looked into is looked into at once', () => {
    const { actions, waits } = decide(observed(), nowMs)
    expect(actions).toMatchObject([{ type: 'lookInto', architectures: ['amd64'], mayWait: false }])
    expect(waits).toMatchObject([{ reason: 'ImageUnknown', untilMs: nowMs + 60_000 }])
  })

  it.each<ContentResult>([fits, { kind: 'wrong', message: 'it does not' }])('that $kind is done with', (result) => {
    expect(decide(observed({ fact: factOf(result) }), nowMs)).toEqual({ actions: [], waits: [] })
  })

  it.each([
    ['another wish', { fact: factOf(fits, { key: 'another' }) }],
    ['other architectures', { fact: factOf(fits), architectures: ['amd64', 'arm64'] }],
  ])('that was looked into for %s is looked into again', (_what, parts) => {
    expect(decide(observed(parts), nowMs).actions).toHaveLength(1)
  })

  it('of which nothing is known is asked for again, less and less often', () => {
    const waitOf = (attempts: number): number =>
      (decide(observed({ fact: factOf(unknown, { attempts }) }), nowMs).waits[0]?.untilMs ?? 0) - nowMs
    expect([waitOf(1), waitOf(2), waitOf(20)]).toEqual([5_000, 10_000, 300_000])
    const late = observed({ fact: factOf(unknown, { attempts: 1, atMs: nowMs - 5_000 }) })
    expect(decide(late, nowMs).actions).toHaveLength(1)
  })

  it('whose result stands in the status waits, and comes after the others', () => {
    const later = decide(observed({ standingUntilMs: nowMs + 7 }), nowMs)
    expect(later).toMatchObject({ actions: [], waits: [{ untilMs: nowMs + 7 }] })
    expect(decide(observed({ standingUntilMs: nowMs }), nowMs).actions).toMatchObject([{ mayWait: true }])
  })
})
