import { afterEach, describe, expect, it } from 'vitest'
import { parseDockerConfig } from './credentials.ts'
import { type BuiltImage, buildImage } from './image-builder.ts'
import { parseReference } from './reference.ts'
import { createFixture, failureOf, type ServedRegistry } from './testdata/fixture.ts'
import { startProxy } from './testdata/test-proxy.ts'
import { addImage, sendError, testCa } from './testdata/test-registry.ts'

const fixture = createFixture()
const { open, serve } = fixture
afterEach(() => fixture.stop())

async function serveImage(repository: string, image: BuiltImage): Promise<ServedRegistry> {
  const registry = await serve()
  addImage(registry.content, repository, 'v1', image)
  return registry
}

describe('mirrors', () => {
  it('are asked in order, then the registry itself', async () => {
    const image = await buildImage({ files: {} })
    const [first, second] = [await serve(), await serve()]
    const origin = await serveImage('a/b', image)
    const endpoints = [{ location: `${first.server.host}/hub` }, { location: `${second.server.host}/copies/hub` }]
    const settings = { caBundle: testCa(), mirrors: [{ prefix: origin.server.host, endpoints }] }
    const resolved = await open({ settings }).resolveImage(origin.reference('a/b:v1'), image.platform)
    expect(resolved.digest).toBe(image.digest)
    expect(first.server.seen[0]!.url).toBe('/v2/hub/a/b/manifests/v1')
    expect(second.server.seen[0]!.url).toBe('/v2/copies/hub/a/b/manifests/v1')
  })

  it('that have the image spare the registry', async () => {
    const image = await buildImage({ files: {} })
    const mirror = await serveImage('lib/b', image)
    const origin = await serve()
    const mirrors = [
      { prefix: origin.server.host, endpoints: [{ location: '127.0.0.1:1' }] },
      { prefix: `${origin.server.host}/a`, endpoints: [{ location: `${mirror.server.host}/lib` }] },
    ]
    const head = await open({ settings: { caBundle: testCa(), mirrors } }).headManifest(origin.reference('a/b:v1'))
    expect(head.digest).toBe(image.digest)
    expect(origin.server.seen).toHaveLength(0)
  })

  it('get their own credentials, not those of the registry', async () => {
    const image = await buildImage({ files: {} })
    const origin = await serveImage('a/b', image)
    const mirror = await serve()
    const ask = { 'www-authenticate': 'Basic realm="x"' }
    mirror.content.intercept = (_, response) => {
      sendError(response, 401, 'UNAUTHORIZED', ask)
      return true
    }
    const auths = { [origin.server.host]: { username: 'user', password: 'word' } }
    const { credentials } = parseDockerConfig(JSON.stringify({ auths }), 'dockerconfigjson')
    const mirrors = [{ prefix: origin.server.host, endpoints: [{ location: mirror.server.host }] }]
    await open({ settings: { caBundle: testCa(), mirrors }, credentials }).headManifest(origin.reference('a/b:v1'))
    expect(mirror.server.seen.map((each) => each.authorization)).toEqual([undefined])
  })

  it('and registry all failing tell what each said, with the code of the registry', async () => {
    const origin = await serve()
    const mirror = await serve()
    const mirrors = [{ prefix: origin.server.host, endpoints: [{ location: mirror.server.host }] }]
    mirror.content.intercept = (_, response) => {
      response.writeHead(500).end()
      return true
    }
    const settings = { caBundle: testCa(), mirrors }
    const error = await failureOf(open({ settings }).headManifest(origin.reference('a/b:v1')))
    expect(error.code).toBe('ImageNotFound')
    expect(error.message).toContain(`before that, mirror ${mirror.server.host} failed (`)
    expect(error.message).toContain('answered 500')
  })

  it('do not see what is pushed', async () => {
    const origin = await serve()
    const mirror = await serve()
    const mirrors = [{ prefix: origin.server.host, endpoints: [{ location: mirror.server.host }] }]
    const client = open({ settings: { caBundle: testCa(), mirrors } })
    expect(await client.uploaderFor(origin.reference('a/b:v1')).blobExists(`sha256:${'0'.repeat(64)}`)).toBe(false)
    expect(mirror.server.seen).toHaveLength(0)
  })
})

describe('a proxy', () => {
  it('is used for HTTPS by a tunnel, with its own credentials, and not for noProxy', async () => {
    const image = await buildImage({ files: {} })
    const registry = await serveImage('a/b', image)
    const proxy = await startProxy(() => registry.server.port)
    fixture.onStop(() => proxy.stop())
    const httpsProxy = proxy.url.replace('//', '//user:word@')
    const client = open({ settings: { caBundle: testCa(), proxy: { httpsProxy, noProxy: '10.0.0.0/8, .internal' } } })
    const head = await client.headManifest(parseReference('registry.kmm.test/a/b:v1'))
    expect(head.digest).toBe(image.digest)
    expect(proxy.seen).toEqual([`CONNECT registry.kmm.test:443 Basic ${Buffer.from('user:word').toString('base64')}`])
    expect((await client.headManifest(registry.reference('a/b:v1'))).digest).toBe(image.digest)
    expect(proxy.seen).toHaveLength(1)
  })

  it('is used for plain HTTP without a tunnel', async () => {
    const registry = await serve('http')
    addImage(registry.content, 'a/b', 'v1', await buildImage({ files: {} }))
    const proxy = await startProxy(() => registry.server.port)
    fixture.onStop(() => proxy.stop())
    const settings = { proxy: { httpProxy: proxy.url, httpsProxy: proxy.url } }
    const tls = { insecure: true, insecureSkipTLSVerify: false }
    const client = open({ settings, tls })
    const head = await client.headManifest(parseReference('registry.kmm.test:80/a/b:v1'))
    expect(head.digest).toContain('sha256:')
    expect(proxy.seen).toEqual(['CONNECT registry.kmm.test:80', 'HEAD http://registry.kmm.test/v2/a/b/manifests/v1'])
  })

  it('that refuses is RegistryUnreachable, naming the proxy setting without its password', async () => {
    const proxy = await startProxy(() => 0)
    fixture.onStop(() => proxy.stop())
    const httpsProxy = proxy.url.replace('//', '//user:hunter2@')
    const client = open({ settings: { proxy: { httpsProxy } }, retries: { attempts: 1 } })
    const error = await failureOf(client.headManifest(parseReference('registry.kmm.test/a/b:v1')))
    expect(error.code).toBe('RegistryUnreachable')
    expect(error.message).toContain('the proxy refused')
    expect(error.message).not.toContain('hunter2')
  })
})
