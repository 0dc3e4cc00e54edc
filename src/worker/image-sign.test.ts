import { createPrivateKey } from 'node:crypto'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { SigningFixture, signedModule, signerOf, unsignedModule } from '../../test/signing-fixture.ts'
import { file } from '../../test/tar-builder.ts'
import { parseSignReport, type SignReport } from '../image/sign-report.ts'
import { runImageSign } from './image-sign.ts'

const module = '/opt/lib/modules/6.1.0/a.ko'
const read = (name: string): Buffer => readFileSync(`src/kmod/testdata/signing/${name}`)

let fixture: SigningFixture
let root: string
let lines: string[]

beforeEach(async () => {
  fixture = await SigningFixture.start()
  root = mkdtempSync(join(tmpdir(), 'kmm-pod-'))
  lines = []
  for (const folder of ['dev', 'tmp']) mkdirSync(join(root, folder))
  write('run/secrets/kmm-sign/key/key', read('rsa.key'))
  write('run/secrets/kmm-sign/cert/cert', read('rsa.pem'))
  await fixture.push([[file(module.slice(1), unsignedModule)]])
})
afterEach(async () => {
  rmSync(root, { recursive: true })
  await fixture.stop()
})

function write(path: string, content: Uint8Array | string): void {
  mkdirSync(dirname(join(root, path)), { recursive: true })
  writeFileSync(join(root, path), content)
}

function remove(secret: string): string[] {
  rmSync(join(root, 'run/secrets/kmm-sign', secret))
  return []
}

function replace(secret: string, content: Uint8Array | string): string[] {
  write(`run/secrets/kmm-sign/${secret}`, content)
  return []
}

const toSigned = (): string[] => ['--to', `${fixture.registry.address}/kmods/signed:v1`]

async function run(
  more: readonly string[] = [],
  signal = new AbortController().signal,
  files = ['--file', module],
  to = toSigned(),
) {
  const images = ['--from', `${fixture.registry.address}/kmods/unsigned:v1`, ...to]
  const argv = [...images, '--from-insecure', '--to-insecure', ...files, ...more]
  const host = { root, architecture: 'amd64' }
  const status = await runImageSign(argv, {
    host,
    temporaryFolder: '/tmp',
    log: (line) => void lines.push(line),
    signal,
  })
  const text = existsSync(join(root, 'dev/termination-log'))
    ? readFileSync(join(root, 'dev/termination-log'), 'utf8')
    : ''
  expect(readdirSync(join(root, 'tmp'))).toEqual([])
  return { status, report: parseSignReport(text) as SignReport }
}

