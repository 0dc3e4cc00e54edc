import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { homedir, tmpdir } from 'node:os'
import { join } from 'node:path'
import { findBinaries } from '../../src/sandbox/kubernetes/binaries.ts'
import { describeTally, tallyVariable } from './tally.ts'

const say = (line: string): void => void process.stdout.write(`${line}\n`)

/** Finds or builds the control plane once for all tests, or ends the run; says at the end what was real. */
export async function setup(): Promise<() => Promise<void>> {
  const { version, origin } = await findBinaries({
    environment: process.env,
    home: homedir(),
    root: '.',
    tell: say,
  })
  say(`The tests run on Kubernetes ${version}, ${origin}.`)
  const folder = await mkdtemp(join(tmpdir(), 'kmm-tally-'))
  const file = join(folder, 'tally')
  await writeFile(file, '')
  process.env[tallyVariable] = file
  return async () => {
    say(`\n${describeTally(file, origin).join('\n')}`)
    await rm(folder, { recursive: true })
  }
}
