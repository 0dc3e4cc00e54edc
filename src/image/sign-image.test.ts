import { gzipSync } from 'node:zlib'
import { readFileSync } from 'node:fs'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { decompressModule, detectCompression } from '../kmod/compression.ts'
import { isModuleSignedBy } from '../kmod/signature-sign.ts'
import { SigningFixture, signedByOther, signedModule, signerOf, unsignedModule } from '../../test/signing-fixture.ts'
import { directory, file, hardLink, symbolicLink, type TestEntry } from '../../test/tar-builder.ts'
import { findSignedFiles } from './sign-image.ts'
import { signedByLabel } from './signed-label.ts'

let fixture: SigningFixture
beforeEach(async () => {
  fixture = await SigningFixture.start()
})
afterEach(() => fixture.stop())

const folder = 'opt/lib/modules/6.1.0'
const module = (name: string, content: Uint8Array = unsignedModule): TestEntry => file(`${folder}/${name}`, content)
const base = [directory('etc'), file('etc/os-release', 'base'), file('usr/bin/sh', 'sh')]
const namesOf = (files: { header: { name: string; type?: string | null } }[]): string[] =>
  files.map(({ header }) => `${header.type} ${header.name}`)

/** The blobs of the source that were asked for, as indexes of layers; the configuration is -1. */
function layersRead(image: { layers: readonly { digest: string }[] }): number[] {
  return fixture.registry.requests
    .filter(({ kind, method, repository }) => kind === 'blob' && method === 'GET' && repository === 'kmods/unsigned')
    .map(({ reference }) => image.layers.findIndex(({ digest }) => digest === reference))
}

