import { spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { type ProcessUsage, readProcessUsage } from './process-usage.ts'

/** How the operator is started. */
export interface OperatorStart {
  kubeconfigPath: string
  workerImage: string
  namespace: string
  /** Options of Node.js itself, such as `--cpu-prof`. */
  nodeOptions: readonly string[]
}

/** The shipped operator as a process of its own, so that what it uses can be told from what the cluster uses. */
export interface OperatorProcess {
  /** Warnings and errors that it logged. */
  readonly complaints: readonly string[]
  /** Rejects when it ends without having been stopped. */
  readonly ended: Promise<never>
  usage(): ProcessUsage
  stop(): Promise<void>
}

const complaining = new Set<unknown>(['warn', 'error', 'fatal'])

/** The lines of a log that say that something went wrong; a line that is no JSON is one of them. */
function isComplaint(line: string): boolean {
  try {
    return complaining.has((JSON.parse(line) as { level?: unknown }).level)
  } catch {
    return line.trim() !== ''
  }
}

/** Starts the operator; resolves when it leads, rejects when it ends before. */
export async function startOperatorProcess(start: OperatorStart): Promise<OperatorProcess> {
  const argv = [...start.nodeOptions, 'dist/kmm.js', 'operator', '--kubeconfig', start.kubeconfigPath]
  const child = spawn(process.execPath, argv, {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: {
      PATH: process.env['PATH'],
      OPERATOR_NAMESPACE: start.namespace,
      RELATED_IMAGE_WORKER: start.workerImage,
    },
  })
  const complaints: string[] = []
  let stopping = false
  const closed = new Promise<void>((resolve) => child.once('close', () => resolve()))
  const ended = closed.then((): Promise<never> => {
    if (stopping) return new Promise(() => undefined)
    throw new Error(`the operator ended:\n${complaints.slice(-5).join('\n')}`)
  })
  ended.catch(() => undefined)
  const leading = new Promise<void>((resolve) => {
    for (const stream of [child.stdout, child.stderr])
      createInterface({ input: stream }).on('line', (line) => {
        if (line.includes('"msg":"leading"')) resolve()
        if (isComplaint(line)) complaints.push(line)
      })
  })
  await Promise.race([leading, ended])
  const pid = child.pid ?? 0
  return {
    complaints,
    ended,
    usage: () => readProcessUsage(pid),
    async stop() {
      stopping = true
      child.kill('SIGTERM')
      await closed
    },
  }
}
