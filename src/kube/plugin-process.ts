import { type ChildProcess, spawn } from 'node:child_process'
import { KmmError } from '../errors/error.ts'
import { formatExecInfo, pluginFailed } from './exec-credential.ts'
import type { ExecPlugin } from './exec-plugin.ts'
import type { Environment } from './kubeconfig.ts'

/** Starts a credential plugin and answers what it prints. Throws `Unauthorized`, saying what to do. */
export type RunPlugin = (plugin: ExecPlugin, signal: AbortSignal) => Promise<string>

/** What plugins are started with. */
export interface PluginRunnerOptions {
  /** The variables that they inherit. */
  environment: Environment
  /** Whether somebody sits at a terminal that they may ask. */
  hasTerminal: boolean
  /** Takes what they print for people. */
  writeError: (text: string) => void
  /** How long one may take that asks nobody; one minute by default. */
  timeoutMs?: number
}

const defaultTimeoutMs = 60_000
/** Long enough to sign in somewhere. */
const interactiveTimeoutMs = 600_000
const mostOutputBytes = 1024 * 1024
const mostErrorCharacters = 2_000
const killAfterMs = 2_000

function chooseInteractive(plugin: ExecPlugin, hasTerminal: boolean): boolean {
  if (plugin.interactiveMode === 'Never') return false
  if (plugin.interactiveMode === 'Always' && !hasTerminal)
    throw pluginFailed(plugin, 'wants to ask somebody (interactiveMode: Always), and there is no terminal')
  return hasTerminal
}

function describeStart(plugin: ExecPlugin, error: NodeJS.ErrnoException): KmmError {
  if (error.code === 'ENOENT') {
    const hint = plugin.installHint ?? 'install it, or correct the command in the kubeconfig'
    return pluginFailed(plugin, `is not installed: ${hint}`, error)
  }
  if (error.code === 'EACCES') return pluginFailed(plugin, 'may not be started: see that the file is executable', error)
  return pluginFailed(plugin, 'cannot be started', error)
}

/** Ends a process in good order, and for sure. */
function end(child: ChildProcess): void {
  child.kill('SIGTERM')
  setTimeout(() => child.kill('SIGKILL'), killAfterMs).unref()
}

interface Ended {
  stdout: string
  /** The end of what it printed for people, where that passed through here. */
  stderr: string
  status: number | null
  /** Why it was ended. */
  cut: string | undefined
}

interface RunLimits {
  timeoutMs: number
  writeError: (text: string) => void
  signal: AbortSignal
}

function watch(child: ChildProcess, { timeoutMs, writeError, signal }: RunLimits): Promise<Ended> {
  const ended: Ended = { stdout: '', stderr: '', status: null, cut: undefined }
  const cut = (why: string): void => {
    ended.cut ??= why
    end(child)
  }
  const timer = setTimeout(() => cut(`did not end within ${timeoutMs / 1_000} seconds`), timeoutMs)
  const onAbort = (): void => cut('was ended, because nobody waits for it any more')
  signal.addEventListener('abort', onAbort, { once: true })
  if (signal.aborted) onAbort()
  child.stdout?.setEncoding('utf8').on('data', (text: string) => {
    ended.stdout += text
    if (ended.stdout.length > mostOutputBytes) cut('printed more than a credential can be')
  })
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    writeError(text)
    ended.stderr = (ended.stderr + text).slice(-mostErrorCharacters)
  })
  return new Promise<Ended>((resolve, reject) => {
    child.once('error', reject)
    child.once('close', (status) => resolve({ ...ended, status }))
  }).finally(() => {
    clearTimeout(timer)
    signal.removeEventListener('abort', onAbort)
  })
}

/** Makes what starts plugins: with an argument list and no shell, with a terminal only where they may use one. */
export function createPluginRunner(options: PluginRunnerOptions): RunPlugin {
  const { environment, hasTerminal, writeError, timeoutMs = defaultTimeoutMs } = options
  return async (plugin, signal) => {
    const interactive = chooseInteractive(plugin, hasTerminal)
    const KUBERNETES_EXEC_INFO = formatExecInfo(plugin, interactive)
    const terminal = interactive ? 'inherit' : undefined
    const child = spawn(plugin.command, plugin.args, {
      env: { ...environment, ...plugin.environment, KUBERNETES_EXEC_INFO },
      stdio: [terminal ?? 'ignore', 'pipe', terminal ?? 'pipe'],
    })
    const limits = { timeoutMs: interactive ? interactiveTimeoutMs : timeoutMs, writeError, signal }
    const { stdout, stderr, status, cut } = await watch(child, limits).catch((error: unknown) => {
      throw describeStart(plugin, error as NodeJS.ErrnoException)
    })
    if (cut !== undefined) throw pluginFailed(plugin, cut)
    if (status === 0) return stdout
    const said = stderr.trim() === '' ? '' : `: ${stderr.trim()}`
    throw pluginFailed(plugin, `ended with ${status === null ? 'a signal' : `exit status ${status}`}${said}`)
  }
}
