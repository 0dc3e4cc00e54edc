import { afterEach, describe, expect, it } from 'vitest'
import { computeDigest } from './digest.ts'
import { buildImage } from './image-builder.ts'
import { parseDockerConfig } from './credentials.ts'
import { parseReference } from './reference.ts'
import { createFixture, failureOf, type ServedRegistry } from './testdata/fixture.ts'
import { startProxy } from './testdata/test-proxy.ts'
import { addImage, sendError, sendJson, testCa } from './testdata/test-registry.ts'

const fixture = createFixture()
const { open, serve, start } = fixture
afterEach(() => fixture.stop())

const data = Buffer.from('the bytes of a layer')
const descriptor = { mediaType: 'application/octet-stream', digest: computeDigest(data), size: data.length }

function redirectBlobs(registry: ServedRegistry, location: string): void {
  registry.content.intercept = (request, response) => {
    if (!request.url?.includes('/blobs/')) return false
    if (request.headers.authorization === undefined)
      sendError(response, 401, 'UNAUTHORIZED', { 'www-authenticate': 'Basic realm="x"' })
    else response.writeHead(307, { location }).end()
    return true
  }
}

function credentialsFor(registry: ServedRegistry) {
  const auths = { [registry.server.host]: { username: 'user', password: 'word' } }
  return parseDockerConfig(JSON.stringify({ auths }), 'dockerconfigjson').credentials
}

async function fetchBlob(registry: ServedRegistry, options: Parameters<typeof open>[0] = {}): Promise<Buffer> {
  const client = open({ credentials: credentialsFor(registry), ...options })
  const chunks: Buffer[] = []
  for await (const chunk of (await client.openBlob(registry.reference('a/b:v1'), descriptor)) as AsyncIterable<Buffer>)
    chunks.push(chunk)
  return Buffer.concat(chunks)
}

