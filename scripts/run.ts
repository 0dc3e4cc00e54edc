import { spawn } from 'node:child_process'

/** The result of one command: its exit status and everything that it printed, both streams together. */
export interface RunResult {
  status: number
  output: string
}

/** Runs a program with an argument list, without a shell, and collects what it prints. */
export function run(program: string, args: readonly string[]): Promise<RunResult> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'] })
    let output = ''
    const collect = (chunk: Buffer): void => {
      output += chunk.toString()
    }
    child.stdout.on('data', collect)
    child.stderr.on('data', collect)
    child.on('error', reject)
    child.on('close', (code) => resolve({ status: code ?? 1, output }))
  })
}
