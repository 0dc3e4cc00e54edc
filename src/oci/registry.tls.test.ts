import net, { type AddressInfo } from 'node:net'
import { afterEach, describe, expect, it } from 'vitest'
import { parseDockerConfig } from './credentials.ts'
import { buildImage } from './image-builder.ts'
import { isTimeout } from './network-failure.ts'
import { parseReference } from './reference.ts'
import { createFixture, failureOf, type ServedRegistry } from './testdata/fixture.ts'
import { addImage, sendError, testCa } from './testdata/test-registry.ts'

const fixture = createFixture()
const { open, serve } = fixture
afterEach(() => fixture.stop())

const once = { attempts: 1 }
const tls = (insecure: boolean, insecureSkipTLSVerify: boolean) => ({ insecure, insecureSkipTLSVerify })

async function serveImage(scheme: 'http' | 'https'): Promise<ServedRegistry> {
  const registry = await serve(scheme)
  addImage(registry.content, 'a/b', 'v1', await buildImage({ files: {} }))
  return registry
}

describe('a certificate', () => {
  it('signed by the CA bundle is trusted', async () => {
    const { reference } = await serveImage('https')
    const head = await open({ settings: { caBundle: testCa() } }).headManifest(reference('a/b:v1'))
    expect(head.digest).toContain('sha256:')
  })

  it('signed by nobody known is RegistryUnreachable, naming caBundle and insecureSkipTLSVerify', async () => {
    const { server, reference } = await serveImage('https')
    const error = await failureOf(open({ settings: {} }).headManifest(reference('a/b:v1')))
    expect(error.code).toBe('RegistryUnreachable')
    expect(error.message).toMatch(/not trusted.*caBundle.*registryTLS.insecureSkipTLSVerify: true/)
    expect(server.seen).toHaveLength(0)
  })

  it('that is not trusted is taken only with insecureSkipTLSVerify', async () => {
    const { reference } = await serveImage('https')
    const ask = (insecure: boolean, skip: boolean) =>
      open({ settings: {}, tls: tls(insecure, skip), retries: once }).headManifest(reference('a/b:v1'))
    expect((await ask(false, true)).digest).toContain('sha256:')
    expect((await failureOf(ask(true, false))).message).toContain('not trusted')
  })

  it('for another name is RegistryUnreachable, and says so', async () => {
    const { server } = await serveImage('https')
    const client = open({ lookup: (_, __, callback) => callback(null, [{ address: '127.0.0.1', family: 4 }]) })
    const error = await failureOf(client.headManifest(parseReference(`registry.example.com:${server.port}/a/b:v1`)))
    expect(error.message).toContain('for another host name')
  })
})

describe('plain HTTP', () => {
  it('is not spoken unless registryTLS.insecure, and the message names that', async () => {
    const { server, reference } = await serveImage('http')
    for (const each of [tls(false, false), tls(false, true)]) {
      const error = await failureOf(open({ tls: each }).headManifest(reference('a/b:v1')))
      expect(error.code).toBe('RegistryUnreachable')
      expect(error.message).toMatch(/plain HTTP.*set registryTLS.insecure: true/)
    }
    expect(server.seen).toHaveLength(0)
  })

  it('is spoken where registryTLS.insecure, with credentials', async () => {
    const { content, server, reference } = await serveImage('http')
    content.intercept = (request, response) => {
      if (request.headers.authorization !== undefined) return false
      sendError(response, 401, 'UNAUTHORIZED', { 'www-authenticate': 'Basic realm="x"' })
      return true
    }
    const auths = { [server.host]: { username: 'user', password: 'word' } }
    const { credentials } = parseDockerConfig(JSON.stringify({ auths }), 'dockerconfigjson')
    const client = open({ tls: tls(true, false), credentials })
    await client.headManifest(reference('a/b:v1'))
    await client.headManifest(reference('a/b:v1'))
    expect(server.seen.map((each) => each.authorization?.split(' ')[0])).toEqual([undefined, 'Basic', 'Basic'])
  })

  it('is not fallen back to when HTTPS works', async () => {
    const { server, reference } = await serveImage('https')
    await open({ tls: tls(true, false) }).headManifest(reference('a/b:v1'))
    expect(server.seen).toHaveLength(1)
  })

  it('is allowed to a mirror by the mirror alone', async () => {
    const { reference } = await serveImage('https')
    const mirror = await serveImage('http')
    const { registry } = reference('a/b:v1')
    const ask = async (insecure: boolean) => {
      const mirrors = [{ prefix: registry, endpoints: [{ location: mirror.server.host, insecure }] }]
      await open({ settings: { caBundle: testCa(), mirrors }, tls: tls(!insecure, false) }).headManifest(
        reference('a/b:v1'),
      )
      return mirror.server.seen.length
    }
    expect(await ask(false)).toBe(0)
    expect(await ask(true)).toBe(1)
  })
})

describe('a registry that is not there', () => {
  it('is RegistryUnreachable, after its attempts', async () => {
    const { server, reference } = await serveImage('https')
    await server.stop()
    const error = await failureOf(open().headManifest(reference('a/b:v1')))
    expect(error.code).toBe('RegistryUnreachable')
    expect(error.message).toContain('nothing listens there')
  })

  it('by a name that DNS does not know is RegistryUnreachable at once', async () => {
    let lookups = 0
    const client = open({
      lookup: (hostname, _, callback) => {
        lookups += 1
        callback(Object.assign(new Error(`getaddrinfo ENOTFOUND ${hostname}`), { code: 'ENOTFOUND' }), [])
      },
    })
    const error = await failureOf(client.headManifest(parseReference('registry.example.com/a/b:v1')))
    expect(error.message).toContain('DNS does not know its name')
    expect([lookups, isTimeout(error)]).toEqual([1, false])
  })

  it('or takes the connection and says nothing is RegistryUnreachable after the time limit', async () => {
    const { content, reference } = await serveImage('https')
    content.intercept = () => true
    const client = open({ limits: { headersMs: 100 }, retries: once })
    const error = await failureOf(client.headManifest(reference('a/b:v1')))
    expect(error.message).toContain('no answer within 0.1 s')
    expect(isTimeout(error)).toBe(true)
  })

  it('or never finishes the TLS handshake is RegistryUnreachable after the time limit', async () => {
    const silent = net.createServer(() => undefined)
    const sockets: net.Socket[] = []
    silent.on('connection', (socket) => sockets.push(socket))
    await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve))
    fixture.onStop(async () => {
      for (const socket of sockets) socket.destroy()
      await new Promise((resolve) => silent.close(resolve))
    })
    const { port } = silent.address() as AddressInfo
    const client = open({ limits: { connectMs: 100 }, retries: once })
    const error = await failureOf(client.headManifest(parseReference(`127.0.0.1:${port}/a/b:v1`)))
    expect(error.message).toContain('no connection within 0.1 s')
    expect(isTimeout(error)).toBe(true)
  })
})
