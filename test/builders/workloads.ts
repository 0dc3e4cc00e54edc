import type { DaemonSet } from 'kubernetes-types/apps/v1.js'
import type { Module } from '../../src/api/module.ts'
import { roleOfDaemonSet } from '../../src/controllers/cluster/plugin-role.ts'
import type { ObservedWorkloads } from '../../src/controllers/workloads/observed.ts'

/** What `workloads` sees of `ns/mod` in a cluster that has DRA, without nodes and pods. */
export function buildObserved(module: Module | undefined, daemonSets: readonly DaemonSet[]): ObservedWorkloads {
  const ofRole = (role: string) => daemonSets.filter((daemonSet) => roleOfDaemonSet(daemonSet) === role)
  return {
    namespace: 'ns',
    name: 'mod',
    ...(module ? { module } : {}),
    daemonSets: { 'device-plugin': ofRole('device-plugin'), dra: ofRole('dra') },
    refused: {},
    pods: [],
    nodes: [],
    dra: { kind: 'present' },
    listedClasses: [],
    unlistedClasses: [],
  }
}
