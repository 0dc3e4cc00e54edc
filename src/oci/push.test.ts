import { Readable } from 'node:stream'
import { gunzipSync } from 'node:zlib'
import { extract } from 'tar-stream'
import { afterEach, describe, expect, it } from 'vitest'
import { computeDigest } from './digest.ts'
import { buildImage, buildIndex } from './image-builder.ts'
import { pushImage } from './push.ts'
import { createFixture, failureOf } from './testdata/fixture.ts'
import { sendError, sendJson } from './testdata/test-registry.ts'
import { parseDockerConfig } from './credentials.ts'

const fixture = createFixture()
const { open, serve, start } = fixture
afterEach(() => fixture.stop())

const files = {
  'opt/lib/modules/6.1.0/extra/a.ko': { data: 'module', mode: 0o640 },
  'opt/lib/modules/6.1.0/link': { linkname: '/host/lib/modules/6.1.0' },
}

async function listEntries(archive: Buffer): Promise<string[]> {
  const entries: string[] = []
  for await (const entry of Readable.from([archive]).pipe(extract())) {
    const { name, type, mode, linkname } = entry.header
    entries.push(`${type} ${name} ${mode?.toString(8)}${linkname ? ` -> ${linkname}` : ''}`)
    entry.resume()
  }
  return entries
}

describe('an image that is built', () => {
  it('holds its folders, files and links, and its digest depends on them alone', async () => {
    const [image, again] = [await buildImage({ files }), await buildImage({ files })]
    expect(again.digest).toBe(image.digest)
    expect((await buildImage({ files: { ...files, more: {} } })).digest).not.toBe(image.digest)
    expect(await listEntries(gunzipSync(image.layers[0]!.data))).toEqual([
      'directory opt/ 755',
      'directory opt/lib/ 755',
      'directory opt/lib/modules/ 755',
      'directory opt/lib/modules/6.1.0/ 755',
      'directory opt/lib/modules/6.1.0/extra/ 755',
      'file opt/lib/modules/6.1.0/extra/a.ko 640',
      'symlink opt/lib/modules/6.1.0/link 777 -> /host/lib/modules/6.1.0',
    ])
  })

  it.each(['/absolute', 'a/../b', 'a//b', './a', ''])('refuses the path "%s"', async (path) => {
    expect((await failureOf(buildImage({ files: { [path]: {} } }))).code).toBe('ImageInvalid')
  })
})

describe('an image that is pushed', () => {
  it('can be read back', async () => {
    const { reference } = await serve()
    const image = await buildImage({ files })
    const client = open()
    expect(await pushImage(client, reference('kmods/a:v1'), image)).toEqual({ digest: image.digest })
    const resolved = await client.resolveImage(reference('kmods/a:v1'), image.platform)
    expect(resolved).toMatchObject({ digest: image.digest, layers: image.layers.map((layer) => layer.descriptor) })
    const chunks: Buffer[] = []
    for await (const chunk of (await client.openBlob(
      reference('kmods/a:v1'),
      resolved.layers[0]!,
    )) as AsyncIterable<Buffer>)
      chunks.push(chunk)
    expect(Buffer.concat(chunks).equals(image.layers[0]!.data)).toBe(true)
  })

  it('as an index can be read back by platform', async () => {
    const { reference } = await serve()
    const images = [await buildImage({ files }), await buildImage({ files, architecture: 'arm64' })]
    const index = buildIndex(images)
    const client = open()
    await pushImage(client, reference('kmods/a:v1'), index)
    const resolved = await client.resolveImage(reference('kmods/a:v1'), images[1]!.platform)
    expect(resolved).toMatchObject({ digest: images[1]!.digest, indexDigest: index.digest })
  })

  it('a second time sends no blob', async () => {
    const { server, reference } = await serve()
    const image = await buildImage({ files })
    const client = open()
    await pushImage(client, reference('kmods/a:v1'), image)
    const before = server.seen.length
    await pushImage(client, reference('kmods/a:v2'), image)
    expect(server.seen.slice(before).map((each) => each.method)).toEqual(['HEAD', 'HEAD', 'PUT'])
  })

  it('under another digest than its own is refused', async () => {
    const { reference } = await serve()
    const image = await buildImage({ files })
    const error = await failureOf(pushImage(open(), reference(`a/b@${computeDigest('other')}`), image))
    expect(error.code).toBe('ReferenceInvalid')
  })

  it('asks for a token to push with', async () => {
    const { content, server, reference } = await serve()
    const service = await start((_, response) => sendJson(response, 200, { token: 'token' }))
    content.intercept = (request, response) => {
      if (request.headers.authorization === 'Bearer token') return false
      sendError(response, 401, 'UNAUTHORIZED', { 'www-authenticate': `Bearer realm="https://${service.host}/token"` })
      return true
    }
    const auths = { [server.host]: { username: 'user', password: 'word' } }
    const { credentials } = parseDockerConfig(JSON.stringify({ auths }), 'dockerconfigjson')
    await pushImage(open({ credentials }), reference('kmods/a:v1'), await buildImage({ files }))
    expect(service.seen).toHaveLength(1)
    const url = new URL(service.seen[0]!.url, 'https://service')
    expect(url.searchParams.getAll('scope')).toEqual(['repository:kmods/a:pull,push'])
  })
})

describe('a blob', () => {
  it('is pushed from a stream, opened anew when the first attempt fails', async () => {
    const { content, reference } = await serve()
    let failures = 1
    content.intercept = (request, response) => {
      if (request.method !== 'PUT' || failures === 0) return false
      failures -= 1
      response.writeHead(503).end()
      return true
    }
    const data = Buffer.alloc(200_000, 'x')
    const descriptor = { mediaType: 'application/octet-stream', digest: computeDigest(data), size: data.length }
    let opened = 0
    await open()
      .uploaderFor(reference('a/b:v1'))
      .putBlob(descriptor, () => {
        opened += 1
        return Readable.from([data.subarray(0, 100_000), data.subarray(100_000)])
      })
    expect(opened).toBe(2)
    expect(content.blobs.get(descriptor.digest)?.equals(data)).toBe(true)
  })

  it('is pushed to a new upload when the connection breaks, because the old one keeps what it has', async () => {
    const { content, server, reference } = await serve()
    let breaks = 1
    content.intercept = (request) => {
      if (request.method !== 'PUT' || breaks === 0) return false
      breaks -= 1
      request.socket.destroy()
      return true
    }
    const data = Buffer.alloc(200_000, 'x')
    const descriptor = { mediaType: 'application/octet-stream', digest: computeDigest(data), size: data.length }
    await open().uploaderFor(reference('a/b:v1')).putBlob(descriptor, data)
    expect(content.blobs.get(descriptor.digest)?.equals(data)).toBe(true)
    expect(server.seen.map(({ method }) => method)).toEqual(['HEAD', 'POST', 'PUT', 'POST', 'PUT'])
  })

  it('is mounted from another repository where the registry does that', async () => {
    const { content, server, reference } = await serve()
    const data = Buffer.from('x')
    const uploader = open().uploaderFor(reference('a/b:v1'))
    expect(await uploader.mountBlob(computeDigest(data), 'c/d')).toBe(false)
    content.blobs.set(computeDigest(data), data)
    expect(await uploader.mountBlob(computeDigest(data), 'c/d')).toBe(true)
    expect(server.seen[0]!.url).toContain('from=c%2Fd')
  })
})
