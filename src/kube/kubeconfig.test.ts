import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { KmmError } from '../errors/error.ts'
import { loadConnection, loadInClusterConnection } from './in-cluster.ts'
import { loadKubeconfig } from './kubeconfig.ts'

let folder = ''

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'kmm-kubeconfig-'))
})

afterEach(() => rmSync(folder, { recursive: true }))

function write(name: string, text: string): string {
  const path = join(folder, name)
  writeFileSync(path, text)
  return path
}

interface Parts {
  cluster?: Record<string, unknown>
  user?: Record<string, unknown>
  context?: Record<string, unknown>
}

function kubeconfig({ cluster, user, context }: Parts): string {
  return JSON.stringify({
    'current-context': 'one',
    clusters: [{ name: 'c', cluster: { server: 'https://api.example:6443/', ...cluster } }],
    users: [{ name: 'u', user: user ?? {} }],
    contexts: [{ name: 'one', context: { cluster: 'c', user: 'u', ...context } }],
  })
}

function refusal(load: () => unknown): string {
  try {
    load()
  } catch (error) {
    expect(error).toBeInstanceOf(KmmError)
    expect(error).toMatchObject({ code: 'ConfigurationInvalid', fate: 'terminal' })
    return (error as KmmError).message
  }
  throw new Error('the kubeconfig was accepted')
}

const execV1 = 'client.authentication.k8s.io/v1'

const plugin = (changes: Record<string, unknown> = {}): Record<string, unknown> => ({
  apiVersion: execV1,
  command: 'aws',
  interactiveMode: 'Never',
  ...changes,
})

const base64 = (text: string): string => Buffer.from(text).toString('base64')

