import { chmodSync, copyFileSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type Server } from 'node:https'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TLSSocket } from 'node:tls'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { hasCode, type KmmError } from '../errors/error.ts'
import { nodes } from './core-resources.ts'
import type { FakeClock } from './fake-clock.ts'
import { createFakeClock } from './fake-clock.ts'
import { createKubeClient, type HttpKubeClient } from './http-client.ts'
import { loadKubeconfig } from './kubeconfig.ts'
import { createPluginRunner, type PluginRunnerOptions } from './plugin-process.ts'

const read = (name: string): string => readFileSync(new URL(`testdata/${name}`, import.meta.url), 'utf8')
const program = fileURLToPath(new URL('testdata/plugin.mjs', import.meta.url))
const v1 = 'client.authentication.k8s.io/v1' as const

let folder = ''
let server: Server
let accepts: string
let clock: FakeClock
/** The name in the client's certificate, a connection each. */
let presented: string[]
let told: string
const clients: HttpKubeClient[] = []

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'kmm-plugin-'))
  copyFileSync(program, join(folder, 'plugin.mjs'))
  clock = createFakeClock()
  accepts = 'Bearer first'
  presented = []
  told = ''
  const tls = { cert: read('server.crt'), key: read('server.key'), ca: read('ca.crt') }
  server = createServer({ ...tls, requestCert: true, rejectUnauthorized: false }, (request, response) => {
    const { authorized } = request.socket as TLSSocket
    const isIn = request.headers.authorization === accepts || (accepts === 'certificate' && authorized)
    response.statusCode = isIn ? 200 : 401
    response.end(JSON.stringify(isIn ? { metadata: { name: 'n' } } : { kind: 'Status', reason: 'Unauthorized' }))
  })
  server.on('secureConnection', (socket) => {
    const { subject } = socket.getPeerCertificate() as { subject?: { CN?: string } }
    presented.push(subject?.CN ?? 'nobody')
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
})

afterEach(async () => {
  await Promise.all(clients.splice(0).map((client) => client.close()))
  server.closeAllConnections()
  await new Promise((resolve) => server.close(resolve))
  rmSync(folder, { recursive: true, force: true })
})

interface Run {
  args: string[]
  note: string
  info: { kind: string; apiVersion: string; spec: { interactive: boolean; cluster?: Record<string, unknown> } }
}

const runs = (): Run[] => {
  const path = join(folder, 'runs')
  if (!existsSync(path)) return []
  const lines = readFileSync(path, 'utf8').trim().split('\n')
  return lines.map((line) => JSON.parse(line) as Run)
}

interface Plan {
  answer?: Record<string, unknown>
  wait?: number
  stderr?: string
  stdout?: string
  status?: number
}

const plan = (what: Plan): void => writeFileSync(join(folder, 'plan'), JSON.stringify(what))

const serverUrl = (): string => `https://127.0.0.1:${(server.address() as AddressInfo).port}`

/** A client whose kubeconfig names the plugin of this folder. */
function connect(exec: Record<string, unknown> = {}, options: Partial<PluginRunnerOptions> = {}): HttpKubeClient {
  const plugin = { apiVersion: v1, interactiveMode: 'Never', command: './plugin.mjs', args: [folder], ...exec }
  const cluster = {
    server: serverUrl(),
    'certificate-authority-data': Buffer.from(read('ca.crt')).toString('base64'),
    'tls-server-name': 'kmm.test',
    extensions: [{ name: 'client.authentication.k8s.io/exec', extension: { audience: 'kmm' } }],
  }
  const path = join(folder, 'config')
  writeFileSync(
    path,
    JSON.stringify({
      'current-context': 'one',
      clusters: [{ name: 'c', cluster }],
      users: [{ name: 'u', user: { exec: plugin } }],
      contexts: [{ name: 'one', context: { cluster: 'c', user: 'u' } }],
    }),
  )
  const writeError = (text: string): void => {
    told += text
  }
  const runner = { environment: { PATH: process.env['PATH'] }, hasTerminal: false, writeError, ...options }
  const client = createKubeClient({
    connection: loadKubeconfig({ path }),
    userAgent: 'x',
    clock,
    runPlugin: createPluginRunner(runner),
  })
  clients.push(client)
  return client
}

