import { homedir } from 'node:os'
import { cacheFolder } from '../../src/sandbox/cache-folder.ts'
import type { MachineSettings } from '../../src/sandbox/node/qemu-backend.ts'
import { tally } from './tally.ts'

/** What the suite's machines are made with: the user's cache, and a count of what they really do. */
export function testMachines(): Pick<MachineSettings, 'cache' | 'path' | 'progress' | 'report'> {
  return {
    cache: cacheFolder(process.env, homedir()),
    path: process.env['PATH'] ?? '',
    progress: (line) => process.stdout.write(`${line}\n`),
    report: tally,
  }
}
