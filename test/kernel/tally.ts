import { appendFileSync, readFileSync } from 'node:fs'
import type { MachineEvent } from '../../src/sandbox/qemu/machine-options.ts'

/** Something that a real part did in this run of the suite. */
export type TallyEntry =
  | MachineEvent
  | { what: 'podOfKubelet'; kubelet: string; name: string }
  | { what: 'kubernetes'; version: string }

/** The file that the test processes of one run share. */
export const tallyVariable = 'KMM_KERNEL_TALLY'

/** Notes what a real part did; outside of the suite it goes nowhere. */
export function tally(entry: TallyEntry): void {
  const file = process.env[tallyVariable]
  if (file !== undefined) appendFileSync(file, `${JSON.stringify(entry)}\n`)
}

/** Says what was real, in a few lines. */
export function describeTally(file: string): string[] {
  const lines = readFileSync(file, 'utf8').split('\n').filter(Boolean)
  const entries = lines.map((line) => JSON.parse(line) as TallyEntry)
  const count = (what: TallyEntry['what']): number => entries.filter((entry) => entry.what === what).length
  const list = (pick: (entry: TallyEntry) => string | undefined): string =>
    [...new Set(entries.map(pick))]
      .filter((value) => value !== undefined)
      .sort()
      .join(', ') || 'none'
  return [
    'What was real:',
    `  Kubernetes   ${list((entry) => (entry.what === 'kubernetes' ? entry.version : undefined))}`,
    `  kernels      ${list((entry) => ('release' in entry ? entry.release : undefined))}`,
    `  machines     ${count('booted')} booted, ${count('restored')} started from a saved one`,
    `  modules      ${count('inserted')} inserted, ${count('removed')} removed (${list((entry) => ('module' in entry ? entry.module : undefined))})`,
    `  pods         ${count('podOfKubelet')} run by a real kubelet (${list((entry) => (entry.what === 'podOfKubelet' ? entry.kubelet : undefined))})`,
  ]
}
