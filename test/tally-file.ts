import { appendFileSync, readFileSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** A list that all test processes of one run add to; they find its file by an environment variable. */
export class TallyFile<Entry> {
  readonly #variable: string

  constructor(variable: string) {
    this.#variable = variable
  }

  /** Adds an entry; outside of the suite it goes nowhere. */
  add(entry: Entry): void {
    const file = process.env[this.#variable]
    if (file !== undefined) appendFileSync(file, `${JSON.stringify(entry)}\n`)
  }

  /** Begins the list, before there are test processes; the answer ends it and prints what `describe` makes of it. */
  async begin(describe: (entries: readonly Entry[]) => readonly string[]): Promise<() => Promise<void>> {
    const folder = await mkdtemp(join(tmpdir(), 'kmm-tally-'))
    const file = join(folder, 'tally')
    await writeFile(file, '')
    process.env[this.#variable] = file
    return async () => {
      const lines = readFileSync(file, 'utf8').split('\n').filter(Boolean)
      const entries = lines.map((line) => JSON.parse(line) as Entry)
      process.stdout.write(`\n${describe(entries).join('\n')}\n`)
      await rm(folder, { recursive: true })
    }
  }
}
