import { writeFile } from 'node:fs/promises'
import { describeError } from '../errors/error.ts'
import { type Host, locate } from './host.ts'

const path = '/dev/termination-log'

/** Writes a report to where the kubelet reads it from. A failure is logged: there is nobody else to tell. */
export async function writeTerminationLog(
  host: Pick<Host, 'root'>,
  report: string,
  log: (line: string) => void,
): Promise<void> {
  await writeFile(locate(host, path), report).catch((error: unknown) => {
    log(`The report could not be written to ${path}: ${describeError(error)}. It says: ${report}`)
  })
}
