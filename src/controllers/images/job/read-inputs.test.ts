import { createPrivateKey } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { jobConfig, jobSpec } from '../../../../test/builders/job.ts'
import { signerOf } from '../../../../test/signing-fixture.ts'
import type { ModuleImageSpec } from '../../../api/module-images-config.ts'
import type { Build, Sign } from '../../../api/module.ts'
import { configMaps, namespaces, secrets } from '../../../kube/core-resources.ts'
import { derTags, encodeDer, encodeOid } from '../../../kmod/der.ts'
import { createTokenCache } from '../../../oci/token-cache.ts'
import { type Sandbox, startSandbox } from '../../../sandbox/sandbox.ts'
import type { RegistryTools } from '../read-credentials.ts'
import type { JobSources } from './job-sources.ts'
import type { InputsResult } from './job.ts'
import { formatInputsKey, readInputs } from './read-inputs.ts'

let sandbox: Sandbox
let counter = 0
let namespace = ''
beforeAll(async () => {
  sandbox = await startSandbox()
})
afterAll(() => sandbox.stop())
beforeEach(async () => {
  counter += 1
  namespace = `ns-${counter}`
  sandbox.registry.clearFaults()
  await sandbox.client.create(namespaces, { metadata: { name: namespace } })
})

const read = (name: string): Buffer => readFileSync(`src/kmod/testdata/signing/${name}`)
const base64 = (content: string | Uint8Array): string => Buffer.from(content).toString('base64')

async function writeSecret(name: string, entries: Record<string, string | Uint8Array>): Promise<void> {
  const data = Object.fromEntries(Object.entries(entries).map(([key, content]) => [key, base64(content)]))
  const secret = { metadata: { namespace, name }, data }
  await sandbox.client.create(secrets, secret).catch(() => sandbox.client.replace(secrets, secret))
}

async function writeDockerfile(text: string, key = 'dockerfile'): Promise<void> {
  const map = { metadata: { namespace, name: 'recipe' }, data: { [key]: text } }
  await sandbox.client.create(configMaps, map).catch(() => sandbox.client.replace(configMaps, map))
}

function readSpec(spec: Partial<ModuleImageSpec>, changes: Partial<JobSources> = {}): Promise<InputsResult> {
  const sources: JobSources = {
    namespace,
    module: { namespace, name: 'mod' },
    imageRepoSecret: '',
    serviceAccountName: 'default',
    architecture: 'amd64',
    tolerations: [],
    ...changes,
  }
  const tools: RegistryTools = {
    client: sandbox.client,
    settings: {},
    tokens: createTokenCache(),
    warn: () => undefined,
    signal: new AbortController().signal,
  }
  return readInputs(
    { image: jobSpec.image, kernelVersion: jobSpec.kernelVersion, dirName: '/opt', ...spec },
    sources,
    tools,
  )
}

const buildOf = (changes: Partial<Build> = {}): Build => ({
  dockerfileConfigMap: { name: 'recipe' },
  baseImageRegistryTLS: { insecure: true },
  ...changes,
})
const signOf = (changes: Partial<Sign> = {}): Sign => ({
  keySecret: { name: 'key' },
  certSecret: { name: 'cert' },
  unsignedImage: 'registry.test/raw:v1',
  ...changes,
})
const readBuild = async (changes: Partial<Build> = {}, spec: Partial<ModuleImageSpec> = {}) => {
  const result = await readSpec({ build: buildOf(changes), ...spec })
  if (result.kind === 'unusable') throw new Error(result.message)
  return result.build
}
const readSign = async (changes: Partial<Sign> = {}, spec: Partial<ModuleImageSpec> = {}) => {
  const result = await readSpec({ sign: signOf(changes), ...spec })
  if (result.kind === 'unusable') throw new Error(result.message)
  return result.sign
}

