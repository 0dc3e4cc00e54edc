import { createHash } from 'node:crypto'
import { once } from 'node:events'
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { PassThrough, Readable } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { KmmError } from '../errors/error.ts'
import { type LayerCache, openLayerCache } from './layer-cache.ts'
import type { LayerDescriptor } from './layer-source.ts'

const signal = new AbortController().signal
const lockTimes = { poll: 2, refresh: 20, stale: 30_000, patience: 60_000 }

let root: string
let messages: string[]
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'kmm-cache-'))
  messages = []
})
afterEach(() => rmSync(root, { recursive: true, force: true }))

const digestOf = (bytes: Buffer): string => `sha256:${createHash('sha256').update(bytes).digest('hex')}`

/** A layer in a registry, and how often it was fetched from there. */
function layer(content: string): { descriptor: LayerDescriptor; fetches: number; fetch: () => Promise<Readable> } {
  const bytes = Buffer.from(content)
  const made = {
    descriptor: { mediaType: 'application/vnd.oci.image.layer.v1.tar', digest: digestOf(bytes), size: bytes.length },
    fetches: 0,
    fetch: (): Promise<Readable> => {
      made.fetches += 1
      return Promise.resolve(Readable.from([bytes], { objectMode: false }))
    },
  }
  return made
}

async function openCache(namespace = 'team-a', budgetBytes?: number): Promise<LayerCache> {
  const cache = await openLayerCache({
    root,
    namespace,
    log: (message) => messages.push(message),
    lockTimes,
    ...(budgetBytes === undefined ? {} : { budgetBytes }),
  })
  expect(cache, messages.join('\n')).toBeDefined()
  return cache as LayerCache
}

const readLayer = async (cache: LayerCache, from: ReturnType<typeof layer>): Promise<string> =>
  (await buffer(await cache.createSource(from.descriptor, from.fetch).open(signal))).toString()

const blobPath = (from: ReturnType<typeof layer>): string =>
  join(root, 'blobs', from.descriptor.digest.replace(':', '-'))