const ask = (client: HttpKubeClient, signal?: AbortSignal): Promise<string | undefined> =>
  client.get(nodes, { name: 'n' }, signal).then(({ metadata }) => metadata?.name)

async function fail(client: HttpKubeClient): Promise<KmmError> {
  const error: unknown = await ask(client).catch((reason: unknown) => reason)
  if (!hasCode(error, 'Unauthorized')) throw new Error(`not refused as unauthorized: ${String(error)}`)
  return error
}

describe('a credential plugin', () => {
  it('gives a token once, to all who ask at the same time', async () => {
    plan({ answer: { token: 'first' }, wait: 50 })
    const client = connect()
    expect(await Promise.all([ask(client), ask(client), ask(client)])).toEqual(['n', 'n', 'n'])
    expect(await ask(client)).toBe('n')
    expect(runs()).toHaveLength(1)
  })

  it('gets its arguments as they are, its variables, and no word of the cluster unless asked', async () => {
    plan({ answer: { token: 'first' } })
    const args = [folder, '$HOME; echo', '']
    await ask(connect({ args, env: [{ name: 'PLUGIN_NOTE', value: 'a b' }] }))
    expect(runs()).toEqual([
      {
        args: ['$HOME; echo', ''],
        note: 'a b',
        info: { kind: 'ExecCredential', apiVersion: v1, spec: { interactive: false } },
      },
    ])
  })

  it('is told of the cluster where the kubeconfig says so', async () => {
    plan({ answer: { token: 'first' } })
    const apiVersion = 'client.authentication.k8s.io/v1beta1'
    await ask(connect({ apiVersion, provideClusterInfo: true }))
    expect(runs()[0]?.info).toEqual({
      kind: 'ExecCredential',
      apiVersion,
      spec: {
        interactive: false,
        cluster: {
          server: serverUrl(),
          'tls-server-name': 'kmm.test',
          'certificate-authority-data': Buffer.from(read('ca.crt')).toString('base64'),
          config: { audience: 'kmm' },
        },
      },
    })
  })

  it('is asked again when its credentials have expired', async () => {
    const expirationTimestamp = new Date(clock.now() + 60_000).toISOString()
    plan({ answer: { token: 'first', expirationTimestamp } })
    const client = connect()
    await ask(client)
    await clock.advance(59_000)
    await ask(client)
    expect(runs()).toHaveLength(1)
    await clock.advance(1_000)
    await ask(client)
    expect(runs()).toHaveLength(2)
  })

  it('is asked again, once for all, when the server refuses its credentials', async () => {
    plan({ answer: { token: 'first' } })
    const client = connect()
    await ask(client)
    accepts = 'Bearer second'
    plan({ answer: { token: 'second' }, wait: 50 })
    expect(await Promise.all([ask(client), ask(client)])).toEqual(['n', 'n'])
    expect(runs()).toHaveLength(2)
  })

  it('is not asked for ever when the server refuses whatever it gives', async () => {
    plan({ answer: { token: 'wrong' } })
    expect((await fail(connect())).message).toContain('401')
    expect(runs()).toHaveLength(2)
  })

  it('gives a certificate; another one means new connections', async () => {
    accepts = 'certificate'
    const good = { clientCertificateData: read('client.crt'), clientKeyData: read('client.key') }
    const other = { clientCertificateData: read('server.crt'), clientKeyData: read('server.key') }
    plan({ answer: good })
    const client = connect()
    await ask(client)
    await ask(client)
    expect([runs().length, ...new Set(presented)]).toEqual([1, 'kmm-test-client'])
    accepts = 'Bearer second'
    plan({ answer: { ...other, token: 'second' } })
    await ask(client)
    expect([runs().length, ...new Set(presented)]).toEqual([2, 'kmm-test-client', 'kmm-test-server'])
  })

  it('lets go of who does not want to wait, and answers the others', async () => {
    plan({ answer: { token: 'first' }, wait: 300 })
    const client = connect()
    const stop = new AbortController()
    const [impatient, patient] = [ask(client, stop.signal), ask(client)]
    stop.abort()
    await expect(impatient).rejects.toMatchObject({ code: 'Aborted' })
    expect(await patient).toBe('n')
    expect(runs()).toHaveLength(1)
  })

  it('ends with the client', async () => {
    plan({ answer: { token: 'first' }, wait: 60_000 })
    const client = connect()
    const asking = ask(client)
    await Promise.all([expect(asking).rejects.toThrow(/nobody waits for it/), client.close()])
  })
})

