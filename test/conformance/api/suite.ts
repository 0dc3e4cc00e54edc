import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { type Disagreement, judge, type AcceptedDifference, type Json } from '../compare.ts'
import type { ApiCase, Observer } from './context.ts'

/** The cases of one file. */
export interface Chapter {
  /** The name of the file with the recording. */
  name: string
  cases: readonly ApiCase[]
  needsKubectl?: boolean
}

/** What the real API server answered. */
export interface Recording {
  kubernetes: string
  cases: Record<string, Json>
}

const folder = new URL('../recorded/', import.meta.url)

const fileOf = (chapter: string): URL => new URL(`${chapter}.json`, folder)

/** Reads what was recorded of a chapter; empty when nothing was. */
export function readRecording(chapter: string): Recording {
  const file = fileOf(chapter)
  if (!existsSync(file)) return { kubernetes: '', cases: {} }
  return JSON.parse(readFileSync(file, 'utf8')) as Recording
}

/** Writes what was observed of a chapter's cases, in their order; recorded cases that were not observed stay. */
export function writeRecording(chapter: Chapter, kubernetes: string, observed: Record<string, Json>): void {
  const known = readRecording(chapter.name).cases
  const entries = chapter.cases.flatMap(({ name }): [string, Json][] => {
    const observation = observed[name] ?? known[name]
    return observation === undefined ? [] : [[name, observation]]
  })
  const recording: Recording = { kubernetes, cases: Object.fromEntries(entries) }
  writeFileSync(fileOf(chapter.name), `${JSON.stringify(recording, null, 2)}\n`)
}

/** Observes cases and compares them with the recording: every place that differs and is not accepted. */
export async function findDisagreements(
  observer: Pick<Observer, 'observe'>,
  { name, cases }: Chapter,
  accepted: readonly AcceptedDifference[] = [],
): Promise<Disagreement[]> {
  const recorded = readRecording(name).cases
  const observed: Record<string, Json> = {}
  for (const each of cases) observed[each.name] = await observer.observe(each)
  return judge(recorded, observed, accepted).disagreements
}