describe('the cache of layers', () => {
  it('fetches a layer once, and keeps it over restarts', async () => {
    const a = layer('content')
    expect(await readLayer(await openCache(), a)).toBe('content')
    expect(await readLayer(await openCache(), a)).toBe('content')
    expect(a.fetches).toBe(1)
  })

  it('is open to its owner alone', async () => {
    chmodSync(root, 0o777)
    await readLayer(await openCache(), layer('content'))
    expect(statSync(root).mode & 0o777).toBe(0o700)
  })

  it('needs no registry for what it has, and says what it lacks', async () => {
    const a = layer('content')
    await readLayer(await openCache(), a)
    const cache = await openCache()
    expect(await cache.hasLayers([a.descriptor])).toBe(true)
    expect((await buffer(await cache.createSource(a.descriptor).open(signal))).toString()).toBe('content')
    const b = layer('other')
    expect(await cache.hasLayers([a.descriptor, b.descriptor])).toBe(false)
    await expect(cache.createSource(b.descriptor).open(signal)).rejects.toMatchObject({ code: 'ImageNotFound' })
  })

  it.each([
    ['changed', 'consent'],
    ['shorter', 'cont'],
    ['longer', 'content and more'],
    ['empty', ''],
  ])('never hands out a layer whose file is %s, removes it, and fetches it again', async (_, damaged) => {
    const a = layer('content')
    await readLayer(await openCache(), a)
    writeFileSync(blobPath(a), damaged)
    const cache = await openCache()
    await expect(readLayer(cache, a)).rejects.toMatchObject({ code: 'ImageInvalid', fate: 'retry' })
    expect(cache.damaged).toBe(1)
    expect(existsSync(blobPath(a))).toBe(false)
    expect(await readLayer(cache, a)).toBe('content')
    expect(a.fetches).toBe(2)
  })

  it('gives a namespace only what that has pulled itself', async () => {
    const a = layer('secret')
    await readLayer(await openCache('team-a'), a)
    const other = await openCache('team-b')
    expect(await other.hasLayers([a.descriptor])).toBe(false)
    await expect(other.createSource(a.descriptor).open(signal)).rejects.toMatchObject({ code: 'ImageNotFound' })
    const refused = other.createSource(a.descriptor, () =>
      Promise.reject(new KmmError('no', { code: 'RegistryUnauthorized' })),
    )
    await expect(refused.open(signal)).rejects.toMatchObject({ code: 'RegistryUnauthorized' })
    expect(await readLayer(other, a)).toBe('secret')
    expect(a.fetches).toBe(2)
    expect(await readLayer(other, a)).toBe('secret')
    expect(a.fetches).toBe(2)
    expect(readdirSync(join(root, 'blobs'))).toHaveLength(1)
  })

  it('keeps nothing of a download that fails', async () => {
    const a = layer('content')
    const broken = layer('content')
    broken.fetch = () => {
      function* half(): Generator<Buffer> {
        yield Buffer.from('cont')
        throw new KmmError('the connection broke', { code: 'RegistryUnreachable' })
      }
      return Promise.resolve(Readable.from(half(), { objectMode: false }))
    }
    const cache = await openCache()
    await expect(readLayer(cache, broken)).rejects.toMatchObject({ code: 'RegistryUnreachable' })
    expect([
      ...readdirSync(join(root, 'blobs')),
      ...readdirSync(join(root, 'downloads')),
      ...readdirSync(join(root, 'locks')),
    ]).toEqual([])
    expect(await readLayer(cache, a)).toBe('content')
  })

  it('survives a download that fails before it is read', async () => {
    const a = layer('content')
    a.fetch = () => {
      const stream = new PassThrough()
      process.nextTick(() => stream.destroy(new KmmError('given up', { code: 'Aborted' })))
      return Promise.resolve(stream)
    }
    await expect(readLayer(await openCache(), a)).rejects.toMatchObject({ code: 'Aborted' })
    expect(readdirSync(join(root, 'downloads'))).toEqual([])
  })

  it('evicts what was not used for the longest time, and never parts of the image at hand', async () => {
    const [a, b, c, d] = ['aaaa', 'bbbb', 'cccc', 'dddd'].map(layer) as [Layer, Layer, Layer, Layer]
    for (const [age, each] of [a, b, c].entries()) {
      await readLayer(await openCache('team-a', 12), each)
      utimesSync(blobPath(each), 1000 + age, 1000 + age)
    }
    await readLayer(await openCache('team-a', 12), a) // Now b is the oldest.
    await readLayer(await openCache('team-a', 12), d)
    expect([a, b, c, d].map((each) => existsSync(blobPath(each)))).toEqual([true, false, true, true])

    const image = ['1111', '2222', '3333'].map(layer)
    const cache = await openCache('team-a', 12)
    for (const each of image) await readLayer(cache, each)
    expect(image.map((each) => existsSync(blobPath(each)))).toEqual([true, true, true])
    expect(readdirSync(join(root, 'blobs'))).toHaveLength(3)
  })

  it('does not keep a layer that is larger than all it may hold', async () => {
    const a = layer('much too large')
    const cache = await openCache('team-a', 4)
    expect(await readLayer(cache, a)).toBe('much too large')
    expect(readdirSync(join(root, 'blobs'))).toEqual([])
  })

  it('removes what a killed worker has left', async () => {
    await openCache()
    for (const folder of ['downloads', 'locks']) {
      writeFileSync(join(root, folder, 'old'), 'x')
      utimesSync(join(root, folder, 'old'), 1000, 1000)
      writeFileSync(join(root, folder, 'new'), 'x')
    }
    await openCache()
    expect(readdirSync(join(root, 'downloads'))).toEqual(['new'])
    expect(readdirSync(join(root, 'locks'))).toEqual(['new'])
  })

  it('remembers what an image name meant, for each namespace of its own', async () => {
    const image = { digest: digestOf(Buffer.from('manifest')), layers: [layer('a').descriptor] }
    await (await openCache('team-a')).rememberImage('r.example/a:1 amd64', image)
    expect(await (await openCache('team-a')).findImage('r.example/a:1 amd64')).toEqual(image)
    expect(await (await openCache('team-a')).findImage('r.example/a:1 arm64')).toBeUndefined()
    expect(await (await openCache('team-b')).findImage('r.example/a:1 amd64')).toBeUndefined()
  })

  it('forgets an image whose note is damaged', async () => {
    const cache = await openCache()
    await cache.rememberImage('key', { digest: digestOf(Buffer.from('m')), layers: [] })
    const folder = join(root, 'namespaces', 'team-a', 'images')
    const [name] = readdirSync(folder)
    const path = join(folder, name ?? '')
    for (const damaged of [
      '',
      '{',
      '[]',
      readFileSync(path, 'utf8').replace('sha256:', 'sha256:../'),
      '{"v":1,"key":"key"}',
    ]) {
      writeFileSync(path, damaged)
      expect(await cache.findImage('key')).toBeUndefined()
    }
  })
})

