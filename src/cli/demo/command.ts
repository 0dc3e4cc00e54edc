import { Command } from 'commander'
import { describeError } from '../../errors/error.ts'
import { runDemo } from './demo.ts'
import type { Environment } from '../../kube/kubeconfig.ts'
import type { EngineName } from '../../sandbox/engine.ts'
import { createEngineOption, prepareEngine } from '../engine.ts'
import { createNarrator } from './narrator.ts'

interface Flags {
  engine: EngineName
  json?: boolean
  keep?: boolean
}

/** What the command works with. */
export interface DemoCommandOptions {
  /** The folder of the package: `examples/`, `deploy/` and `dist/` are below it. */
  root: string
  /** Where to look for a control plane, besides the user's home folder. */
  environment: Environment
  home: string
  write: (line: string) => void
  createStopSignal: () => AbortSignal
}

/** `kmm sandbox demo`: tells the story, and ends with status 1 when something in it fails. */
export function createDemoCommand(options: DemoCommandOptions): Command {
  const { root, write, createStopSignal } = options
  return new Command('demo')
    .description('start a sandbox, load a kernel module on three nodes, and unload it again')
    .addOption(createEngineOption())
    .option('--json', 'print one JSON object a line')
    .option('--keep', 'stay up with the module loaded until interrupted')
    .action(async ({ engine, json = false, keep = false }: Flags) => {
      const startedMs = Date.now()
      const narrator = createNarrator({ json, write, now: Date.now })
      const seconds = (): number => Math.round((Date.now() - startedMs) / 100) / 10
      const signal = createStopSignal()
      try {
        const tell = (text: string): void => narrator.tell({ event: 'progress', text })
        const choice = await prepareEngine(engine, { ...options, tell, signal })
        await runDemo({ root, narrator, keep, signal, engine: choice })
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
