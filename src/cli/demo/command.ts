import { Command } from 'commander'
import { describeError } from '../../errors/error.ts'
import { runDemo } from './demo.ts'
import { createNarrator } from './narrator.ts'

interface Flags {
  json?: boolean
  keep?: boolean
}

/** What the command works with. */
export interface DemoCommandOptions {
  /** The folder of the package: `examples/`, `deploy/` and `dist/` are below it. */
  root: string
  write: (line: string) => void
  createStopSignal: () => AbortSignal
}

/** `kmm sandbox demo`: tells the story, and ends with status 1 when something in it fails. */
export function createDemoCommand({ root, write, createStopSignal }: DemoCommandOptions): Command {
  return new Command('demo')
    .description('start a sandbox, load a kernel module on three nodes, and unload it again')
    .option('--json', 'print one JSON object a line')
    .option('--keep', 'stay up with the module loaded until interrupted')
    .action(async ({ json = false, keep = false }: Flags) => {
      const startedMs = Date.now()
      const narrator = createNarrator({ json, write, now: Date.now })
      const seconds = (): number => Math.round((Date.now() - startedMs) / 100) / 10
      const signal = createStopSignal()
      try {
        await runDemo({ root, narrator, keep, signal })
        if (json) write(JSON.stringify({ ok: true, event: 'done', seconds: seconds() }))
        else if (keep) write('\nThe sandbox is gone.')
        else write(`\nDone in ${seconds()} s: loaded on every node, and nothing left behind.`)
      } catch (error) {
        const message = signal.aborted ? 'it was interrupted' : describeError(error)
        if (json) write(JSON.stringify({ ok: false, event: 'failed', seconds: seconds(), message }))
        else write(`\nThe demo failed: ${message}`)
        process.exitCode = 1
      }
    })
}