describe('a redirect', () => {
  it('to another host is followed without credentials', async () => {
    const registry = await serve()
    const storage = await start((_, response) => response.end(data))
    redirectBlobs(registry, `https://${storage.host}/blob?signature=x`)
    expect((await fetchBlob(registry)).equals(data)).toBe(true)
    expect(storage.seen.map((each) => each.authorization)).toEqual([undefined])
    expect(registry.server.seen.at(-1)?.authorization).toMatch(/^Basic /)
  })

  it('within the registry keeps them', async () => {
    const registry = await serve()
    registry.content.blobs.set(descriptor.digest, data)
    registry.content.intercept = (request, response) => {
      if (request.headers.authorization === undefined) {
        sendError(response, 401, 'UNAUTHORIZED', { 'www-authenticate': 'Basic realm="x"' })
        return true
      }
      if (request.url?.startsWith('/v2/'))
        response.writeHead(302, { location: `/elsewhere/blobs/${descriptor.digest}` }).end()
      return request.url?.startsWith('/v2/') ?? false
    }
    expect((await fetchBlob(registry)).equals(data)).toBe(true)
    expect(registry.server.seen.at(-1)?.authorization).toMatch(/^Basic /)
  })

  it('that comes back to the registry by way of another host brings no credentials', async () => {
    const registry = await serve()
    const detour = await start((_, response) =>
      response.writeHead(307, { location: `https://${registry.server.host}/back` }).end(),
    )
    registry.content.intercept = (request, response) => {
      if (request.url === '/back') response.end(data)
      else if (request.headers.authorization === undefined)
        sendError(response, 401, 'UNAUTHORIZED', { 'www-authenticate': 'Basic realm="x"' })
      else response.writeHead(307, { location: `https://${detour.host}/` }).end()
      return true
    }
    await fetchBlob(registry)
    expect(registry.server.seen.at(-1)).toMatchObject({ url: '/back', authorization: undefined })
  })

  it('to a host that refuses is no reason to send it credentials', async () => {
    const registry = await serve()
    const storage = await start((_, response) =>
      sendError(response, 401, 'UNAUTHORIZED', { 'www-authenticate': 'Basic realm="give"' }),
    )
    redirectBlobs(registry, `https://${storage.host}/blob`)
    const error = await failureOf(fetchBlob(registry))
    expect(error.code).toBe('RegistryUnauthorized')
    expect(error.message).toContain(`by way of ${storage.host}`)
    expect(storage.seen.every((each) => each.authorization === undefined)).toBe(true)
  })

  it('to a host that asks for a token is no reason to send the credentials to its token service', async () => {
    const registry = await serve()
    const thief = await start((_, response) => sendJson(response, 200, { token: 'x' }))
    const storage = await start((_, response) =>
      sendError(response, 401, 'UNAUTHORIZED', { 'www-authenticate': `Bearer realm="https://${thief.host}/token"` }),
    )
    registry.content.intercept = (_, response) => {
      response.writeHead(307, { location: `https://${storage.host}/blob` }).end()
      return true
    }
    expect((await failureOf(fetchBlob(registry))).code).toBe('RegistryUnauthorized')
    expect(storage.seen).toHaveLength(1)
    expect(thief.seen).toHaveLength(0)
  })

  it('from HTTPS to HTTP is refused unless registryTLS.insecure', async () => {
    const registry = await serve()
    const storage = await start((_, response) => response.end(data), 'http')
    redirectBlobs(registry, `http://${storage.host}/blob`)
    const error = await failureOf(fetchBlob(registry))
    expect(error.code).toBe('RegistryUnreachable')
    expect(error.message).toContain('from HTTPS to plain HTTP')
    expect(storage.seen).toHaveLength(0)
    expect((await fetchBlob(registry, { tls: { insecure: true, insecureSkipTLSVerify: false } })).equals(data)).toBe(
      true,
    )
  })

  it('that never ends is given up after five', async () => {
    const registry = await serve()
    registry.content.intercept = (request, response) => {
      response.writeHead(302, { location: `${request.url}x` }).end()
      return true
    }
    const error = await failureOf(open().headManifest(registry.reference('a/b:v1')))
    expect(error.message).toContain('more than 5 times')
    expect(registry.server.seen).toHaveLength(6)
  })

  it.each([
    ['http://169.254.169.254/latest/meta-data'],
    ['https://169.254.169.254/'],
    ['https://[fe80::1]/'],
    ['https://[::ffff:169.254.169.254]/'],
    ['https://0xa9fea9fe/'],
    ['https://minio.storage.svc/'],
    ['https://minio.storage.svc.cluster.local/'],
    ['https://kubernetes.default.svc./'],
    ['https://10.96.0.1/'],
    ['https://user:word@127.0.0.1/'],
    ['ftp://127.0.0.1/'],
  ])('to %s is refused', async (location) => {
    const registry = await serve()
    redirectBlobs(registry, location)
    const settings = { caBundle: testCa(), clusterAddresses: ['10.96.0.1'] }
    const tls = { insecure: true, insecureSkipTLSVerify: true }
    const error = await failureOf(fetchBlob(registry, { settings, tls }))
    expect(error.code).toBe('RegistryUnreachable')
    expect(error.message).toMatch(/is not asked|link-local/)
  })

  it('to a name that resolves to a metadata address is refused when connecting', async () => {
    const registry = await serve()
    redirectBlobs(registry, 'https://storage.kmm.test/blob')
    const asked: string[] = []
    const error = await failureOf(
      fetchBlob(registry, {
        lookup: (hostname, _, callback) => {
          asked.push(hostname)
          callback(null, [{ address: '169.254.169.254', family: 4 }])
        },
      }),
    )
    expect(asked).toEqual(['storage.kmm.test'])
    expect(error.message).toContain('link-local address 169.254.169.254')
    expect(error.message).toContain('allowPrivateRedirects')
  })

  it('to a service of the cluster is followed when allowPrivateRedirects lists it', async () => {
    const registry = await serve()
    const storage = await start((_, response) => response.end(data))
    redirectBlobs(registry, `https://minio.storage.svc:${storage.port}/blob`)
    const settings = { caBundle: testCa(), allowPrivateRedirects: ['.storage.svc'] }
    const bytes = await fetchBlob(registry, {
      settings,
      tls: { insecure: false, insecureSkipTLSVerify: true },
      lookup: (_, __, callback) => callback(null, [{ address: '127.0.0.1', family: 4 }]),
    })
    expect(bytes.equals(data)).toBe(true)
  })

  it('from a host of unknown address, behind a proxy, to a nearer address is refused', async () => {
    const registry = await serve()
    addImage(registry.content, 'a/b', 'v1', await buildImage({ files: {} }))
    const proxy = await startProxy(() => registry.server.port)
    fixture.onStop(() => proxy.stop())
    const near = await start((_, response) => response.end(data))
    registry.content.intercept = (request, response) => {
      if (request.url?.includes('/blobs/')) response.writeHead(307, { location: `https://${near.host}/` }).end()
      return request.url?.includes('/blobs/') ?? false
    }
    const client = (allowed: string[]) =>
      open({ settings: { caBundle: testCa(), proxy: { httpsProxy: proxy.url }, allowPrivateRedirects: allowed } })
    const reference = parseReference('registry.kmm.test/a/b:v1')
    const error = await failureOf(client([]).openBlob(reference, descriptor))
    expect(error.message).toContain('loopback address 127.0.0.1')
    expect(near.seen).toHaveLength(0)
    const stream = await client(['127.0.0.0/8']).openBlob(reference, descriptor)
    stream.destroy()
    expect(near.seen).toHaveLength(1)
  })
})

