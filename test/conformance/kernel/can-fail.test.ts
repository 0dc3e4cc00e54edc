import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { type Json, judge } from '../compare.ts'
import { openVirtualTarget } from '../virtual-target.ts'
import { playScenario } from './define.ts'
import { collectModprobeLines } from './modprobe-lines.ts'
import { readRecording, type Recording } from './recording.ts'
import { scenarios } from './scenarios.ts'
import { Stage } from './stage.ts'

// The words of a newer kmod, which the worker knows as well: all scenarios end as they should, and only what is told is wrong.
const rightWords = 'Exec format error'
const wrongWords = 'Invalid module format'

/** A program that runs the sandbox's modprobe and spoils what it says. */
const spoiler = (program: string): string => `
const write = process.stderr.write.bind(process.stderr)
process.stderr.write = (text, ...rest) => write(String(text).replaceAll(${JSON.stringify(rightWords)}, ${JSON.stringify(wrongWords)}), ...rest)
await import(${JSON.stringify(pathToFileURL(program).href)})
`

let folder: string
let stage: Stage
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'kmm-can-fail-'))
  const modprobeProgram = join(folder, 'modprobe.mjs')
  await writeFile(modprobeProgram, spoiler(resolve('dist/modprobe-sandbox.js')))
  stage = await Stage.open(await openVirtualTarget('virtual kernels with a modprobe that lies', { modprobeProgram }))
})
afterAll(async () => {
  await stage.close()
  await stage.target.stop()
  await rm(folder, { recursive: true })
})

/** The recorded cases in which the words are said. */
const casesThatSay = (recording: Recording, names: readonly string[]): string[] => {
  const recorded = readRecording(recording)
  return names.filter((name) => JSON.stringify(recorded[name]).includes(rightWords)).sort()
}

const namedCases = (recording: Recording, seen: Readonly<Record<string, Json>>): string[] =>
  [...new Set(judge(readRecording(recording), seen).disagreements.map((each) => each.case))].sort()

it('names the scenarios in which a wrong word is said, and no others', async () => {
  const names = ['parameters', 'other-kernel', 'damaged', 'no-device']
  const played = scenarios.filter(({ name }) => names.includes(name))
  const told = await Promise.all(played.map((scenario) => playScenario(stage, scenario)))
  const seen = Object.fromEntries(played.map(({ name }, index) => [name, told[index] ?? null]))
  expect(namedCases('words', seen)).toEqual(['damaged', 'other-kernel'])
  const [first] = judge(readRecording('words'), seen).disagreements
  expect([JSON.stringify(first?.expected), JSON.stringify(first?.got)]).toEqual([
    expect.stringContaining(rightWords),
    expect.stringContaining(wrongWords),
  ])
})

it('names the command lines at which a wrong word is said, and no others', async () => {
  const { target } = stage
  const node = await target.openNode({ name: 'lines', inTree: ['dummy', 'ifb'] })
  const seen = await collectModprobeLines(node, target.releases[1] ?? '')
  const expected = casesThatSay('modprobe', Object.keys(seen))
  expect(expected.length).toBeGreaterThan(3)
  expect(namedCases('modprobe', seen)).toEqual(expected)
})