describe('the inputs of a build', () => {
  beforeEach(() => writeDockerfile('FROM scratch'))

  it('are the same as long as nothing of them changes', async () => {
    await writeSecret('s', { a: '1' })
    const secretsOf = [{ name: 's' }]
    const first = await readBuild({ secrets: secretsOf })
    expect(first).toEqual({
      dockerfile: 'FROM scratch',
      hash: expect.stringMatching(/^[0-9a-f]{64}$/),
      setup: expect.any(String),
      unresolved: [],
    })
    expect(await readBuild({ secrets: secretsOf })).toEqual(first)
  })

  it('change with the Dockerfile, the arguments, the kernel, and each version of a secret', async () => {
    await writeSecret('s', { a: '1' })
    const hashes = new Set<string | undefined>()
    const take = async (changes: Partial<Build> = {}, spec: Partial<ModuleImageSpec> = {}) =>
      hashes.add((await readBuild({ secrets: [{ name: 's' }], ...changes }, spec))?.hash)
    await take()
    await take({ buildArgs: [{ name: 'A', value: '1' }] })
    await take({}, { kernelVersion: '6.2.0' })
    await take({ secrets: [] })
    await writeSecret('s', { a: '2' })
    await take()
    await writeDockerfile('FROM scratch\nRUN true')
    await take()
    expect(hashes.size).toBe(6)
  })

  it('stay when only the way to run the pod changes, which is told apart', async () => {
    const first = await readBuild()
    const chosen = await readBuild({ selector: { role: 'builder' } })
    expect(chosen?.hash).toBe(first?.hash)
    expect(chosen?.setup).not.toBe(first?.setup)
  })

  it('know the base images by their digests, and change when a tag moves', async () => {
    const { address } = sandbox.registry
    const push = () =>
      sandbox.registry.push({
        repository: 'base',
        tag: counter.toString(),
        layers: [],
        config: { created: String(Math.floor(performance.now() * 1e6)) },
      })
    await push()
    await writeDockerfile(`ARG TAG\nFROM ${address}/base:$TAG`)
    const changes = { buildArgs: [{ name: 'TAG', value: counter.toString() }] }
    const first = await readBuild(changes)
    expect(first?.unresolved).toEqual([])
    expect((await readBuild(changes))?.hash).toBe(first?.hash)
    await push()
    expect((await readBuild(changes))?.hash).not.toBe(first?.hash)
  })

  it('name the base images that nobody can look up, and go on without them', async () => {
    const { address } = sandbox.registry
    await writeDockerfile(`FROM ${address}/nothing:1\nFROM UPPER\nFROM ${address}/x@sha256:${'a'.repeat(64)}`)
    expect((await readBuild())?.unresolved).toEqual([`${address}/nothing:1`, 'UPPER'])
  })

  it('say which ConfigMap to create', async () => {
    expect(await readSpec({ build: buildOf({ dockerfileConfigMap: { name: 'none' } }) })).toEqual({
      kind: 'unusable',
      reason: 'ImageInputMissing',
      message: `ConfigMap ${namespace}/none, which the Module names in build.dockerfileConfigMap, does not exist: create it, or correct build.dockerfileConfigMap`,
    })
  })

  it.each([
    ['has another key', () => writeDockerfile('FROM scratch', 'Dockerfile')],
    ['is empty', () => writeDockerfile(' \n')],
  ])('say what is missing in a ConfigMap that %s', async (_what, write) => {
    await write()
    expect(await readSpec({ build: buildOf() })).toMatchObject({
      reason: 'ImageInputMissing',
      message: expect.stringContaining('has no entry "dockerfile": put the Dockerfile there'),
    })
  })

  it('say which secret to create', async () => {
    expect(await readSpec({ build: buildOf({ secrets: [{ name: 'absent' }] }) })).toMatchObject({
      reason: 'ImageInputMissing',
      message: expect.stringMatching(
        /^Secret ns-\d+\/absent, which the Module names in build\.secrets, does not exist: create it/,
      ),
    })
  })

  it('are of no use for an image that is named by its digest', async () => {
    const image = `registry.test/mod@sha256:${'a'.repeat(64)}`
    expect(await readSpec({ image, build: buildOf() })).toMatchObject({
      reason: 'MappingInvalid',
      message: expect.stringContaining('give containerImage a tag instead'),
    })
  })
})

