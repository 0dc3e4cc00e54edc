import { randomBytes } from 'node:crypto'
import { text } from 'node:stream/consumers'
import { afterEach, describe, expect, it } from 'vitest'
import { computeDigest } from './digest.ts'
import { assembleImage, buildImage, buildIndex } from './image-builder.ts'
import { mediaTypes } from './media-types.ts'
import { parseReference } from './reference.ts'
import type { Registry } from './registry.ts'
import { calm, createFixture, failureOf } from './testdata/fixture.ts'
import { addImage, sendError, testCa } from './testdata/test-registry.ts'

const fixture = createFixture()
const { open, serve } = fixture
afterEach(() => fixture.stop())

const linux = { os: 'linux', architecture: 'amd64' }

describe('a manifest', () => {
  it('is found by HEAD with its digest, type and size', async () => {
    const { content, server, reference } = await serve()
    const image = await buildImage({ files: { 'a.txt': { data: 'hello' } } })
    addImage(content, 'kmods/a', 'v1', image)
    const head = await open().headManifest(reference('kmods/a:v1'))
    expect(head).toEqual({
      digest: image.digest,
      mediaType: image.manifest.mediaType,
      size: image.manifest.bytes.length,
    })
    expect(server.seen.map((each) => each.method)).toEqual(['HEAD'])
  })

  it('is read and hashed when HEAD tells no digest', async () => {
    const { content, server, reference } = await serve()
    const image = await buildImage({ files: { 'a.txt': { data: 'hello' } } })
    addImage(content, 'kmods/a', 'v1', image)
    content.intercept = (request, response) => {
      if (request.method !== 'HEAD') return false
      response.writeHead(200, { 'content-type': 'application/json' }).end()
      return true
    }
    expect(await open().headManifest(reference('kmods/a:v1'))).toMatchObject({ digest: image.digest })
    expect(server.seen.map((each) => each.method)).toEqual(['HEAD', 'GET'])
  })

  it('is read when the registry does not know HEAD', async () => {
    const { content, reference } = await serve()
    const image = await buildImage({ files: {} })
    addImage(content, 'kmods/a', 'v1', image)
    content.intercept = (request, response) => {
      if (request.method === 'HEAD') response.writeHead(405).end()
      return request.method === 'HEAD'
    }
    expect(await open().headManifest(reference('kmods/a:v1'))).toMatchObject({ digest: image.digest })
  })

  it('that is missing is ImageNotFound, and says what to do', async () => {
    const { reference } = await serve()
    const error = await failureOf(open().headManifest(reference('kmods/a:v1')))
    expect(error.code).toBe('ImageNotFound')
    expect(error.message).toMatch(/kmods\/a:v1 does not exist.*push it/)
  })

  it('whose bytes are not those of its digest is ImageInvalid', async () => {
    const { content, reference } = await serve()
    const image = await buildImage({ files: {} })
    content.manifests.set(`kmods/a/${image.digest}`, { ...image.manifest, bytes: Buffer.from('{"schemaVersion":2}') })
    const error = await failureOf(open().getManifest(reference(`kmods/a@${image.digest}`)))
    expect(error.code).toBe('ImageInvalid')
    expect(error.message).toContain('instead of')
  })

  it('larger than 4 MiB is ImageInvalid', async () => {
    const { content, reference } = await serve()
    content.manifests.set('kmods/a/v1', { mediaType: 'application/json', bytes: Buffer.alloc(4 * 1024 * 1024 + 1, 32) })
    expect((await failureOf(open().getManifest(reference('kmods/a:v1')))).code).toBe('ImageInvalid')
  })
})

