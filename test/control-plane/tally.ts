import { appendFileSync, readFileSync } from 'node:fs'
import type { WriteRecord } from '../../src/sandbox/apiserver/faults.ts'
import type { ControlPlane } from '../../src/sandbox/kubernetes/control-plane.ts'

/** Names the file that the test processes of one run share. */
export const tallyVariable = 'KMM_CLUSTER_TALLY'

/** What one real control plane did. */
interface TallyEntry {
  version: string
  writes: Record<string, number>
}

/** `kube-scheduler/v1.36.2 (linux/amd64) …` is kube-scheduler. */
const programOf = ({ userAgent }: WriteRecord): string => userAgent.split('/')[0] ?? ''

/** Notes what a control plane has done, before it stops; outside of the suite it goes nowhere. */
export function tally({ version, writes }: Pick<ControlPlane, 'version' | 'writes'>): void {
  const file = process.env[tallyVariable]
  if (file === undefined) return
  const counts: Record<string, number> = {}
  for (const write of writes) counts[programOf(write)] = (counts[programOf(write)] ?? 0) + 1
  const entry: TallyEntry = { version, writes: counts }
  appendFileSync(file, `${JSON.stringify(entry)}\n`)
}

/** Says what was real, in a few lines. */
export function describeTally(file: string, origin: string): string[] {
  const lines = readFileSync(file, 'utf8').split('\n').filter(Boolean)
  const entries = lines.map((line) => JSON.parse(line) as TallyEntry)
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
