import { buildPrograms } from '../scripts/programs.ts'

/** Bundles the programs once, so that tests start the same files that ship. */
export async function setup(): Promise<void> {
  await buildPrograms()
}