describe('an image', () => {
  it('is chosen from an index by architecture', async () => {
    const { content, reference } = await serve()
    const images = await Promise.all(
      ['amd64', 'arm64'].map((architecture) => buildImage({ files: { arch: { data: architecture } }, architecture })),
    )
    const index = buildIndex(images)
    addImage(content, 'kmods/a', 'v1', index)
    const registry = open()
    for (const image of images) {
      const resolved = await registry.resolveImage(reference('kmods/a:v1'), image.platform)
      expect(resolved.digest).toBe(image.digest)
      expect(resolved.indexDigest).toBe(index.digest)
      expect(resolved.layers).toEqual(image.layers.map((layer) => layer.descriptor))
    }
  })

  it('for another platform only is ImageInvalid, naming what there is', async () => {
    const { content, reference } = await serve()
    const image = await buildImage({ files: {}, architecture: 'arm64', variant: 'v8' })
    addImage(content, 'kmods/a', 'v1', buildIndex([image]))
    const error = await failureOf(open().resolveImage(reference('kmods/a:v1'), linux))
    expect(error.code).toBe('ImageInvalid')
    expect(error.message).toContain('no image for linux/amd64: it holds linux/arm64/v8')
  })

  it('whose index says another size than it has is ImageInvalid', async () => {
    const { content, reference } = await serve()
    const image = await buildImage({ files: {} })
    const manifest = { mediaType: image.manifest.mediaType, digest: image.digest, size: 1, platform: image.platform }
    const bytes = Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType: mediaTypes.index, manifests: [manifest] }))
    addImage(content, 'kmods/a', 'v1', image)
    content.manifests.set('kmods/a/v1', { mediaType: mediaTypes.index, bytes })
    expect((await failureOf(open().resolveImage(reference('kmods/a:v1'), linux))).message).toContain('says 1 bytes')
  })

  it('behind indexes within indexes is ImageInvalid beyond a depth', async () => {
    const { content, reference } = await serve()
    let inner = await buildImage({ files: {} })
    for (let depth = 0; depth < 4; depth += 1) {
      addImage(content, 'kmods/a', 'v1', inner)
      const index = buildIndex([inner])
      inner = { ...inner, digest: index.digest, manifest: index.manifest }
    }
    addImage(content, 'kmods/a', 'v1', inner)
    expect((await failureOf(open().resolveImage(reference('kmods/a:v1'), linux))).message).toContain('nested')
  })

  it('without an index has no index digest', async () => {
    const { content, reference } = await serve()
    const image = await buildImage({ files: {} })
    addImage(content, 'kmods/a', 'v1', image)
    const resolved = await open().resolveImage(reference('kmods/a:v1'), linux)
    expect(resolved.digest).toBe(image.digest)
    expect('indexDigest' in resolved).toBe(false)
  })
})