describe('signing an image', () => {
  it('adds one layer with the signed module and nothing of the rest, and the label', async () => {
    const image = await fixture.push([base, [module('a.ko'), module('b.ko'), file(`${folder}/modules.dep`, 'a.ko:')]])
    const result = await fixture.sign([`/${folder}/a.ko`])
    expect(result).toMatchObject({
      sourceDigest: image.digest,
      files: [{ path: `/${folder}/a.ko`, outcome: 'signed' }],
      layersRead: 1,
      layers: 2,
    })
    const manifest = await fixture.manifest('kmods/signed:v1')
    expect(manifest.digest).toBe(result.digest)
    expect(manifest.layers.slice(0, 2)).toEqual(image.layers)
    const added = await fixture.newestLayer()
    expect(namesOf(added)).toEqual([`file ${folder}/a.ko`])
    expect(added[0]!.content.equals(signedModule)).toBe(true)
    const config = JSON.parse((await fixture.blob('kmods/signed:v1', manifest.config)).toString()) as {
      config: { Labels: Record<string, string> }
      history: { created_by: string }[]
    }
    expect(config.config.Labels).toEqual({ [signedByLabel]: signerOf('rsa').certificate.fingerprint })
    expect(config.history.map((step) => step.created_by)).toEqual(['test', 'test', 'kmm image sign'])
    expect(fixture.leftovers).toEqual([])
  })

  it('does not read the layers below those that have the files, and copies no blob within a registry', async () => {
    const image = await fixture.push([base, [module('a.ko')], [file('opt/note', 'x')]])
    await fixture.sign([`/${folder}/a.ko`])
    expect(layersRead(image)).toEqual([2, 1, -1])
    const mounts = fixture.registry.requests.filter(({ path }) => path.includes('mount='))
    expect(mounts.map(({ status }) => status)).toEqual([201, 201, 201])
  })

  it('needs no mount when the target has the blobs, and pushes the same digest when it is done again', async () => {
    await fixture.push([base, [module('a.ko')]])
    const first = await fixture.sign([`/${folder}/a.ko`])
    const before = fixture.registry.requests.length
    expect(await fixture.sign([`/${folder}/a.ko`])).toEqual(first)
    const writes = fixture.registry.requests.slice(before).filter(({ method }) => method !== 'GET' && method !== 'HEAD')
    expect(writes.map(({ kind, method }) => `${method} ${kind}`)).toEqual(['PUT manifest'])
  })

  it('copies the blobs to another registry', async () => {
    const other = await fixture.startOther()
    const image = await fixture.push([base, [module('a.ko')]])
    await fixture.sign([`/${folder}/a.ko`], { target: fixture.place('x/y:v1', other) })
    const manifest = await fixture.manifest('x/y:v1', other)
    const copied = await fixture.blob('x/y:v1', manifest.layers[0]!, other)
    expect(copied.equals(await fixture.blob('kmods/unsigned:v1', image.layers[0]!))).toBe(true)
    expect((await fixture.newestLayer('x/y:v1', other))[0]!.content.equals(signedModule)).toBe(true)
  })

  it('copies a blob that the registry does not mount', async () => {
    const image = await fixture.push([base, [module('a.ko')]])
    fixture.registry.fail({ action: { do: 'answer', status: 405 }, kind: 'upload', method: 'POST', times: 1 })
    await fixture.sign([`/${folder}/a.ko`])
    expect(layersRead(image)).toEqual([1, -1, 0])
    expect((await fixture.manifest('kmods/signed:v1')).layers.slice(0, 2)).toEqual(image.layers)
  })

  it('keeps the kind of a Docker image', async () => {
    await fixture.push([[module('a.ko')]], { docker: true })
    await fixture.sign([`/${folder}/a.ko`])
    const manifest = await fixture.manifest('kmods/signed:v1')
    expect(manifest.mediaType).toBe('application/vnd.docker.distribution.manifest.v2+json')
    expect(manifest.layers.at(-1)!.mediaType).toBe('application/vnd.docker.image.rootfs.diff.tar.gzip')
    expect(manifest.config.mediaType).toBe('application/vnd.docker.container.image.v1+json')
  })

  it('signs the platform that is meant of an index, and pushes that alone', async () => {
    const amd = await fixture.push([[module('a.ko')]], { tag: 'amd64' })
    const arm = await fixture.push([[file(`${folder}/b.ko`, unsignedModule)]], { tag: 'arm64' })
    const images = [
      { architecture: 'amd64', image: amd },
      { architecture: 'arm64', image: arm },
    ]
    fixture.registry.pushIndex({ repository: 'kmods/unsigned', tag: 'v1', images })
    const result = await fixture.sign([`/${folder}/b.ko`], { platform: { os: 'linux', architecture: 'arm64' } })
    expect(result.sourceDigest).toBe(arm.digest)
    expect((await fixture.manifest('kmods/signed:v1')).kind).toBe('manifest')
  })

  it('leaves a file that this key has signed, and signs over what another has', async () => {
    await fixture.push([[module('mine.ko', signedModule), module('other.ko', signedByOther)]])
    const { files } = await fixture.sign([`/${folder}/*.ko`])
    expect(files).toEqual([
      { path: `/${folder}/mine.ko`, outcome: 'alreadySigned' },
      { path: `/${folder}/other.ko`, outcome: 'signed' },
    ])
    const added = await fixture.newestLayer()
    expect(namesOf(added)).toEqual([`file ${folder}/other.ko`])
    expect(added[0]!.content.equals(readFileSync('src/kmod/testdata/signing/signed-twice.ko'))).toBe(true)
  })

  it('only labels an image whose files are all signed', async () => {
    const image = await fixture.push([[module('mine.ko', signedModule)]])
    await fixture.sign([`/${folder}/mine.ko`])
    const manifest = await fixture.manifest('kmods/signed:v1')
    expect(manifest.layers).toEqual(image.layers)
    expect((await fixture.client.readConfig(fixture.place('kmods/signed:v1').reference, manifest)).labels).toEqual({
      [signedByLabel]: signerOf('rsa').certificate.fingerprint,
    })
  })

  it('signs a file that has not the name of a module as it is, as sign-file does, when its path is written out', async () => {
    const program = readFileSync(process.execPath).subarray(0, 5000)
    await fixture.push([[file('opt/bin/getconf', program), file('opt/bin/m.gz', gzipSync('x'))]])
    const sign = () => fixture.sign(['/opt/bin/getconf', '/opt/bin/m.gz'])
    expect((await sign()).files.map(({ outcome }) => outcome)).toEqual(['signed', 'signed'])
    const added = await fixture.newestLayer()
    const { certificate } = signerOf('rsa')
    for (const { content } of added) expect(await isModuleSignedBy(content, certificate)).toBe(true)
    expect(
      added
        .find(({ header }) => header.name.endsWith('getconf'))!
        .content.subarray(0, 5000)
        .equals(program),
    ).toBe(true)
    await expect(fixture.sign(['/opt/bin/*'])).rejects.toMatchObject({ code: 'FilesToSignInvalid' })
  })

  it('signs an EC key’s way too', async () => {
    await fixture.push([[module('a.ko')]])
    await fixture.sign([`/${folder}/a.ko`], { signer: signerOf('ec') })
    const [added] = await fixture.newestLayer()
    expect(await isModuleSignedBy(added!.content, signerOf('ec').certificate)).toBe(true)
  })

  it.each([
    ['gz', gzipSync(unsignedModule)],
    ['xz', readFileSync('src/kmod/testdata/kmm_demo_dep.ko.xz')],
    ['zst', readFileSync('src/kmod/testdata/kmm_demo_dep.ko.zst')],
  ])('signs inside of a compressed module (.ko.%s)', async (suffix, content) => {
    await fixture.push([[module(`a.ko.${suffix}`, content)]])
    await fixture.sign([`/${folder}/a.ko.${suffix}`])
    const [added] = await fixture.newestLayer()
    expect(detectCompression(added!.content)).toBe(detectCompression(content))
    expect(await isModuleSignedBy(await decompressModule(added!.content), signerOf('rsa').certificate)).toBe(true)
    expect((await fixture.sign([`/${folder}/a.ko.${suffix}`])).files[0]!.outcome).toBe('signed')
    const source = fixture.place('kmods/signed:v1')
    expect((await fixture.sign([`/${folder}/a.ko.${suffix}`], { source })).files[0]!.outcome).toBe('alreadySigned')
  })

  it('keeps modes, owners, times and attributes, of the directories above too', async () => {
    const pax = { uid: '300000', gid: '7', mtime: '1700000000.25', 'SCHILY.xattr.user.note': 'kept' }
    await fixture.push([
      [
        { ...directory('opt'), mode: 0o711, pax: { uid: '5' } },
        {
          ...module('a.ko'),
          mode: 0o640,
          pax: { ...pax, 'SCHILY.xattr.security.ima': 'gone', 'SCHILY.xattr.user.bytes': '\uFFFD' },
        },
      ],
    ])
    await fixture.sign([`/${folder}/a.ko`])
    const [opt, added] = await fixture.newestLayer()
    expect(opt!.header).toMatchObject({ name: 'opt/', type: 'directory', mode: 0o711, uid: 5 })
    const { uid: _, ...kept } = pax
    expect(added!.header).toMatchObject({ mode: 0o640, gid: 7, mtime: new Date(1_700_000_000_000) })
    const { gid: __, ...attributes } = kept
    const found = (added!.header as { pax?: Record<string, string> }).pax
    expect(found).toMatchObject({ ...attributes, uid: '300000' })
    expect(Object.keys(found ?? {}).filter((key) => key.startsWith('SCHILY'))).toEqual(['SCHILY.xattr.user.note'])
  })
})

