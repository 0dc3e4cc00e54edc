import { homedir } from 'node:os'
import { findBinaries, type KubernetesBinaries } from '../../src/sandbox/kubernetes/binaries.ts'

/** The control plane that the suite runs on; its global setup has made it ready. */
export function findTestBinaries(): Promise<KubernetesBinaries> {
  return findBinaries({ environment: process.env, home: homedir(), root: '.' })
}
