import { readFile } from 'node:fs/promises'
import type { ModuleConfig } from '../api/node-modules-config.ts'
import { formatWorkerReport, type WorkerReport } from '../api/worker-report.ts'
import { assertNever, describeError, hasCode, KmmError } from '../errors/error.ts'
import { cleanText } from '../kmod/clean-text.ts'
import { openLayerCache } from '../oci/layer-cache.ts'
import { createRegistry, type RegistryOptions } from '../oci/registry.ts'
import { parseCommandLine, type WorkerCommand } from './command-line.ts'
import { parseConfig } from './config.ts'
import { type Host, locate } from './host.ts'
import { readCredentials, readNamespace, readSettings, readSparedModules } from './inputs.ts'
import { load } from './load.ts'
import { findRegistryTls } from './pull.ts'
import { createFirstReport, createReport, type Outcome } from './report.ts'
import type { RunContext, RunResult } from './run-context.ts'
import { writeTerminationLog } from './termination-log.ts'
import { unload } from './unload.ts'
import { listWantedModules } from './wanted-modules.ts'

/** Where the pod has the node's cache of layers (upstream: none). */
export const cacheFolder = '/var/lib/kmm/cache'
const defaultGraceMs = 5_000

/** What the worker program works with besides its arguments. */
export interface WorkerOptions {
  host: Host
  /** Takes one line of the log, for people. */
  log: (line: string) => void
  /** Aborted when the worker is to end: pulling stops at once, a modprobe that runs gets some seconds. */
  signal: AbortSignal
  /** Changes how registries are spoken to, in tests. */
  registry?: Pick<RegistryOptions, 'limits' | 'retries'>
  graceMs?: number
}

/**
 * Does one load or unload and writes its report; answers the exit status, 0 or 1. Never rejects: what goes wrong is in the
 * report and in the log (upstream: worker binary).
 */
export async function runWorker(argv: readonly string[], options: WorkerOptions): Promise<number> {
  const log = (line: string): void => options.log(cleanText(line, 4000))
  let command: WorkerCommand
  try {
    command = parseCommandLine(argv)
  } catch (error) {
    log(describeError(error))
    return 1
  }
  return runCommand(command, { ...options, log })
}

async function runCommand(command: WorkerCommand, options: WorkerOptions): Promise<number> {
  const { host, log } = options
  const { action } = command
  log(`KMM worker: ${action} on kernel ${host.kernelRelease}, boot ${host.bootId}.`)
  await writeTerminationLog(host, formatWorkerReport(createFirstReport(host, action)), log)
  const durationsMs: WorkerReport['durationsMs'] = {}
  let names: string[] = []
  let outcome: Outcome
  try {
    const config = await readConfig(host, command.configPath)
    names = listWantedModules(config.modprobe)
    outcome = { ok: true, ...(await runConfig(command, config, { ...options, durationsMs })) }
  } catch (error) {
    outcome = { ok: false, error: explainStop(error, options.signal) }
  }
  const report = await createReport({ host, action, names, durationsMs }, outcome)
  await writeTerminationLog(host, formatWorkerReport(report), log)
  log(`${report.outcome === 'ok' ? 'Done' : 'Failed'}: ${report.reason}: ${report.message}`)
  return outcome.ok ? 0 : 1
}

async function readConfig(host: Host, path: string): Promise<ModuleConfig> {
  const text = await readFile(locate(host, path), 'utf8').catch((error: unknown) => {
    throw new KmmError(`The worker's configuration ${path} cannot be read; see the pod's volume "config"`, {
      code: 'ConfigurationInvalid',
      cause: error,
    })
  })
  return parseConfig(text)
}

async function runConfig(
  command: WorkerCommand,
  config: ModuleConfig,
  options: WorkerOptions & Pick<RunContext, 'durationsMs'>,
): Promise<RunResult> {
  const { host, log, signal, durationsMs, graceMs = defaultGraceMs } = options
  const registry = createRegistry({
    settings: await readSettings(host),
    tls: findRegistryTls(config),
    credentials: await readCredentials(host, log),
    userAgent: 'kmm-worker',
    ...options.registry,
  })
  try {
    const cache = await openLayerCache({
      root: locate(host, cacheFolder),
      namespace: await readNamespace(host),
      log,
    })
    const { firmwarePath, imageFolder } = command
    const spared = await readSparedModules(host)
    const given = { host, config, firmwarePath, imageFolder, spared, log, signal, graceMs, durationsMs }
    return await runAction(command, { ...given, registry, cache })
  } finally {
    await registry.close()
  }
}

function runAction({ action }: WorkerCommand, context: RunContext): Promise<RunResult> {
  switch (action) {
    case 'load':
      return load(context)
    case 'unload':
      return unload(context)
    default:
      return assertNever(action)
  }
}

/** Says what it means that the work was interrupted, whoever noticed first. */
function explainStop(error: unknown, signal: AbortSignal): unknown {
  if (!signal.aborted) return error
  const isStop = hasCode(error, 'Aborted') || (error instanceof Error && error.name === 'AbortError')
  if (!isStop) return error
  return new KmmError('The worker was told to stop before it had changed anything in the kernel; it is tried again.', {
    code: 'Aborted',
    cause: error,
  })
}