describe('a credential plugin that gives nothing', () => {
  it('that is missing is told with its hint', async () => {
    const client = connect({ command: 'kmm-no-such-plugin', installHint: 'get it at example.com' })
    expect((await fail(client)).message).toMatch(/kmm-no-such-plugin .*is not installed: get it at example\.com/)
  })

  it('that is not executable is told', async () => {
    chmodSync(join(folder, 'plugin.mjs'), 0o644)
    expect((await fail(connect())).message).toMatch(/see that the file is executable/)
  })

  it('that fails is told with what it said, which is shown at once, too', async () => {
    plan({ stderr: 'sign in first\n', status: 3 })
    expect((await fail(connect())).message).toMatch(/ended with exit status 3: sign in first/)
    expect(told).toBe('sign in first\n')
  })

  it('that does not end is ended', async () => {
    plan({ answer: { token: 'first' }, wait: 60_000 })
    expect((await fail(connect({}, { timeoutMs: 300 }))).message).toMatch(/did not end within 0\.3 seconds/)
  })

  it.each<[string, Plan, RegExp]>([
    ['no JSON', { stdout: 'secret-token' }, /not JSON/],
    ['something else', { stdout: '{"kind":"Pod"}' }, /no ExecCredential/],
    ['another version', { stdout: `{"kind":"ExecCredential","apiVersion":"${v1}alpha9"}` }, /answered in .*alpha9/],
    ['no status', {}, /gave no status/],
    ['nothing', { answer: {} }, /neither a token nor a certificate/],
    ['half a pair', { answer: { clientKeyData: 'k' } }, /only one of certificate and key/],
    ['a pair that is none', { answer: { clientCertificateData: 'c', clientKeyData: 'k' } }, /cannot be used together/],
    ['a date that is none', { answer: { token: 't', expirationTimestamp: 'soon' } }, /no time/],
  ])('prints %s', async (_what, what, message) => {
    plan(what)
    const error = await fail(connect())
    expect(error.message).toMatch(message)
    expect(error.message).not.toContain('secret-token')
  })

  it('that wants a terminal is told that there is none', async () => {
    expect((await fail(connect({ interactiveMode: 'Always' }))).message).toMatch(/there is no terminal/)
    expect(runs()).toEqual([])
  })
})

it('may ask at a terminal where there is one, unless it never wants to', async () => {
  plan({ answer: { token: 'first' } })
  await ask(connect({ interactiveMode: 'IfAvailable' }, { hasTerminal: true }))
  await ask(connect({ interactiveMode: 'Never' }, { hasTerminal: true }))
  expect(runs().map(({ info }) => info.spec.interactive)).toEqual([true, false])
})

it('is not started where no programs are', () => {
  const exec = { apiVersion: v1, command: 'x', args: [], environment: {}, interactiveMode: 'Never' as const }
  const connection = { server: serverUrl(), insecureSkipTlsVerify: false, exec }
  expect(() => createKubeClient({ connection, userAgent: 'x' })).toThrow(/no programs are started here.*create token/)
})