describe('loadKubeconfig', () => {
  it('reads the current context', () => {
    const text = kubeconfig({ user: { token: 't' }, context: { namespace: 'kmm' } })
    expect(loadKubeconfig({ text })).toEqual({
      server: 'https://api.example:6443',
      insecureSkipTlsVerify: false,
      token: 't',
      namespace: 'kmm',
    })
  })

  it('reads inline certificates', () => {
    const text = kubeconfig({
      cluster: {
        'certificate-authority-data': base64('CA'),
        'tls-server-name': 'kube',
        'proxy-url': 'http://proxy:3128',
      },
      user: { 'client-certificate-data': base64('CERT'), 'client-key-data': base64('KEY') },
    })
    expect(loadKubeconfig({ text })).toMatchObject({
      certificateAuthority: 'CA',
      clientCertificate: { certificate: 'CERT', key: 'KEY' },
      tlsServerName: 'kube',
      proxyUrl: 'http://proxy:3128',
    })
  })

  it('reads files relative to the kubeconfig, and leaves the token file for later', () => {
    write('ca.crt', 'CA')
    write('me.crt', 'CERT')
    write('me.key', 'KEY')
    const path = write(
      'config',
      kubeconfig({
        cluster: { 'certificate-authority': 'ca.crt' },
        user: { 'client-certificate': join(folder, 'me.crt'), 'client-key': 'me.key', tokenFile: 'token' },
      }),
    )
    expect(loadKubeconfig({ path })).toMatchObject({
      certificateAuthority: 'CA',
      clientCertificate: { certificate: 'CERT', key: 'KEY' },
      tokenFile: join(folder, 'token'),
    })
  })

  it.each([
    ['aws', 'aws'],
    ['./bin/aws', 'bin/aws'],
    ['bin/aws', 'bin/aws'],
  ])('finds the plugin %s in PATH, or where a path leads from the kubeconfig', (command, found) => {
    const path = write('config', kubeconfig({ user: { exec: plugin({ command, args: ['get'] }) } }))
    const expected = command.includes('/') ? join(folder, found) : found
    expect(loadKubeconfig({ path }).exec).toEqual({
      apiVersion: execV1,
      command: expected,
      args: ['get'],
      environment: {},
      interactiveMode: 'Never',
    })
  })

  it('does without the plugin where the file has credentials, and fills in what the beta left open', () => {
    const exec = plugin({ apiVersion: `${execV1}beta1`, interactiveMode: undefined })
    expect(loadKubeconfig({ text: kubeconfig({ user: { exec, token: 't' } }) })).not.toHaveProperty('exec')
    expect(loadKubeconfig({ text: kubeconfig({ user: { exec } }) }).exec?.interactiveMode).toBe('IfAvailable')
  })

  it('goes through the proxy that the environment names, unless the kubeconfig names one', () => {
    const environment = { HTTPS_PROXY: 'proxy.example:3128', no_proxy: '.internal' }
    expect(loadKubeconfig({ text: kubeconfig({}), environment }).proxyUrl).toBe('http://proxy.example:3128')
    const own = kubeconfig({ cluster: { 'proxy-url': 'http://other:1' } })
    expect(loadKubeconfig({ text: own, environment }).proxyUrl).toBe('http://other:1')
    const near = kubeconfig({ cluster: { server: 'https://api.internal' } })
    expect(loadKubeconfig({ text: near, environment })).not.toHaveProperty('proxyUrl')
  })

  it('merges the files of KUBECONFIG: the first that says something wins, missing files are passed over', () => {
    const first = write('first', kubeconfig({ user: { token: 'first' } }))
    const other = JSON.stringify({
      'current-context': 'two',
      clusters: [{ name: 'd', cluster: { server: 'http://localhost:8080' } }],
      users: [{ name: 'u', user: { token: 'second' } }],
      contexts: [{ name: 'two', context: { cluster: 'd', user: 'u' } }],
    })
    const environment = { KUBECONFIG: [join(folder, 'absent'), first, write('second', other)].join(':') }
    expect(loadKubeconfig({ environment })).toMatchObject({ server: 'https://api.example:6443', token: 'first' })
    expect(loadKubeconfig({ environment, context: 'two' })).toMatchObject({
      server: 'http://localhost:8080',
      token: 'first',
    })
  })

  it('falls back to the home folder', () => {
    mkdirSync(join(folder, '.kube'))
    write('.kube/config', kubeconfig({ user: { token: 'home' } }))
    expect(loadKubeconfig({ environment: {}, homeFolder: folder }).token).toBe('home')
  })

  it.each([
    ['a plugin of no version', { user: { exec: { command: 'aws' } } }, /apiVersion "": it must be .*\/v1 or/],
    [
      'a plugin of an old version',
      { user: { exec: plugin({ apiVersion: `${execV1}alpha1` }) } },
      /v1alpha1.*it must be/,
    ],
    ['a plugin without command', { user: { exec: plugin({ command: '' }) } }, /names no command/],
    ['a plugin without mode', { user: { exec: plugin({ interactiveMode: undefined }) } }, /Never, IfAvailable, Always/],
    ['a plugin of another mode', { user: { exec: plugin({ interactiveMode: 'Maybe' }) } }, /needs an interactiveMode/],
    ['arguments that are none', { user: { exec: plugin({ args: 'get token' }) } }, /no list of strings/],
    ['variables that are none', { user: { exec: plugin({ env: [{ value: 'x' }] }) } }, /without name or value/],
    ['an auth-provider', { user: { 'auth-provider': { name: 'gcp' } } }, /auth-provider/],
    ['a password', { user: { username: 'a', password: 'b' } }, /password/],
    ['impersonation', { user: { token: 't', as: 'somebody' } }, /impersonation/],
    ['a certificate without a key', { user: { 'client-certificate-data': base64('C') } }, /both/],
    [
      'a file that is not there',
      { cluster: { 'certificate-authority': '/absent/ca.crt' } },
      /cannot read certificate-authority/,
    ],
    ['a server that is no URL', { cluster: { server: 'api.example' } }, /server .*http or https URL/],
    ['a proxy that is not http', { cluster: { 'proxy-url': 'socks5://localhost' } }, /proxy-url .*http or https URL/],
    [
      'an authority that would not be used',
      { cluster: { 'certificate-authority-data': base64('C'), 'insecure-skip-tls-verify': true } },
      /remove one/,
    ],
    ['a user that is not there', { context: { user: 'nobody' } }, /no user "nobody"; it has: u/],
  ] as [string, Parts, RegExp][])('refuses %s with what to do', (_, parts, message) => {
    expect(refusal(() => loadKubeconfig({ text: kubeconfig(parts) }))).toMatch(message)
  })

  it('refuses a missing context, a missing file and text that is no YAML', () => {
    expect(refusal(() => loadKubeconfig({ text: '{}' }))).toMatch(/current-context/)
    expect(refusal(() => loadKubeconfig({ text: kubeconfig({}), context: 'three' }))).toMatch(/it has: one/)
    expect(refusal(() => loadKubeconfig({ text: 'a: [' }))).toMatch(/not valid YAML/)
    expect(refusal(() => loadKubeconfig({ text: '- 1' }))).toMatch(/not a YAML mapping/)
    expect(refusal(() => loadKubeconfig({ path: join(folder, 'absent') }))).toMatch(/cannot read the kubeconfig/)
    expect(refusal(() => loadKubeconfig({ homeFolder: folder }))).toMatch(/set KUBECONFIG/)
  })
})

describe('loadInClusterConnection', () => {
  it('uses the files of the service account', () => {
    write('token', 't')
    write('ca.crt', 'CA')
    write('namespace', 'kmm-operator-system\n')
    const environment = { KUBERNETES_SERVICE_HOST: 'fd00::1', KUBERNETES_SERVICE_PORT: '6443' }
    expect(loadInClusterConnection(environment, folder)).toEqual({
      server: 'https://[fd00::1]:6443',
      insecureSkipTlsVerify: false,
      tokenFile: join(folder, 'token'),
      certificateAuthority: 'CA',
      namespace: 'kmm-operator-system',
    })
  })

  it('says so outside a pod', () => {
    expect(refusal(() => loadInClusterConnection({}, folder))).toMatch(/not running in a pod/)
  })

  it('gives way to a kubeconfig that is named', () => {
    const text = kubeconfig({ user: { token: 't' } })
    expect(loadConnection({ text, environment: { KUBERNETES_SERVICE_HOST: '10.0.0.1' } }).token).toBe('t')
  })
})
