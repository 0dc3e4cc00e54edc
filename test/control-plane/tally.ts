import type { WriteRecord } from '../../src/sandbox/apiserver/faults.ts'
import type { ControlPlane } from '../../src/sandbox/kubernetes/control-plane.ts'
import { TallyFile } from '../tally-file.ts'

/** What one real control plane did. */
interface TallyEntry {
  version: string
  writes: Record<string, number>
}

/** What the real control planes of one run of the suite did. */
export const tallyFile = new TallyFile<TallyEntry>('KMM_CLUSTER_TALLY')

/** `kube-scheduler/v1.36.2 (linux/amd64) …` is kube-scheduler. */
const programOf = ({ userAgent }: WriteRecord): string => userAgent.split('/')[0] ?? ''

/** Notes what a control plane has done, before it stops. */
export function tally({ version, writes }: Pick<ControlPlane, 'version' | 'writes'>): void {
  const counts: Record<string, number> = {}
  for (const write of writes) counts[programOf(write)] = (counts[programOf(write)] ?? 0) + 1
  tallyFile.add({ version, writes: counts })
}

/** Says what was real, in a few lines. */
export function describeTally(entries: readonly TallyEntry[], origin: string): string[] {
  const versions = [...new Set(entries.map(({ version }) => version))].join(', ') || 'none'
  const counts = new Map<string, number>()
  for (const [program, count] of entries.flatMap(({ writes }) => Object.entries(writes)))
    counts.set(program, (counts.get(program) ?? 0) + count)
  const all = [...counts.values()].reduce((sum, count) => sum + count, 0)
  const most = [...counts].sort(([, left], [, right]) => right - left).slice(0, 6)
  return [
    'What was real:',
    `  Kubernetes   ${versions}, ${origin}`,
    `  clusters     ${entries.length} of etcd, kube-apiserver, kube-controller-manager and kube-scheduler`,
    `  API writes   ${all} served: ${most.map(([program, count]) => `${program} ${count}`).join(', ')}`,
  ]
}