describe('a blob', () => {
  const makeBlob = (size: number) => {
    const data = randomBytes(size)
    return { data, descriptor: { mediaType: 'application/octet-stream', digest: computeDigest(data), size } }
  }
  const collect = async (registry: Registry, reference: ReturnType<typeof parseReference>, descriptor: object) => {
    const stream = await registry.openBlob(reference, descriptor as ReturnType<typeof makeBlob>['descriptor'])
    const chunks: Buffer[] = []
    for await (const chunk of stream as AsyncIterable<Buffer>) chunks.push(chunk)
    return Buffer.concat(chunks)
  }

  it('streams its bytes', async () => {
    const { content, reference } = await serve()
    const { data, descriptor } = makeBlob(3_000_000)
    content.blobs.set(descriptor.digest, data)
    expect((await collect(open(), reference('a:v1'), descriptor)).equals(data)).toBe(true)
  })

  it('that was altered fails at its end, and is asked from nobody damaged again when there is another', async () => {
    const { content, reference } = await serve()
    const mirror = await serve()
    const { data, descriptor } = makeBlob(100_000)
    content.blobs.set(descriptor.digest, data)
    mirror.content.blobs.set(descriptor.digest, randomBytes(100_000))
    const prefix = reference('a:v1').registry
    const mirrors = [{ prefix, endpoints: [{ location: mirror.server.host }] }]
    const registry = open({ settings: { caBundle: testCa(), mirrors } })
    const error = await failureOf(collect(registry, reference('a:v1'), descriptor))
    expect(error.code).toBe('ImageInvalid')
    expect(error.message).toContain('its bytes have the digest sha256:')
    expect((await collect(registry, reference('a:v1'), descriptor)).equals(data)).toBe(true)
    expect(mirror.server.seen).toHaveLength(1)
  })

  it('that is shorter in the registry is ImageInvalid before anything is streamed', async () => {
    const { content, reference } = await serve()
    const { data, descriptor } = makeBlob(1000)
    content.blobs.set(descriptor.digest, data.subarray(0, 500))
    const error = await failureOf(open().openBlob(reference('a:v1'), descriptor))
    expect(error.code).toBe('ImageInvalid')
    expect(error.message).toContain('holds 500 bytes where the manifest says 1000')
  })

  it('that sends more than its size without saying so fails', async () => {
    const { content, reference } = await serve()
    const { data, descriptor } = makeBlob(1000)
    content.intercept = (_, response) => {
      response.writeHead(200, { 'transfer-encoding': 'chunked' })
      response.write(data)
      response.end('more')
      return true
    }
    expect((await failureOf(collect(open(), reference('a:v1'), descriptor))).message).toContain(
      'larger than the 1000 bytes',
    )
  })

  it('whose connection breaks is resumed where it broke', async () => {
    const { content, server, reference } = await serve()
    const { data, descriptor } = makeBlob(400_000)
    content.blobs.set(descriptor.digest, data)
    let breaks = 2
    content.intercept = (request, response) => {
      if (breaks === 0) return false
      breaks -= 1
      const from = Number(/[0-9]+/.exec(request.headers.range ?? '')?.[0] ?? 0)
      response.writeHead(from === 0 ? 200 : 206, {
        'content-length': data.length - from,
        ...(from === 0 ? {} : { 'content-range': `bytes ${from}-${data.length - 1}/${data.length}` }),
      })
      response.write(data.subarray(from, from + 100_000), () => response.destroy())
      return true
    }
    expect((await collect(open({ retries: calm }), reference('a:v1'), descriptor)).equals(data)).toBe(true)
    const ranges = server.seen.map((each) => each.range)
    expect(ranges[0]).toBeUndefined()
    expect(ranges.slice(1)).toHaveLength(2)
    for (const range of ranges.slice(1)) expect(range).toMatch(/^bytes=[1-9][0-9]*-$/)
  })

  it('is read again from the start where the server knows no ranges', async () => {
    const { content, reference } = await serve()
    const { data, descriptor } = makeBlob(300_000)
    let calls = 0
    content.intercept = (_, response) => {
      calls += 1
      response.writeHead(200, { 'content-length': data.length })
      if (calls === 1) response.write(data.subarray(0, 200_000), () => response.destroy())
      else response.end(data)
      return true
    }
    expect((await collect(open({ retries: calm }), reference('a:v1'), descriptor)).equals(data)).toBe(true)
    expect(calls).toBe(2)
  })

  it('that stalls again and again is given up as RegistryUnreachable', async () => {
    const { content, reference } = await serve()
    const { data, descriptor } = makeBlob(1000)
    let calls = 0
    content.intercept = (_, response) => {
      calls += 1
      response.writeHead(200, { 'content-length': data.length })
      response.write(data.subarray(0, 10))
      return true
    }
    const registry = open({ limits: { stallMs: 100 }, retries: { ...calm, attempts: 2 } })
    const error = await failureOf(collect(registry, reference('a:v1'), descriptor))
    expect(error.code).toBe('RegistryUnreachable')
    expect(error.message).toContain('stalled')
    expect(calls).toBeGreaterThan(1)
  })

  it('that drips is given up although it never stalls', async () => {
    const { content, reference } = await serve()
    const { data, descriptor } = makeBlob(1000)
    content.intercept = (_, response) => {
      response.writeHead(200, { 'content-length': data.length })
      response.write(data.subarray(0, 10))
      return true
    }
    let now = 0
    const clock = { ...calm.clock, now: () => (now += 400_000) }
    const error = await failureOf(collect(open({ retries: { clock, attempts: 1 } }), reference('a:v1'), descriptor))
    expect(error.message).toContain('stalled')
  })

  it('ends at once when its signal is aborted, also while nothing arrives', async () => {
    const { content, reference } = await serve()
    const { data, descriptor } = makeBlob(1000)
    content.intercept = (_, response) => {
      response.writeHead(200, { 'content-length': data.length })
      response.write(data.subarray(0, 10))
      return true
    }
    const abort = new AbortController()
    const stream = await open().openBlob(reference('a:v1'), descriptor, abort.signal)
    const reading = text(stream)
    stream.once('data', () => abort.abort())
    expect((await failureOf(reading)).code).toBe('Aborted')
  })

  it('that nobody reads does not hold its connection', async () => {
    const { content, reference } = await serve()
    const { data, descriptor } = makeBlob(1000)
    const closed = new Promise<void>((resolve) => {
      content.intercept = (request, response) => {
        response.writeHead(200, { 'content-length': data.length })
        response.write(data.subarray(0, 10))
        request.socket.once('close', () => resolve())
        return true
      }
    })
    const stream = await open().openBlob(reference('a:v1'), descriptor)
    stream.destroy()
    await closed
  })

  it('of a foreign layer is refused', async () => {
    const { reference } = await serve()
    const mediaType = 'application/vnd.docker.image.rootfs.foreign.diff.tar.gzip'
    const error = await failureOf(open().openBlob(reference('a:v1'), { ...makeBlob(1).descriptor, mediaType }))
    expect(error.code).toBe('ImageInvalid')
  })
})

