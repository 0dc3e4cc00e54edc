import { spawn } from 'node:child_process'
import { KmmError } from '../../errors/error.ts'
import { withDeadline } from '../../kube/deadline.ts'
import { isRecord, quoteUntrusted } from '../../oci/text.ts'

/** Environment variables by name. */
export type HelperEnvironment = Readonly<Record<string, string | undefined>>

/** An entry as a docker configuration would have it. */
export type HelperEntry = { username: string; password: string } | { identitytoken: string }

const mostBytes = 64 * 1024
const longestMs = 60_000

const refuse = (what: string): KmmError => new KmmError(what, { code: 'ConfigurationInvalid', fate: 'terminal' })

/**
 * Asks `docker-credential-<name>` for the credentials of a registry, in docker's protocol; undefined when it has none. The
 * program is started without a shell, and nothing that it says appears in a message. Throws ConfigurationInvalid.
 */
export async function askCredentialHelper(
  name: string,
  address: string,
  options: { environment: HelperEnvironment; signal: AbortSignal },
): Promise<HelperEntry | undefined> {
  if (!/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/.test(name))
    throw refuse(`"${quoteUntrusted(name, 64)}" is no name of a credential helper`)
  const { status, output } = await run(`docker-credential-${name}`, address, options)
  if (/credentials not found/i.test(output)) return undefined
  if (status !== 0) throw refuse(`docker-credential-${name} ended with status ${status ?? 'unknown'}`)
  return parseAnswer(output, name)
}

function parseAnswer(output: string, name: string): HelperEntry | undefined {
  let answer: unknown
  try {
    answer = JSON.parse(output)
  } catch {
    answer = undefined
  }
  if (!isRecord(answer) || typeof answer['Username'] !== 'string' || typeof answer['Secret'] !== 'string')
    throw refuse(`docker-credential-${name} answered something else than credentials`)
  const { Username: username, Secret: secret } = answer
  if (secret === '') return undefined
  return username === '<token>' ? { identitytoken: secret } : { username, password: secret }
}

async function run(
  program: string,
  input: string,
  { environment, signal }: { environment: HelperEnvironment; signal: AbortSignal },
): Promise<{ status: number | null; output: string }> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, ['get'], {
      env: environment,
      stdio: ['pipe', 'pipe', 'ignore'],
      signal: withDeadline(longestMs, signal),
      killSignal: 'SIGKILL',
    })
    let output = ''
    child.stdout.setEncoding('utf8')
    child.stdout.on('data', (text: string) => {
      output += text
      if (output.length > mostBytes) child.kill('SIGKILL')
    })
    // A program that does not read its input breaks the pipe.
    child.stdin.on('error', () => undefined)
    child.stdin.end(input)
    child.once('error', (error: NodeJS.ErrnoException) =>
      reject(refuse(error.code === 'ENOENT' ? `the program ${program} is not installed` : `${program} did not answer`)),
    )
    child.once('close', (status) => resolve({ status, output }))
  })
}
