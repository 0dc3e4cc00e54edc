import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { SigningFixture, signerOf, unsignedModule } from '../../test/signing-fixture.ts'
import { file } from '../../test/tar-builder.ts'
import { readSignedBy } from './read-signed-by.ts'
import { signedByLabel } from './signed-label.ts'

let fixture: SigningFixture
beforeEach(async () => {
  fixture = await SigningFixture.start()
})
afterEach(() => fixture.stop())

const { fingerprint } = signerOf('rsa').certificate
const pushLabelled = (label: unknown, architecture = 'amd64') =>
  fixture.registry.push({
    repository: 'kmods/labelled',
    architecture,
    config: { config: { Labels: { [signedByLabel]: label } } },
    layers: [],
  })
const read = (digest: string, signal = new AbortController().signal) =>
  readSignedBy(fixture.client, fixture.place('kmods/labelled:any').reference, digest, signal)

describe('reading whose signature an image names', () => {
  it('finds what signing has written, without reading a layer', async () => {
    const { digest } = await fixture.push([[file('opt/lib/modules/6.1.0/a.ko', unsignedModule)]])
    const place = fixture.place('kmods/unsigned:v1')
    expect(await readSignedBy(fixture.client, place.reference, digest, new AbortController().signal)).toBeUndefined()
    const signed = await fixture.sign(['/opt/lib/modules/6.1.0/a.ko'])
    const before = fixture.registry.requests.length
    const target = fixture.place('kmods/signed:v1').reference
    expect(await readSignedBy(fixture.client, target, signed.digest, new AbortController().signal)).toBe(fingerprint)
    expect(fixture.registry.requests.slice(before).map(({ kind }) => kind)).toEqual(['manifest', 'blob'])
  })

  it.each([['a text of another form'], [42], [fingerprint.toUpperCase()], [`${fingerprint}\n`]])(
    'takes a label of %j for none',
    async (label) => {
      expect(await read((await pushLabelled(label)).digest)).toBeUndefined()
    },
  )

  it('believes an index only when all of its images name the same certificate', async () => {
    const push = async (other: unknown): Promise<string> => {
      const images = [
        { architecture: 'amd64', image: await pushLabelled(fingerprint) },
        { architecture: 'arm64', image: await pushLabelled(other, 'arm64') },
      ]
      return fixture.registry.pushIndex({ repository: 'kmods/labelled', tag: 'any', images }).digest
    }
    expect(await read(await push(fingerprint))).toBe(fingerprint)
    expect(await read(await push('0'.repeat(64)))).toBeUndefined()
    expect(await read(await push(undefined))).toBeUndefined()
  })

  it('does not ask for the images of an index that has too many', async () => {
    const image = await pushLabelled(fingerprint)
    const images = Array.from({ length: 17 }, () => ({ architecture: 'amd64', image }))
    const { digest } = fixture.registry.pushIndex({ repository: 'kmods/labelled', tag: 'any', images })
    expect(await read(digest)).toBeUndefined()
    expect(fixture.registry.requests).toHaveLength(1)
  })

  it('says that an image is missing, and stops when it is told to', async () => {
    const { digest } = await pushLabelled(fingerprint)
    await expect(read(`sha256:${'0'.repeat(64)}`)).rejects.toMatchObject({ code: 'ImageNotFound' })
    await expect(read(digest, AbortSignal.abort())).rejects.toMatchObject({ code: 'Aborted' })
  })
})
