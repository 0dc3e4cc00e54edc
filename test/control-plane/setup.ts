import { homedir } from 'node:os'
import { findBinaries } from '../../src/sandbox/kubernetes/binaries.ts'
import { describeTally, tallyFile } from './tally.ts'

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
  return tallyFile.begin((entries) => describeTally(entries, origin))
}
