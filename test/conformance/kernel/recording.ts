import { readFileSync, writeFileSync } from 'node:fs'
import type { Json } from '../compare.ts'

/**
 * `words` are what was told of the Module in each scenario, `modprobe` what modprobe and the kernel said to command lines,
 * `damage` what they said to module files with which something is wrong, and `enforced` the same under enforcement.
 */
export type Recording = 'words' | 'modprobe' | 'damage' | 'enforced'

const fileOf = (recording: Recording): string => `test/conformance/kernel/recorded/${recording}.json`

/** What was seen on a real kernel, by the name of the case. */
export function readRecording(recording: Recording): Record<string, Json> {
  return JSON.parse(readFileSync(fileOf(recording), 'utf8')) as Record<string, Json>
}

/** With `KMM_RECORD=1`, keeps what is seen now; only in the suite of real kernels, whose words the recordings are. */
export function record(recording: Recording, seen: Readonly<Record<string, Json>>): void {
  if (process.env['KMM_RECORD'] !== '1' || process.env['KMM_TEST_KERNEL'] !== 'real') return
  const all = Object.entries({ ...readRecording(recording), ...seen })
  const sorted = Object.fromEntries(all.sort(([one], [other]) => (one < other ? -1 : 1)))
  writeFileSync(fileOf(recording), `${JSON.stringify(sorted, null, 2)}\n`)
}
