import { type ChildProcess, spawn } from 'node:child_process'
import { createInterface } from 'node:readline'

/** The program `kmm webhook` as it ships, in a process of its own. */
export interface WebhookProcess {
  readonly log: readonly string[]
  /** Asks it to end; answers its exit code. */
  stop(): Promise<number | null>
}

/** Starts it and waits until it serves; fails with what it printed. */
export async function startWebhookProcess(kubeconfigPath: string, flags: readonly string[]): Promise<WebhookProcess> {
  const child = spawn(process.execPath, ['dist/kmm.js', 'webhook', '--kubeconfig', kubeconfigPath, ...flags], {
    env: { PATH: process.env['PATH'], OPERATOR_NAMESPACE: 'kmm-operator-system' },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const log: string[] = []
  const exit = new Promise<number | null>((resolve) => child.once('exit', resolve))
  await new Promise<void>((resolve, reject) => {
    const note = (line: string): void => {
      log.push(line)
      if (line.includes('"msg":"serving"')) resolve()
    }
    for (const stream of listStreams(child)) createInterface({ input: stream }).on('line', note)
    void exit.then((code) => reject(new Error(`kmm webhook ended with ${code}:\n${log.join('\n')}`)))
  })
  return {
    log,
    stop: () => {
      child.kill('SIGTERM')
      return exit
    },
  }
}

const listStreams = ({ stdout, stderr }: ChildProcess) => [stdout, stderr].filter((stream) => stream !== null)