describe('the configuration of an image', () => {
  it('tells architecture, labels and the digests of the unpacked layers', async () => {
    const { content, reference } = await serve()
    const image = await buildImage({ files: {}, architecture: 'arm64', labels: { kernel: '6.1.0' } })
    addImage(content, 'a/b', 'v1', image)
    const client = open()
    const resolved = await client.resolveImage(reference('a/b:v1'), linux)
    const config = await client.readConfig(reference('a/b:v1'), resolved)
    expect(config).toMatchObject({ architecture: 'arm64', os: 'linux', labels: { kernel: '6.1.0' } })
    expect(config.diffIds).toEqual([expect.stringMatching(/^sha256:/)])
  })

  it.each([
    [Buffer.from('not json'), 'not JSON'],
    [Buffer.from('[]'), 'not a JSON object'],
    [Buffer.alloc(5_000_000, 32), 'larger than'],
  ])('that cannot be is ImageInvalid', async (data, words) => {
    const { content, reference } = await serve()
    const config = { mediaType: 'application/json', digest: computeDigest(data), size: data.length }
    content.blobs.set(config.digest, data)
    const error = await failureOf(open().readConfig(reference('a/b:v1'), { config }))
    expect(error.code).toBe('ImageInvalid')
    expect(error.message).toContain(words)
  })
})

