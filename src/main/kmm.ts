#!/usr/bin/env node
/** The `kmm` program: the operator and the tools for a terminal. */
import { tmpdir } from 'node:os'
import { dirname } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Command } from 'commander'
import { createDemoCommand } from '../cli/demo/command.ts'
import { createSandboxGetCommand } from '../cli/sandbox-get.ts'
import { createSandboxUpCommand } from '../cli/sandbox-up.ts'
import { describeError } from '../errors/error.ts'
import { runOperator } from './compose/run-operator.ts'
import { version } from './compose/version.ts'

interface OperatorFlags {
  config: string
  kubeconfig?: string
  logLevel: 'debug' | 'info' | 'warn' | 'error'
}

/** Aborted at the first SIGINT or SIGTERM; the second ends the process at once. */
function createStopSignal(): AbortSignal {
  const controller = new AbortController()
  for (const name of ['SIGINT', 'SIGTERM'] as const)
    process.on(name, () => {
      if (controller.signal.aborted) process.exit(1)
      controller.abort()
    })
  return controller.signal
}

const program = new Command('kmm').description('Kernel Module Management for Kubernetes').version(version)

program
  .command('operator')
  .description('run the controllers that keep kernel modules loaded')
  .option('--config <name>', 'ConfigMap with the configuration, in OPERATOR_NAMESPACE', 'kmm-operator-manager-config')
  .option('--kubeconfig <path>', 'file to reach the cluster with, instead of KUBECONFIG or the service account')
  .option('--log-level <level>', 'debug, info, warn or error', 'info')
  .action(async (flags: OperatorFlags) => {
    await runOperator({ ...flags, environment: process.env, signal: createStopSignal() })
  })

const terminal = {
  // The bundle is dist/kmm.js of the package.
  root: dirname(dirname(fileURLToPath(import.meta.url))),
  write: (line: string) => void process.stdout.write(`${line}\n`),
  createStopSignal,
}
program
  .command('sandbox')
  .description('an embedded cluster to try things in, on this machine alone')
  .addCommand(createSandboxUpCommand(terminal))
  .addCommand(
    createSandboxGetCommand({
      ...terminal,
      environment: process.env,
      temporaryFolder: tmpdir(),
    }),
  )
  .addCommand(createDemoCommand(terminal))

try {
  await program.parseAsync()
} catch (error) {
  process.stderr.write(`kmm: ${describeError(error)}\n`)
  process.exitCode = 1
}