describe('a sign pod', () => {
  it('signs and pushes nothing where it is only to show that it can', async () => {
    const before = fixture.registry.requests.length
    const { status, report } = await run([], undefined, undefined, ['--no-push'])
    expect(status).toBe(0)
    expect(report).toMatchObject({ outcome: 'ok', reason: 'Signed', files: [{ outcome: 'signed' }] })
    expect(report).not.toHaveProperty('digest')
    const methods = fixture.registry.requests.slice(before).map(({ method }) => method)
    expect(methods.filter((method) => method !== 'GET' && method !== 'HEAD')).toEqual([])
  })

  it('pushes the signed image and reports its digest and files', async () => {
    const { status, report } = await run()
    const { digest } = await fixture.manifest('kmods/signed:v1')
    expect({ status, report }).toEqual({
      status: 0,
      report: {
        v: 1,
        outcome: 'ok',
        reason: 'Signed',
        message: 'signed 1 of 1 files',
        digest,
        sourceDigest: (await fixture.manifest('kmods/unsigned:v1')).digest,
        signedBy: signerOf('rsa').certificate.fingerprint,
        files: [{ path: module, outcome: 'signed' }],
      },
    })
    expect((await fixture.newestLayer())[0]!.content.equals(signedModule)).toBe(true)
  })

  it('uses the passphrase beside an encrypted key', async () => {
    const pem = createPrivateKey(read('rsa.key')).export({
      type: 'pkcs8',
      format: 'pem',
      cipher: 'aes-256-cbc',
      passphrase: 'secret',
    })
    write('run/secrets/kmm-sign/key/key', pem as string)
    expect((await run()).report.message).toContain('no passphrase is given')
    write('run/secrets/kmm-sign/key/passphrase', 'wrong')
    expect((await run()).report.message).toContain('passphrase is wrong')
    write('run/secrets/kmm-sign/key/passphrase', 'secret\n')
    expect((await run()).status).toBe(0)
  })

  it('uses the pull secrets of the pod, for both images', async () => {
    const users = [
      { username: 'reader', password: 'r', repositories: ['kmods/unsigned'], actions: ['pull' as const] },
      { username: 'writer', password: 'w', repositories: ['kmods/'] },
    ]
    fixture.registry.setAuth({ kind: 'basic', users })
    expect((await run()).report).toMatchObject({ outcome: 'failed', reason: 'RegistryUnauthorized' })
    const { address } = fixture.registry
    const auths = {
      [`${address}/kmods/unsigned`]: { username: 'reader', password: 'r' },
      [`${address}/kmods/signed`]: { username: 'writer', password: 'w' },
    }
    write('etc/kmm-worker/pull-secrets/0/.dockerconfigjson', JSON.stringify({ auths }))
    expect((await run()).report).toMatchObject({ outcome: 'ok' })
  })

  it('signs every module below dirName where no file is named', async () => {
    const { report } = await run([], undefined, [])
    expect(report).toMatchObject({ outcome: 'ok', files: [{ path: module, outcome: 'signed' }] })
  })

  it.each<[string, () => string[], string, RegExp]>([
    ['no key', () => remove('key/key'), 'SigningKeyInvalid', /keySecret has no entry "key"/],
    ['no certificate', () => remove('cert/cert'), 'SigningKeyInvalid', /certSecret has no entry "cert"/],
    ['a key that is garbage', () => replace('key/key', 'x'), 'SigningKeyInvalid', /cannot be read/],
    [
      'another certificate',
      () => replace('cert/cert', read('ec.pem')),
      'SigningKeyInvalid',
      /not that of the signing key/,
    ],
    ['a file that is not there', () => ['--file', '/opt/no.ko'], 'FilesToSignInvalid', /no \/opt\/no\.ko/],
    ['a file outside of dirName', () => ['--file', '/usr/a.ko'], 'FilesToSignInvalid', /outside of dirName/],
    ['another dirName', () => ['--dir-name', '/kmods'], 'FilesToSignInvalid', /outside of dirName/],
    ['an unknown hash', () => ['--hash', 'md5'], 'ConfigurationInvalid', /hash "md5" is not known/],
    ['an unknown flag', () => ['--sign'], 'ConfigurationInvalid', /Usage: worker image sign/],
    ['an image that is not there', () => ['--from', `${fixture.registry.address}/no:1`], 'ImageNotFound', /no:1/],
    ['no image name', () => ['--to', 'A B'], 'ReferenceInvalid', /A B/],
  ])('with %s fails and says so', async (_what, prepare, reason, words) => {
    const { status, report } = await run(prepare())
    expect({ status, reason: report.reason, outcome: report.outcome }).toEqual({ status: 1, reason, outcome: 'failed' })
    expect(report.message).toMatch(words)
    await expect(fixture.manifest('kmods/signed:v1')).rejects.toMatchObject({ code: 'ImageNotFound' })
  })

  it('that is told to stop pushes nothing and says so', async () => {
    const stop = new AbortController()
    const lift = fixture.registry.fail({ action: { do: 'hang' }, kind: 'blob' })
    const running = run([], stop.signal)
    await fixture.registry.waitForRequest(({ kind }) => kind === 'blob')
    stop.abort()
    expect((await running).report).toMatchObject({ outcome: 'failed', reason: 'Aborted' })
    lift()
  })

  it('logs the report when nobody can read it', async () => {
    rmSync(join(root, 'dev'), { recursive: true })
    expect((await run()).status).toBe(0)
    expect(lines.join('\n')).toContain('The report could not be written to /dev/termination-log')
  })
})