describe('an answer that passes', () => {
  const rest = (waits: number[]) => ({
    clock: {
      now: () => Date.parse('2026-01-01T00:00:00Z'),
      sleep: (ms: number) => {
        waits.push(ms)
        return Promise.resolve()
      },
    },
    random: () => 1,
  })

  it.each([429, 500, 502, 503, 504])('such as %i is tried again with growing delays', async (status) => {
    const { content, reference } = await serve()
    const image = await buildImage({ files: {} })
    addImage(content, 'a/b', 'v1', image)
    let left = 3
    content.intercept = (_, response) => {
      if (left === 0) return false
      left -= 1
      response.writeHead(status).end()
      return true
    }
    const waits: number[] = []
    const head = await open({ retries: rest(waits) }).headManifest(reference('a/b:v1'))
    expect(head.digest).toBe(image.digest)
    expect(waits).toEqual([500, 1000, 2000])
  })

  it('honours Retry-After in seconds and as a date', async () => {
    const { content, reference } = await serve()
    addImage(content, 'a/b', 'v1', await buildImage({ files: {} }))
    const afters = ['7', 'Thu, 01 Jan 2026 00:00:20 GMT']
    content.intercept = (_, response) => {
      const after = afters.shift()
      if (after === undefined) return false
      response.writeHead(429, { 'retry-after': after }).end()
      return true
    }
    const waits: number[] = []
    await open({ retries: rest(waits) }).headManifest(reference('a/b:v1'))
    expect(waits).toEqual([7000, 20_000])
  })

  it('gives up at once, telling the time, when it is asked to wait too long', async () => {
    const { content, server, reference } = await serve()
    content.intercept = (_, response) => {
      response.writeHead(429, { 'retry-after': '3600' }).end()
      return true
    }
    const error = await failureOf(open({ retries: rest([]) }).headManifest(reference('a/b:v1')))
    expect(error).toMatchObject({ code: 'RegistryUnreachable', retryAfterMs: 3_600_000 })
    expect(server.seen).toHaveLength(1)
  })

  it('that does not pass ends as RegistryUnreachable with the registry’s words, on one line', async () => {
    const { content, server, reference } = await serve()
    content.intercept = (_, response) => {
      sendError(response, 503, 'UNAVAILABLE\n\u001b[31m')
      return true
    }
    const error = await failureOf(open({ retries: rest([]) }).getManifest(reference('a/b:v1')))
    expect(error.code).toBe('RegistryUnreachable')
    expect(error.message).toContain('answered 503 (UNAVAILABLE [31m')
    expect(error.message.includes('\n')).toBe(false)
    expect(server.seen).toHaveLength(4)
  })

  it('is not waited for once the signal is aborted while the registry says nothing', async () => {
    const { content, reference } = await serve()
    const abort = new AbortController()
    content.intercept = () => {
      abort.abort()
      return true
    }
    const work = open({ retries: { attempts: 1 } }).headManifest(reference('a/b:v1'), abort.signal)
    expect((await failureOf(work)).code).toBe('Aborted')
  })

  it('is not waited for once the client is closed', async () => {
    const { content, reference } = await serve()
    const client = open()
    content.intercept = () => {
      void client.close()
      return true
    }
    expect((await failureOf(client.headManifest(reference('a/b:v1')))).code).toBe('Aborted')
  })

  it('is not waited for once the signal is aborted before the next attempt', async () => {
    const { content, reference } = await serve()
    content.intercept = (_, response) => {
      response.writeHead(503).end()
      return true
    }
    const abort = new AbortController()
    const work = open({ retries: { firstDelayMs: 600_000, maximumDelayMs: 600_000, attempts: 9 } }).headManifest(
      reference('a/b:v1'),
      abort.signal,
    )
    content.intercept = (_, response) => {
      response.writeHead(503).end(() => abort.abort())
      return true
    }
    expect((await failureOf(work)).code).toBe('Aborted')
  })
})

describe('the description of an image', () => {
  it('with a layer that is no layer is ImageInvalid', async () => {
    const { content, reference } = await serve()
    const data = Buffer.from('chart')
    const descriptor = {
      mediaType: 'application/vnd.cncf.helm.chart.content.v1.tar+gzip',
      digest: computeDigest(data),
      size: 5,
    }
    addImage(content, 'a/b', 'v1', assembleImage([{ descriptor, data }], []))
    const error = await failureOf(open().resolveImage(reference('a/b:v1'), linux))
    expect(error.code).toBe('ImageInvalid')
    expect(error.message).toContain('helm.chart')
  })
})
