import { spawn } from 'node:child_process'
import { KmmError } from '../../errors/error.ts'

/** How a tool of the machine is run. */
export interface ToolOptions {
  cwd?: string
  input?: Buffer
  signal?: AbortSignal
}

/** What to say of a program that real machines need and that is not installed. */
export function describeMissing(programs: readonly string[]): KmmError {
  const names = programs.join(', ')
  return new KmmError(
    `machines with real kernels need ${names}, which cannot be found: run scripts/install-test-tools.sh, which installs what they need`,
    { code: 'ConfigurationInvalid', fate: 'terminal' },
  )
}

/**
 * Runs a program with an argument list, without a shell; answers what it printed. Fails with `ConfigurationInvalid` when it
 * is not installed, and with its last words when it fails.
 */
export function runTool(program: string, argv: readonly string[], options: ToolOptions = {}): Promise<Buffer> {
  const { cwd, input, signal } = options
  return new Promise((resolve, reject) => {
    const child = spawn(program, argv, { cwd, signal, stdio: ['pipe', 'pipe', 'pipe'] })
    const printed: Buffer[] = []
    let said = ''
    child.stdout.on('data', (chunk: Buffer) => printed.push(chunk))
    child.stderr.on('data', (chunk: Buffer) => (said = (said + chunk.toString()).slice(-4_000)))
    child.once('error', (error: NodeJS.ErrnoException) =>
      reject(error.code === 'ENOENT' ? describeMissing([program]) : error),
    )
    child.once('close', (code) => {
      if (code === 0) return resolve(Buffer.concat(printed))
      const words = said.trim() || 'it printed nothing'
      reject(new KmmError(`${program} ${argv.join(' ')} ended with status ${code}: ${words}`, { code: 'Internal' }))
    })
    child.stdin.on('error', () => undefined)
    child.stdin.end(input)
  })
}
