import { type ChildProcess, spawn } from 'node:child_process'
import { createWriteStream } from 'node:fs'
import { KmmError } from '../../errors/error.ts'

/** How the demo's operator is started. */
export interface OperatorProcessOptions {
  /** The bundled `kmm` program. */
  program: string
  kubeconfigPath: string
  workerImage: string
  /** What build pods run; without it nothing can be built. */
  builderImage?: string
  namespace: string
  logPath: string
}

/** How much of the end of the operator's log is shown when it ends by itself. */
const lastWordsKept = 2_000

/** A running operator. */
export interface OperatorProcess {
  /** Rejects when the operator ends by itself. */
  readonly ended: Promise<never>
  stop(): Promise<void>
}

function waitForExit(child: ChildProcess): Promise<number | null> {
  return new Promise((resolve) => {
    if (child.exitCode !== null) resolve(child.exitCode)
    else child.once('exit', (code) => resolve(code))
  })
}

/** Starts the real operator as a process of its own, as a Deployment would; its log goes to a file. */
export function startOperatorProcess(options: OperatorProcessOptions): OperatorProcess {
  const { program, kubeconfigPath, workerImage, builderImage = '', namespace, logPath } = options
  const child = spawn(process.execPath, [program, 'operator', '--kubeconfig', kubeconfigPath], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: {
      PATH: process.env['PATH'],
      OPERATOR_NAMESPACE: namespace,
      RELATED_IMAGE_WORKER: workerImage,
      RELATED_IMAGE_BUILD: builderImage,
    },
  })
  const log = createWriteStream(logPath)
  let lastWords = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream.pipe(log, { end: false })
    stream.on('data', (chunk: Buffer) => {
      lastWords = (lastWords + chunk.toString()).slice(-lastWordsKept)
    })
  }
  let stopping = false
  const exit = waitForExit(child)
  const ended = exit.then((code): never | Promise<never> => {
    if (stopping) return new Promise<never>(() => undefined)
    // The log itself goes with the sandbox.
    throw new KmmError(`the operator ended with exit code ${code}; its last words: ${lastWords.trim() || 'none'}`, {
      code: 'Internal',
    })
  })
  ended.catch(() => undefined)
  return {
    ended,
    async stop() {
      stopping = true
      child.kill('SIGTERM')
      const timer = setTimeout(() => child.kill('SIGKILL'), 10_000)
      await exit
      clearTimeout(timer)
      log.end()
    },
  }
}
