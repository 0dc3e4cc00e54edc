import { homedir } from 'node:os'
import { findBinaries, type KubernetesBinaries } from '../../src/sandbox/kubernetes/binaries.ts'

/** What `startSandbox` is told of the engine that the tests are run on. */
export type EngineChoice = { engine: 'embedded' } | { engine: 'kubernetes'; binaries: KubernetesBinaries }

/** Finds the engine that KMM_TEST_ENGINE names; without it, the embedded one. */
export async function chooseEngine(): Promise<EngineChoice> {
  const { KMM_TEST_ENGINE: engine = 'embedded' } = process.env
  if (engine === 'embedded') return { engine }
  if (engine !== 'kubernetes') throw new Error(`KMM_TEST_ENGINE is ${engine}: it must be embedded or kubernetes`)
  const tell = (line: string): void => void process.stderr.write(`${line}\n`)
  return { engine, binaries: await findBinaries({ environment: process.env, home: homedir(), root: '.', tell }) }
}