describe('a token service', () => {
  it('nearer than the registry that names it is not asked', async () => {
    const registry = await serve()
    const near = await start((_, response) => sendJson(response, 200, { token: 'x' }))
    const proxy = await startProxy(() => registry.server.port)
    fixture.onStop(() => proxy.stop())
    registry.content.intercept = (_, response) => {
      sendError(response, 401, 'UNAUTHORIZED', { 'www-authenticate': `Bearer realm="https://${near.host}/token"` })
      return true
    }
    const client = open({ settings: { caBundle: testCa(), proxy: { httpsProxy: proxy.url } } })
    const error = await failureOf(client.headManifest(parseReference('registry.kmm.test/a/b:v1')))
    expect(error.message).toMatch(/token service 127\.0\.0\.1.*loopback address/)
    expect(near.seen).toHaveLength(0)
  })
})

describe('a place to upload to', () => {
  const upload = (registry: ServedRegistry) =>
    open({ credentials: credentialsFor(registry) })
      .uploaderFor(registry.reference('a/b:v1'))
      .putBlob(descriptor, data)
  const sendTo = (registry: ServedRegistry, location: string): void => {
    registry.content.intercept = (request, response) => {
      if (request.headers.authorization === undefined)
        sendError(response, 401, 'UNAUTHORIZED', { 'www-authenticate': 'Basic realm="x"' })
      else if (request.method === 'POST') response.writeHead(202, { location }).end()
      else return false
      return true
    }
  }

  it('at another host gets the bytes without credentials', async () => {
    const registry = await serve()
    const storage = await start((_, response) => response.writeHead(201).end())
    sendTo(registry, `https://${storage.host}/upload?state=1`)
    await upload(registry)
    expect(storage.seen).toMatchObject([{ method: 'PUT', authorization: undefined, body: data.toString() }])
  })

  it('on plain HTTP, or inside the cluster, gets nothing', async () => {
    const registry = await serve()
    const storage = await start((_, response) => response.writeHead(201).end(), 'http')
    sendTo(registry, `http://${storage.host}/upload`)
    expect((await failureOf(upload(registry))).message).toContain('plain HTTP')
    sendTo(registry, 'https://minio.storage.svc/upload')
    expect((await failureOf(upload(registry))).message).toContain('a service of the cluster')
    expect(storage.seen).toHaveLength(0)
  })

  it('that redirects gets nothing', async () => {
    const registry = await serve()
    const storage = await start((_, response) => response.writeHead(201).end())
    const detour = await start((_, response) => response.writeHead(307, { location: `https://${storage.host}/` }).end())
    sendTo(registry, `https://${detour.host}/upload`)
    expect((await failureOf(upload(registry))).message).toContain('redirects a PUT request')
    expect(storage.seen).toHaveLength(0)
  })
})

describe('a registry itself', () => {
  it('may be a service of the cluster, but not at a link-local address', async () => {
    const registry = await serve()
    addImage(registry.content, 'a/b', 'v1', await buildImage({ files: {} }))
    const ask = (address: string) =>
      open({
        tls: { insecure: false, insecureSkipTLSVerify: true },
        lookup: (_, __, callback) => callback(null, [{ address, family: 4 }]),
      }).headManifest(parseReference(`image-registry.registry.svc:${registry.server.port}/a/b:v1`))
    expect((await ask('127.0.0.1')).digest).toContain('sha256:')
    expect((await failureOf(ask('169.254.169.254'))).message).toContain('where no registry can be')
  })
})
