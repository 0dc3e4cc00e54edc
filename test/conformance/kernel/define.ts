import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { describeDisagreement, type Json, judge } from '../compare.ts'
import type { Target } from '../target.ts'
import { collectModprobeLines } from './modprobe-lines.ts'
import { readRecording, record, type Recording } from './recording.ts'
import type { Scenario } from './scenario.ts'
import { Stage } from './stage.ts'
import { Story } from './story.ts'

/** How the scenarios are played on a target. */
export interface ScenariosOptions {
  open: () => Promise<Target>
  scenarios: readonly Scenario[]
  /** Play those that may be at the same time. */
  concurrently?: boolean
  /** A scenario may take this long. */
  timeoutMs?: number
  /** Ask modprobe and the kernel alone, too; the default. */
  commandLines?: boolean
}

/** Plays a scenario; answers what was told in its course. */
export async function playScenario(stage: Stage, scenario: Scenario): Promise<Json> {
  const story = await Story.open(stage, scenario)
  try {
    await scenario.play(story)
    await story.until('the last event', () => story.words.hasAllEvents)
    const { says } = scenario
    if (says !== undefined) expect(story.words.reports.map(({ reason }) => reason)).toContain(says)
    return story.words.toJson()
  } finally {
    await story.close()
  }
}

/** Demands that what was seen is what was recorded on a real kernel. */
export function expectRecorded(recording: Recording, seen: Readonly<Record<string, Json>>): void {
  record(recording, seen)
  expect(judge(readRecording(recording), seen).disagreements.map(describeDisagreement)).toEqual([])
}

/** Defines the test that asks modprobe and the kernel alone, without an operator. */
function defineCommandLines(getTarget: () => Target, timeoutMs: number): void {
  it(
    'has modprobe and the kernel answer command lines as real ones do',
    async () => {
      const target = getTarget()
      const [release = '', otherRelease = release] = target.releases
      const node = await target.openNode({ name: 'modprobe-lines', release, inTree: ['dummy', 'ifb'] })
      try {
        expectRecorded('modprobe', await collectModprobeLines(node, otherRelease))
      } finally {
        await node.close()
      }
    },
    timeoutMs * 2,
  )
}

/** Defines a test a scenario: that it ends well, and that workers, conditions and events tell what they told on a real kernel. */
export function defineScenarios(name: string, options: ScenariosOptions): void {
  const { scenarios, concurrently = false, timeoutMs = 60_000, commandLines = true } = options
  describe(name, () => {
    let stage: Stage
    let close = (): Promise<void> => Promise.resolve()
    beforeAll(async () => {
      const target = await options.open()
      close = () => target.stop()
      stage = await Stage.open(target)
      close = async () => {
        await stage.close()
        await target.stop()
      }
    }, 600_000)
    afterAll(() => close(), 60_000)

    const play = async (scenario: Scenario): Promise<void> => {
      const told = await playScenario(stage, scenario)
      expectRecorded('words', { [scenario.name]: told })
    }
    if (commandLines) defineCommandLines(() => stage.target, timeoutMs)
    const inParallel = concurrently ? it.concurrent : it
    for (const scenario of scenarios.filter(({ alone }) => alone !== true))
      inParallel(scenario.title, () => play(scenario), timeoutMs)
    for (const scenario of scenarios.filter(({ alone }) => alone === true))
      it(scenario.title, () => play(scenario), timeoutMs)
  })
}