describe('the inputs of a signature', () => {
  beforeEach(async () => {
    await writeSecret('key', { key: read('rsa.key') })
    await writeSecret('cert', { cert: read('rsa.pem') })
  })

  it('carry the certificate’s fingerprint', async () => {
    expect(await readSign()).toEqual({
      hash: expect.stringMatching(/^[0-9a-f]{64}$/),
      setup: expect.any(String),
      certificate: signerOf('rsa').certificate.fingerprint,
    })
  })

  it('change with the files, the key’s version and the certificate, not with what nobody signs with', async () => {
    const first = await readSign()
    expect((await readSign({ unsignedImage: 'registry.test/other:v1' }))?.hash).toBe(first?.hash)
    await writeSecret('cert', { cert: read('rsa.pem'), note: 'x' })
    expect((await readSign())?.hash).toBe(first?.hash)
    const files = await readSign({ filesToSign: ['/opt/a.ko'] })
    await writeSecret('key', { key: read('rsa.key'), note: 'x' })
    const version = await readSign()
    await writeSecret('key', { key: read('ec.key') })
    await writeSecret('cert', { cert: read('ec.pem') })
    const other = await readSign()
    expect(new Set([first, files, version, other].map((each) => each?.hash)).size).toBe(4)
    expect(other?.certificate).toBe(signerOf('ec').certificate.fingerprint)
  })

  it('may lie in one secret', async () => {
    await writeSecret('both', { key: read('rsa.key'), cert: read('rsa.pem') })
    expect((await readSign({ keySecret: { name: 'both' }, certSecret: { name: 'both' } }))?.certificate).toHaveLength(
      64,
    )
  })

  const encrypted = (passphrase: string): string =>
    createPrivateKey(read('rsa.key')).export({
      type: 'pkcs8',
      format: 'pem',
      cipher: 'aes-256-cbc',
      passphrase,
    }) as string

  it('open an encrypted key with the passphrase beside it, a line break at its end or not', async () => {
    await writeSecret('key', { key: encrypted('right'), passphrase: 'right\n' })
    expect((await readSign())?.certificate).toHaveLength(64)
  })

  it.each<[string, () => Promise<void>, string, RegExp]>([
    [
      'no entry "key"',
      () => writeSecret('key', { 'tls.key': 'x' }),
      'ImageInputMissing',
      /\/key, .*no entry "key" \(it has: tls\.key\)/,
    ],
    ['an empty key', () => writeSecret('key', { key: '' }), 'ImageInputMissing', /no entry "key"/],
    ['no entry "cert"', () => writeSecret('cert', {}), 'ImageInputMissing', /\/cert, .*no entry "cert": put it there/],
    [
      'a certificate that is garbage',
      () => writeSecret('cert', { cert: 'x' }),
      'SigningKeyInvalid',
      /^Secret ns-\d+\/cert: the certificate cannot be read/,
    ],
    [
      'a key that is garbage',
      () => writeSecret('key', { key: 'x' }),
      'SigningKeyInvalid',
      /^Secret ns-\d+\/key: the signing key cannot be read/,
    ],
    [
      'a key of another certificate',
      () => writeSecret('key', { key: read('ec.key') }),
      'SigningKeyInvalid',
      /not that of the signing key/,
    ],
    [
      'a wrong passphrase',
      () => writeSecret('key', { key: encrypted('right'), passphrase: 'wrong' }),
      'SigningKeyInvalid',
      /passphrase is wrong/,
    ],
    [
      'no passphrase',
      () => writeSecret('key', { key: encrypted('right') }),
      'SigningKeyInvalid',
      /no passphrase is given/,
    ],
  ])('say what is wrong with %s', async (_what, write, reason, message) => {
    await write()
    const result = await readSpec({ sign: signOf() })
    expect(result).toMatchObject({ kind: 'unusable', reason, message: expect.stringMatching(message) })
    expect(JSON.stringify(result)).not.toMatch(/right|MII/)
  })

  it('leave a key that takes long to open to the sign pod', async () => {
    const rounds = encodeDer(derTags.integer, Buffer.from([0x7f, 0xff, 0xff, 0xff]))
    const parameters = encodeDer(derTags.sequence, encodeDer(derTags.octetString, Buffer.alloc(8)), rounds)
    const derivation = encodeDer(derTags.sequence, encodeOid('1.2.840.113549.1.5.12'), parameters)
    const cipher = encodeDer(
      derTags.sequence,
      encodeOid('1.2.840.113549.1.5.13'),
      encodeDer(derTags.sequence, derivation),
    )
    const der = encodeDer(derTags.sequence, cipher, encodeDer(derTags.octetString, Buffer.alloc(64)))
    const pem = `-----BEGIN ENCRYPTED PRIVATE KEY-----\n${der.toString('base64')}\n-----END ENCRYPTED PRIVATE KEY-----\n`
    for (const key of [der, pem]) {
      await writeSecret('key', { key, passphrase: 'p' })
      expect((await readSign())?.certificate).toHaveLength(64)
    }
  })

  it('say which secrets to create', async () => {
    const sign = signOf({ keySecret: { name: 'none' }, certSecret: {} })
    expect(await readSpec({ sign })).toMatchObject({
      reason: 'ImageInputMissing',
      message: expect.stringMatching(/none.*does not exist|names no Secret in sign\.certSecret/),
    })
  })

  it('name files below dirName', async () => {
    expect(await readSpec({ sign: signOf({ filesToSign: ['/usr/a.ko'] }) })).toMatchObject({
      reason: 'FilesToSignInvalid',
      message: expect.stringContaining('outside of dirName'),
    })
  })

  it('need something to sign', async () => {
    const sign = { keySecret: { name: 'key' }, certSecret: { name: 'cert' } }
    expect(await readSpec({ sign })).toMatchObject({
      reason: 'MappingInvalid',
      message: expect.stringContaining('give sign.unsignedImage, or build'),
    })
  })

  it('and of a build are told together', async () => {
    await writeSecret('cert', { cert: 'x' })
    expect(await readSpec({ sign: signOf(), build: buildOf() })).toMatchObject({
      reason: 'ImageInputMissing',
      message: expect.stringMatching(/recipe.*does not exist.*; Secret .*the certificate cannot be read/),
    })
    await writeDockerfile('FROM scratch')
    await writeSecret('cert', { cert: read('rsa.pem') })
    expect(await readSpec({ sign: signOf(), build: buildOf() })).toMatchObject({ kind: 'read', build: {}, sign: {} })
  })
})

it('throws what the API server cannot answer', async () => {
  const aborted = AbortSignal.abort()
  const sources = {
    namespace,
    module: { namespace, name: 'mod' },
    imageRepoSecret: '',
    serviceAccountName: 'default',
    architecture: '',
    tolerations: [],
  }
  const tools = {
    client: sandbox.client,
    settings: {},
    tokens: createTokenCache(),
    warn: () => undefined,
    signal: aborted,
  }
  await expect(readInputs({ ...jobSpec, build: buildOf() }, sources, tools)).rejects.toMatchObject({ code: 'Aborted' })
})

describe('the key of a reading', () => {
  it('changes with what is read, whatever the order of its fields', () => {
    const key = formatInputsKey(jobConfig, jobSpec)
    const { build, ...rest } = jobSpec
    expect(formatInputsKey(jobConfig, { build, ...rest } as ModuleImageSpec)).toBe(key)
    expect(formatInputsKey(jobConfig, { ...jobSpec, kernelVersion: '6.2.0' })).not.toBe(key)
    const other = { ...jobConfig, spec: { ...jobConfig.spec, imageRepoSecret: { name: 'pull' } } }
    expect(formatInputsKey(other, jobSpec)).not.toBe(key)
  })
})
