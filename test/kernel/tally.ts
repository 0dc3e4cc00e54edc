import type { MachineEvent } from '../../src/sandbox/qemu/machine-options.ts'
import { TallyFile } from '../tally-file.ts'

/** Something that a real part did in this run of the suite. */
type TallyEntry =
  | MachineEvent
  | { what: 'podOfKubelet'; kubelet: string; name: string }
  | { what: 'kubernetes'; version: string }

/** What the real parts did in this run of the suite. */
export const tallyFile = new TallyFile<TallyEntry>('KMM_KERNEL_TALLY')

/** Notes what a real part did. */
export const tally = (entry: TallyEntry): void => tallyFile.add(entry)

/** Says what was real, in a few lines. */
export function describeTally(entries: readonly TallyEntry[]): string[] {
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
