#!/usr/bin/env node
/** The `kmm` program: the operator and the tools for a terminal. */
import { arch, homedir, tmpdir } from 'node:os'
import { basename, dirname } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Command, Option } from 'commander'
import { createDemoCommand } from '../cli/demo/command.ts'
import { createImageCommand } from '../cli/image/command.ts'
import { createSandboxGetCommand } from '../cli/sandbox-get.ts'
import { createSandboxUpCommand } from '../cli/sandbox-up.ts'
import { describeError } from '../errors/error.ts'
import { createPluginRunner } from '../kube/plugin-process.ts'
import { runOperator } from './compose/run-operator.ts'
import { runWebhook } from './compose/run-webhook.ts'
import { version } from './compose/version.ts'

interface OperatorFlags {
  config: string
  kubeconfig?: string
  logLevel: 'debug' | 'info' | 'warn' | 'error'
}

interface WebhookFlags extends OperatorFlags {
  certDir?: string
  service: string
  webhookConfiguration: string
  enableModule: boolean
  enableNamespace: boolean
  enablePreflightvalidation: boolean
  enableManagedclustermodule: boolean
}

/** npm and a shell pass on what the terminal sends to everybody: what comes twice this soon was meant once. */
const sameKeystrokeMs = 1_000

/** Aborted at the first SIGINT or SIGTERM; the second ends the process at once. */
function createStopSignal(): AbortSignal {
  const controller = new AbortController()
  let firstMs = 0
  for (const name of ['SIGINT', 'SIGTERM'] as const)
    process.on(name, () => {
      if (controller.signal.aborted && performance.now() - firstMs > sameKeystrokeMs) process.exit(1)
      if (controller.signal.aborted) return
      firstMs = performance.now()
      controller.abort()
    })
  return controller.signal
}

/** What to type to run this program: `kmm` where a link of that name was followed, else the file with Node.js. */
function nameProgram(): string {
  const path = process.argv[1] ?? 'kmm'
  return basename(path) === 'kmm' ? 'kmm' : `node ${path}`
}

const runPlugin = createPluginRunner({
  environment: process.env,
  hasTerminal: process.stdin.isTTY,
  writeError: (text) => void process.stderr.write(text),
})

const program = new Command('kmm').description('Kernel Module Management for Kubernetes').version(version)

/** A command that runs in a cluster, with the options that all of those have. */
function createClusterCommand(name: string, description: string): Command {
  return program
    .command(name)
    .description(description)
    .option('--config <name>', 'ConfigMap with the configuration, in OPERATOR_NAMESPACE', 'kmm-operator-manager-config')
    .option('--kubeconfig <path>', 'file to reach the cluster with, instead of KUBECONFIG or the service account')
    .addOption(
      new Option('--log-level <level>', 'least level that is logged')
        .choices(['debug', 'info', 'warn', 'error'])
        .default('info'),
    )
}

createClusterCommand('operator', 'run the controllers that keep kernel modules loaded').action(
  async (flags: OperatorFlags) => {
    await runOperator({ ...flags, environment: process.env, runPlugin, signal: createStopSignal() })
  },
)

createClusterCommand('webhook', 'judge Modules before they are stored, and convert PreflightValidations')
  .option('--enable-module', 'judge Modules', false)
  .option('--enable-namespace', 'guard namespaces that hold Modules', false)
  .option('--enable-preflightvalidation', 'judge and convert PreflightValidations', false)
  .option('--enable-managedclustermodule', 'judge ManagedClusterModules', false)
  .option('--cert-dir <folder>', 'mounted tls.crt and tls.key; without it certificates are made and renewed')
  .option('--service <name>', 'Service in front of it, for certificates of its own', 'kmm-operator-webhook-service')
  .option(
    '--webhook-configuration <name>',
    'ValidatingWebhookConfiguration that is told of certificates of its own',
    'kmm-operator-validating-webhook-configuration',
  )
  .action(async (flags: WebhookFlags) => {
    const { enableModule, enableNamespace, enablePreflightvalidation, enableManagedclustermodule, ...rest } = flags
    const enabled = {
      module: enableModule,
      namespace: enableNamespace,
      preflightValidation: enablePreflightvalidation,
      managedClusterModule: enableManagedclustermodule,
    }
    await runWebhook({ ...rest, enabled, environment: process.env, runPlugin, signal: createStopSignal() })
  })

const terminal = {
  // The bundle is dist/kmm.js of the package.
  root: dirname(dirname(fileURLToPath(import.meta.url))),
  environment: process.env,
  home: homedir(),
  write: (line: string) => void process.stdout.write(`${line}\n`),
  createStopSignal,
}
program
  .command('sandbox')
  .description('an embedded cluster to try things in, on this machine alone')
  .addCommand(createSandboxUpCommand({ ...terminal, program: nameProgram() }))
  .addCommand(
    createSandboxGetCommand({
      ...terminal,
      temporaryFolder: tmpdir(),
      runPlugin,
    }),
  )
  .addCommand(createDemoCommand(terminal))

program.addCommand(
  createImageCommand({
    environment: process.env,
    home: homedir(),
    temporaryFolder: tmpdir(),
    // Node.js has names of its own for two of them.
    architecture: { x64: 'amd64', ia32: '386' }[arch() as string] ?? arch(),
    write: terminal.write,
    writeError: (text) => void process.stderr.write(text),
    isTerminal: process.stderr.isTTY,
    createStopSignal,
  }),
)

try {
  await program.parseAsync()
} catch (error) {
  process.stderr.write(`kmm: ${describeError(error)}\n`)
  process.exitCode = 1
}
