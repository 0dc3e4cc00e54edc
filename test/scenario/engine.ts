import { homedir } from 'node:os'
import { type EngineChoice, prepareEngine } from '../../src/cli/engine.ts'

/** How much longer than the embedded one a real cluster may take: it collects a dead node's pods after a minute. */
export const patience = process.env['KMM_TEST_ENGINE'] === 'kubernetes' ? 3 : 1

/** Makes ready the engine that KMM_TEST_ENGINE names; without it, the embedded one. */
export async function chooseEngine(): Promise<EngineChoice> {
  const { KMM_TEST_ENGINE: engine = 'embedded' } = process.env
  if (engine !== 'embedded' && engine !== 'kubernetes')
    throw new Error(`KMM_TEST_ENGINE is ${engine}: it must be embedded or kubernetes`)
  const tell = (line: string): void => void process.stderr.write(`${line}\n`)
  return prepareEngine(engine, { environment: process.env, home: homedir(), root: '.', tell })
}