type Layer = ReturnType<typeof layer>

describe('several workers at once', () => {
  it('download a layer once for one namespace, and once for each of several', async () => {
    const a = layer('content')
    const downloads: PassThrough[] = []
    const started = new PassThrough()
    const slow = (): Promise<Readable> => {
      a.fetches += 1
      const stream = new PassThrough()
      downloads.push(stream)
      started.emit('download')
      return Promise.resolve(stream)
    }
    const caches = [await openCache('team-a'), await openCache('team-a'), await openCache('team-b')]
    const firstDownload = once(started, 'download')
    const reads = caches.map(async (cache) => {
      const stream = await cache.createSource(a.descriptor, slow).open(signal)
      return (await buffer(stream)).toString()
    })
    await firstDownload
    started.on('download', () => downloads.at(-1)?.end('content'))
    downloads[0]?.end('content')
    expect(await Promise.all(reads)).toEqual(['content', 'content', 'content'])
    expect(a.fetches).toBe(2)
  })

  it('take over the lock of one that is gone', async () => {
    const a = layer('content')
    const cache = await openCache()
    const lock = join(root, 'locks', a.descriptor.digest.replace(':', '-'))
    writeFileSync(lock, 'a dead worker')
    const old = Date.now() / 1000 - 60
    utimesSync(lock, old, old)
    expect(await readLayer(cache, a)).toBe('content')
    expect(readdirSync(join(root, 'locks'))).toEqual([])
  })

  it('stop waiting for a lock when they are stopped', async () => {
    const a = layer('content')
    const cache = await openCache()
    writeFileSync(join(root, 'locks', a.descriptor.digest.replace(':', '-')), 'another worker')
    const stop = new AbortController()
    const waiting = cache.createSource(a.descriptor, a.fetch).open(stop.signal)
    stop.abort()
    await expect(waiting).rejects.toThrow(/abort/)
  })
})

describe('a cache that cannot be used', () => {
  const open = (path: string, namespace = 'team-a'): Promise<LayerCache | undefined> =>
    openLayerCache({ root: path, namespace, log: (message) => messages.push(message), lockTimes })

  it('is left alone with a message where the directory is missing, and is not made', async () => {
    expect(await open(join(root, 'absent'))).toBeUndefined()
    expect(messages).toEqual([expect.stringMatching(/is not used: ENOENT/)])
    expect(existsSync(join(root, 'absent'))).toBe(false)
  })

  it.each(['', '../team-b', 'team-a/images', 'A'])(
    'is left alone for a namespace that is none: %j',
    async (namespace) => {
      expect(await open(root, namespace)).toBeUndefined()
      expect(messages).toHaveLength(1)
    },
  )

  it('is left alone where it is a file', async () => {
    writeFileSync(join(root, 'file'), '')
    expect(await open(join(root, 'file'))).toBeUndefined()
  })

  it('is left alone on a disk that takes no files', async () => {
    // The same to a process of any user: a directory whose sub-directories cannot be made.
    writeFileSync(join(root, 'blobs'), 'in the way')
    expect(await open(root)).toBeUndefined()
    expect(messages).toEqual([expect.stringMatching(/is not used/)])
  })

  it('is done without from the moment its disk fails', async () => {
    const a = layer('content')
    const cache = await openCache()
    rmSync(join(root, 'downloads'), { recursive: true })
    expect(await readLayer(cache, a)).toBe('content')
    expect(messages).toEqual([expect.stringMatching(/not used any more: a layer could not be kept/)])
    mkdirSync(join(root, 'downloads'))
    expect(await readLayer(cache, a)).toBe('content')
    expect(messages).toHaveLength(1)
  })
})
