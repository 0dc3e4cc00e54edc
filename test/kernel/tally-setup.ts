import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describeTally, tallyVariable } from './tally.ts'

/** Gives the suite a file in which it counts what was real; says at the end what that was. */
export async function setup(): Promise<() => Promise<void>> {
  const folder = await mkdtemp(join(tmpdir(), 'kmm-tally-'))
  const file = join(folder, 'tally')
  await writeFile(file, '')
  process.env[tallyVariable] = file
  return async () => {
    process.stdout.write(`\n${describeTally(file).join('\n')}\n`)
    await rm(folder, { recursive: true })
  }
}
