import { readFileSync } from 'node:fs'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import {
  SigningFixture,
  signedByOther,
  signedModule,
  signerOf,
  unsignedModule,
} from '../../../../test/signing-fixture.ts'
import { file } from '../../../../test/tar-builder.ts'
import type { Sign } from '../../../api/module.ts'
import { namespaces, secrets } from '../../../kube/core-resources.ts'
import { createTokenCache } from '../../../oci/token-cache.ts'
import { createKeyedLock } from '../../../runtime/keyed-lock.ts'
import { type Sandbox, startSandbox } from '../../../sandbox/sandbox.ts'
import { inspectSignature, type InspectionTools } from './inspect-signature.ts'
import type { InspectionResult } from './job.ts'

let sandbox: Sandbox
let fixture: SigningFixture
beforeAll(async () => {
  sandbox = await startSandbox()
  await sandbox.client.create(namespaces, { metadata: { name: 'ns' } })
  for (const name of ['rsa', 'ec'] as const) {
    const cert = readFileSync(`src/kmod/testdata/signing/${name}.pem`).toString('base64')
    await sandbox.client.create(secrets, { metadata: { namespace: 'ns', name }, data: { cert } })
  }
})
afterAll(() => sandbox.stop())
beforeEach(async () => {
  fixture = await SigningFixture.start()
})
afterEach(() => fixture.stop())

const folder = 'opt/lib/modules/6.1.0'
const { fingerprint } = signerOf('rsa').certificate

async function inspect(
  digest: string,
  {
    sign = {},
    certificate = fingerprint,
    repository = 'kmods/unsigned',
    ...more
  }: {
    sign?: Partial<Sign>
    certificate?: string
    repository?: string
  } & Partial<InspectionTools> = {},
): Promise<InspectionResult> {
  const image = `${fixture.registry.address}/${repository}:v1`
  const spec = {
    image,
    kernelVersion: '6.1.0',
    dirName: '/opt',
    registryTLS: { insecure: true },
    sign: { keySecret: { name: 'rsa' }, certSecret: { name: 'rsa' }, filesToSign: [`/${folder}/*.ko`], ...sign },
  }
  const sources = {
    namespace: 'ns',
    module: { namespace: 'ns', name: 'mod' },
    imageRepoSecret: '',
    serviceAccountName: 'default',
    architecture: 'amd64',
    tolerations: [],
  }
  const result = await inspectSignature({ spec, digest, certificate }, sources, {
    client: sandbox.client,
    settings: {},
    tokens: createTokenCache(),
    warn: () => undefined,
    signal: new AbortController().signal,
    temporaryFolder: fixture.workFolder,
    inspecting: createKeyedLock(),
    ...more,
  })
  expect(fixture.leftovers).toEqual([])
  return result
}

const push = (files: Record<string, Uint8Array>) =>
  fixture.push([Object.entries(files).map(([name, content]) => file(`${folder}/${name}`, content))])

describe('an image that exists', () => {
  it('is signed when its label says so, and then no layer is read', async () => {
    await push({ 'a.ko': unsignedModule })
    const { digest } = await fixture.sign([`/${folder}/a.ko`])
    const before = fixture.registry.requests.length
    expect(await inspect(digest, { repository: 'kmods/signed' })).toEqual({ kind: 'signed' })
    expect(fixture.registry.requests.slice(before).map(({ kind }) => kind)).toEqual(['manifest', 'blob'])
  })

  it('is signed when all its modules carry the certificate’s signature', async () => {
    const { digest } = await push({ 'a.ko': signedModule, 'b.ko': signedModule })
    expect(await inspect(digest)).toEqual({ kind: 'signed' })
  })

  it('is not signed when one of them does not, and the message names it', async () => {
    const { digest } = await push({ 'a.ko': signedModule, 'b.ko': unsignedModule, 'c.ko': signedByOther })
    expect(await inspect(digest)).toEqual({
      kind: 'unsigned',
      message: expect.stringMatching(
        /^2 of the 3 files to sign are not signed by the certificate of sign\.certSecret \(.*rsa signer.*\): \/opt\/lib\/modules\/6\.1\.0\/b\.ko, \/opt\/lib\/modules\/6\.1\.0\/c\.ko$/,
      ),
    })
  })

  it('is looked into as a whole where the Module names no files', async () => {
    const { digest } = await push({ 'a.ko': signedModule, 'b.ko': unsignedModule })
    expect(await inspect(digest, { sign: { filesToSign: [] } })).toMatchObject({ kind: 'unsigned' })
  })

  it('is read by its digest, whatever its tag means by now', async () => {
    const { digest } = await push({ 'a.ko': signedModule })
    await push({ 'a.ko': unsignedModule })
    expect(await inspect(digest)).toEqual({ kind: 'signed' })
  })
})

describe('what keeps an inspection from an answer', () => {
  it('is that the files are not there', async () => {
    const { digest } = await push({ 'a.ko': signedModule })
    expect(await inspect(digest, { sign: { filesToSign: ['/opt/no.ko'] } })).toMatchObject({
      kind: 'unknown',
      reason: 'FilesToSignInvalid',
      message: expect.stringContaining('/opt/no.ko'),
    })
  })

  it('is that the image has gone', async () => {
    expect(await inspect(`sha256:${'a'.repeat(64)}`)).toMatchObject({ kind: 'unknown', reason: 'ImageNotFound' })
  })

  it('is that the registry wants credentials', async () => {
    const { digest } = await push({ 'a.ko': signedModule })
    fixture.registry.setAuth({ kind: 'basic', users: [{ username: 'reader', password: 'right' }] })
    expect(await inspect(digest)).toMatchObject({ kind: 'unknown', reason: 'RegistryUnauthorized' })
  })

  it('is that the certificate is gone, or has just become another', async () => {
    const { digest } = await push({ 'a.ko': signedModule })
    expect(await inspect(digest, { sign: { certSecret: { name: 'none' } } })).toMatchObject({
      kind: 'unknown',
      reason: 'ImageInputMissing',
    })
    expect(await inspect(digest, { sign: { certSecret: { name: 'ec' } } })).toMatchObject({
      kind: 'unknown',
      reason: 'ImageInputsDiffer',
    })
  })

  it('is that a file is no module', async () => {
    const { digest } = await push({ 'a.ko': Buffer.from('hello') })
    expect(await inspect(digest)).toMatchObject({ kind: 'unknown', reason: 'ImageInvalid' })
  })
})

it('reads layers only while no other image of the namespace is looked into', async () => {
  const { digest } = await push({ 'a.ko': signedModule })
  const labelled = await fixture.sign([`/${folder}/a.ko`])
  const layers = (await fixture.manifest('kmods/unsigned:v1')).layers.map((layer) => layer.digest)
  const before = fixture.registry.requests.length
  const countLayers = (): number =>
    fixture.registry.requests.slice(before).filter(({ reference }) => layers.includes(reference)).length
  const inspecting = createKeyedLock()
  let free: () => void = () => undefined
  const holding = inspecting.hold('ns', () => new Promise<void>((resolve) => (free = resolve)))
  const waiting = inspect(digest, { inspecting })
  // A label is enough: this one does not wait, and asks the registry as often as the first has by now.
  const signed = { repository: 'kmods/signed', inspecting }
  for (let round = 0; round < 3; round += 1) expect(await inspect(labelled.digest, signed)).toEqual({ kind: 'signed' })
  expect(countLayers()).toBe(0)
  free()
  await holding
  expect(await waiting).toEqual({ kind: 'signed' })
  expect(countLayers()).toBe(1)
})