describe('the files to sign', () => {
  it('are found through globs, in all layers', async () => {
    const image = await fixture.push([
      [module('kmm_a.ko'), module('gone.ko')],
      [module('kmm_b.ko'), module('other.ko'), module('.hidden.ko'), file(`${folder}/modules.dep`)],
      [file(`${folder}/.wh.gone.ko`, '')],
    ])
    const found = async (...patterns: string[]): Promise<string[]> =>
      (await fixture.sign(patterns)).files.map(({ path }) => path.slice(folder.length + 2))
    expect(await found(`/${folder}/kmm_?.ko`)).toEqual(['kmm_a.ko', 'kmm_b.ko'])
    expect(layersRead(image)).toEqual([2, 1, 0, -1])
    expect(await found(`/${folder}/*`)).toEqual(['kmm_a.ko', 'kmm_b.ko', 'other.ko'])
    expect(await found('/opt/*/mod*/6.[0-9].0/[!k]*.ko')).toEqual(['other.ko'])
    expect(await found(`/${folder}/.h*`)).toEqual(['.hidden.ko'])
    expect((await found()).toSorted()).toEqual(['.hidden.ko', 'kmm_a.ko', 'kmm_b.ko', 'other.ko'])
  })

  it('of a newer layer stand over those of a lower one', async () => {
    await fixture.push([[module('a.ko', signedModule)], [module('a.ko', signedByOther)]])
    const result = await fixture.sign([`/${folder}/a.ko`])
    expect(result).toMatchObject({ layersRead: 1, files: [{ outcome: 'signed' }] })
  })

  it('in a directory that a newer layer has emptied are not there, and no lower layer is read for a glob', async () => {
    const image = await fixture.push([[module('a.ko')], [file(`${folder}/.wh..wh..opq`, ''), module('b.ko')]])
    expect((await fixture.sign([`/${folder}/*.ko`])).files.map(({ path }) => path)).toEqual([`/${folder}/b.ko`])
    expect(layersRead(image)).toEqual([1, -1])
    await expect(fixture.sign([`/${folder}/a.ko`])).rejects.toMatchObject({ code: 'FilesToSignInvalid' })
  })

  it('in a directory that a newer layer has replaced by another are not there', async () => {
    await fixture.push([
      [directory(folder), module('a.ko'), module('b.ko')],
      [file('opt/lib/modules/.wh.6.1.0', ''), directory(folder), module('b.ko', signedModule)],
    ])
    expect((await fixture.sign([`/${folder}/*.ko`])).files).toEqual([
      { path: `/${folder}/b.ko`, outcome: 'alreadySigned' },
    ])
    await expect(fixture.sign([`/${folder}/a.ko`])).rejects.toMatchObject({ code: 'FilesToSignInvalid' })
  })

  it('behind links are signed where they are', async () => {
    await fixture.push([
      [symbolicLink('opt/lib', '/opt/usr/lib'), symbolicLink('opt/usr/lib/now', 'modules/6.1.0')],
      [file('opt/usr/lib/modules/6.1.0/a.ko', unsignedModule)],
      [symbolicLink('opt/usr/lib/modules/6.1.0/alias.ko', 'a.ko')],
    ])
    for (const path of [`/${folder}/a.ko`, '/opt/lib/now/alias.ko', '/opt/l*/n?w/al*.ko']) {
      const { files } = await fixture.sign([path])
      expect(files).toEqual([{ path: '/opt/usr/lib/modules/6.1.0/a.ko', outcome: 'signed' }])
      const added = await fixture.newestLayer()
      expect(namesOf(added)).toEqual(['file opt/usr/lib/modules/6.1.0/a.ko'])
    }
  })

  it('in a dirName that is a link are signed where they are', async () => {
    await fixture.push([[symbolicLink('bin', 'usr/bin')], [file('usr/bin/getconf', 'program'), file('usr/x.ko', 'x')]])
    const { files } = await fixture.sign(['/bin/getconf'], { dirName: '/bin' })
    expect(files).toEqual([{ path: '/usr/bin/getconf', outcome: 'signed' }])
    expect(namesOf(await fixture.newestLayer())).toEqual(['file usr/bin/getconf'])
  })

  it('that are hard links of one file stay so', async () => {
    const image = await fixture.push([[module('a.ko'), hardLink(`${folder}/b.ko`, `${folder}/a.ko`)]])
    const { files } = await fixture.sign([`/${folder}/b.ko`])
    expect(files.map(({ path }) => path)).toEqual([`/${folder}/a.ko`, `/${folder}/b.ko`])
    const added = await fixture.newestLayer()
    expect(namesOf(added)).toEqual([`file ${folder}/a.ko`, `link ${folder}/b.ko`])
    expect(added[0]!.content.equals(signedModule)).toBe(true)
    expect(layersRead(image)).toEqual([0, 0, -1])
  })

  it('are told signed or not, without a change', async () => {
    await fixture.push([[module('mine.ko', signedModule), module('other.ko', signedByOther), module('plain.ko')]])
    const { certificate } = signerOf('rsa')
    expect(await findSignedFiles({ ...fixture.select([`/${folder}/*.ko`]), certificate })).toEqual([
      { path: `/${folder}/mine.ko`, isSigned: true },
      { path: `/${folder}/other.ko`, isSigned: false },
      { path: `/${folder}/plain.ko`, isSigned: false },
    ])
    expect(fixture.registry.requests.filter(({ method }) => method !== 'GET')).toEqual([])
  })
})

describe('what cannot be signed', () => {
  const problem = async (...filesToSign: string[]): Promise<{ code: string; message: string }> => {
    try {
      await fixture.sign(filesToSign)
    } catch (error) {
      expect(fixture.leftovers).toEqual([])
      return error as { code: string; message: string }
    }
    throw new Error('it was signed')
  }

  it.each([
    [`/${folder}/none*.ko`, /none\*\.ko: it matches no kernel module/],
    [`/${folder}/none.ko`, /the image has no \/opt\/lib\/modules\/6\.1\.0\/none\.ko/],
    ['/opt/elsewhere/a.ko', /the image has no \/opt\/elsewhere/],
    [`/${folder}`, /it is a directory/],
    [`/${folder}/a.ko/b.ko`, /a\.ko is no directory/],
    [`/${folder}/loop1.ko`, /lead in a circle/],
    [`/${folder}/dangling.ko`, /the image has no \/host/],
    [`/${folder}/outside.ko`, /outside of dirName \/opt/],
    ['/usr/a.ko', /outside of dirName/],
    ['/optional/a.ko', /outside of dirName/],
    ['/opt/../usr/a.ko', /contains "\.\."/],
    ['/o*t/a.ko', /outside of dirName/],
    ['opt/a.ko', /from the root of the image/],
    ['/opt/${KERNEL_VERSION}/a.ko', /variable that was not substituted/],
    ['', /from the root of the image/],
    ['/', /outside of dirName/],
  ])('"%s" is refused with words for it', async (text, words) => {
    await fixture.push([
      [
        file('usr/a.ko', unsignedModule),
        module('a.ko'),
        symbolicLink(`${folder}/loop1.ko`, 'loop2.ko'),
        symbolicLink(`${folder}/loop2.ko`, 'loop1.ko'),
        symbolicLink(`${folder}/dangling.ko`, '/host/lib/modules/6.1.0/x.ko'),
        symbolicLink(`${folder}/outside.ko`, '../../../../../../../usr/a.ko'),
      ],
    ])
    const error = await problem(text)
    expect(error.code).toBe('FilesToSignInvalid')
    expect(error.message).toMatch(words)
  })

  it('is a file that is no module, or half of one', async () => {
    await fixture.push([
      [
        module('text.ko', Buffer.from('text')),
        module('half.ko', unsignedModule.subarray(0, 3000)),
        module('packed.ko.xz', Buffer.from('fd377a585a00beef', 'hex')),
        module('inside.ko.gz', gzipSync('text')),
      ],
    ])
    for (const name of ['text.ko', 'half.ko', 'packed.ko.xz', 'inside.ko.gz']) {
      const error = await problem(`/${folder}/${name}`)
      expect(error.code).toBe('ModuleFileInvalid')
      expect(error.message).toContain(name)
      expect(error.message).toContain('kmods/unsigned:v1')
    }
  })

  it('is not a module with a senseless signature: as with sign-file, a good one comes behind it', async () => {
    const marker = Buffer.from('~Module signature appended~\n')
    const senseless = Buffer.from('0000020000000000ffffffff', 'hex')
    await fixture.push([[module('a.ko', Buffer.concat([unsignedModule, senseless, marker]))]])
    await fixture.sign([`/${folder}/a.ko`])
    const [added] = await fixture.newestLayer()
    expect(await isModuleSignedBy(added!.content, signerOf('rsa').certificate)).toBe(true)
  })

  it('is an image that is not there, or a bomb', async () => {
    expect((await problem(`/${folder}/a.ko`)).code).toBe('ImageNotFound')
    await fixture.push([[file('bomb', Buffer.alloc(64 * 1024 * 1024)), module('a.ko')]])
    const error = await problem(`/${folder}/a.ko`)
    expect(error.code).toBe('LimitExceeded')
    expect(error.message).toContain('decompression bomb')
  })

  it('is a layer that is damaged on the way', async () => {
    await fixture.push([[module('a.ko')]])
    fixture.registry.fail({ action: { do: 'corrupt', atByte: 40 }, kind: 'blob', repository: 'kmods/unsigned' })
    expect((await problem(`/${folder}/a.ko`)).code).toBe('ImageInvalid')
    expect(fixture.registry.requests.filter(({ method }) => method === 'PUT')).toEqual([])
  })

  it('is a hard link whose file its layer does not hold', async () => {
    await fixture.push([[hardLink(`${folder}/b.ko`, `${folder}/a.ko`)]])
    expect(await problem(`/${folder}/b.ko`)).toMatchObject({ code: 'ImageInvalid' })
  })

  it('leaves the target’s tag alone when the registry refuses the push', async () => {
    await fixture.push([[module('a.ko')]])
    fixture.registry.fail({ action: { do: 'answer', status: 403, code: 'DENIED' }, method: 'PUT' })
    expect((await problem(`/${folder}/a.ko`)).code).toBe('RegistryUnauthorized')
    await expect(fixture.manifest('kmods/signed:v1')).rejects.toMatchObject({ code: 'ImageNotFound' })
  })

  it('blames the source when a blob that has to be copied is lost there', async () => {
    const other = await fixture.startOther()
    const image = await fixture.push([base, [module('a.ko')]])
    fixture.registry.fail({ action: { do: 'missing' }, kind: 'blob', reference: image.layers[0]!.digest })
    const failure = await fixture
      .sign([`/${folder}/a.ko`], { target: fixture.place('x/y:v1', other) })
      .catch((error: unknown) => error)
    expect(failure).toMatchObject({ code: 'ImageNotFound' })
  })
})
