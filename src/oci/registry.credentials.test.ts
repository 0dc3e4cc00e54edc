import type { IncomingMessage, ServerResponse } from 'node:http'
import { afterEach, describe, expect, it } from 'vitest'
import { type CredentialStore, parseDockerConfig } from './credentials.ts'
import { buildImage } from './image-builder.ts'
import { calm, createFixture, failureOf, type ServedRegistry } from './testdata/fixture.ts'
import { addImage, sendError, sendJson, type TestServer } from './testdata/test-registry.ts'
import { createTokenCache } from './token-cache.ts'

const fixture = createFixture()
const { open, serve, start } = fixture
afterEach(() => fixture.stop())

const basic = (user: string, password: string): string =>
  `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`

function secret(auths: Record<string, unknown>): CredentialStore {
  return parseDockerConfig(JSON.stringify({ auths }), 'dockerconfigjson').credentials
}

/** A token service that gives `token-<n>` to those whom `accepts` accepts. */
async function startTokenService(
  accepts: (request: IncomingMessage, body: string) => boolean,
  answer: object = { expires_in: 300 },
  scheme: 'http' | 'https' = 'https',
): Promise<TestServer> {
  let count = 0
  return start((request, response, body) => {
    if (!accepts(request, body.toString('utf8'))) return sendError(response, 401, 'UNAUTHORIZED')
    count += 1
    sendJson(response, 200, { token: `token-${count}`, ...answer })
  }, scheme)
}

function demandBearer(
  registry: ServedRegistry,
  realm: string,
  isValid = (header: string) => header.startsWith('Bearer token-'),
) {
  registry.content.intercept = (request: IncomingMessage, response: ServerResponse) => {
    if (isValid(request.headers.authorization ?? '')) return false
    const repository = /^\/v2\/(.+)\/(?:manifests|blobs)\//.exec(request.url ?? '')?.[1] ?? ''
    const challenge = `Bearer realm="${realm}",service="test",scope="repository:${repository}:pull"`
    sendError(response, 401, 'UNAUTHORIZED', { 'www-authenticate': challenge })
    return true
  }
}

async function serveImage(): Promise<ServedRegistry> {
  const registry = await serve()
  addImage(registry.content, 'a/b', 'v1', await buildImage({ files: {} }))
  addImage(registry.content, 'c/d', 'v1', await buildImage({ files: {} }))
  return registry
}

describe('a registry that asks for a token', () => {
  it('gets one without credentials for a public image', async () => {
    const registry = await serveImage()
    const service = await startTokenService(() => true)
    demandBearer(registry, `https://${service.host}/token?x=1`)
    await open().headManifest(registry.reference('a/b:v1'))
    expect(service.seen).toHaveLength(1)
    const url = new URL(service.seen[0]!.url, 'https://service')
    expect(Object.fromEntries(url.searchParams)).toEqual({ x: '1', service: 'test', scope: 'repository:a/b:pull' })
    expect(service.seen[0]!.authorization).toBeUndefined()
  })

  it('gets one for the credentials of the pull secret, which it never sees itself', async () => {
    const registry = await serveImage()
    const service = await startTokenService(({ headers }) => headers.authorization === basic('user', 'secret:word'))
    demandBearer(registry, `https://${service.host}/token`)
    const auth = Buffer.from('user:secret:word').toString('base64')
    await open({ credentials: secret({ [registry.server.host]: { auth } }) }).headManifest(registry.reference('a/b:v1'))
    expect(registry.server.seen.map((each) => each.authorization)).toEqual([undefined, 'Bearer token-1'])
  })

  it('is given the same token until it expires, one token a repository', async () => {
    const registry = await serveImage()
    const service = await startTokenService(() => true)
    demandBearer(registry, `https://${service.host}/token`)
    let now = 1_000_000
    const client = open({ retries: { clock: { ...calm.clock, now: () => now } } })
    await client.headManifest(registry.reference('a/b:v1'))
    await client.headManifest(registry.reference('a/b:v1'))
    expect(service.seen).toHaveLength(1)
    await client.headManifest(registry.reference('c/d:v1'))
    expect(service.seen).toHaveLength(2)
    now += 289_000
    await client.headManifest(registry.reference('a/b:v1'))
    expect(service.seen).toHaveLength(2)
    now += 2000
    await client.headManifest(registry.reference('a/b:v1'))
    expect(service.seen).toHaveLength(3)
  })

  it('gets one token for requests at the same time, and for clients that share a cache', async () => {
    const registry = await serveImage()
    const service = await startTokenService(() => true)
    demandBearer(registry, `https://${service.host}/token`)
    const tokens = createTokenCache()
    const client = open({ tokens })
    await Promise.all([1, 2, 3].map(() => client.headManifest(registry.reference('a/b:v1'))))
    await open({ tokens }).headManifest(registry.reference('a/b:v1'))
    expect(service.seen).toHaveLength(1)
  })

  it('gets a new one when it does not take the cached one any more', async () => {
    const registry = await serveImage()
    const service = await startTokenService(() => true)
    let valid = 'Bearer token-1'
    demandBearer(registry, `https://${service.host}/token`, (header) => header === valid)
    const client = open()
    await client.headManifest(registry.reference('a/b:v1'))
    valid = 'Bearer token-2'
    await client.headManifest(registry.reference('a/b:v1'))
    expect(service.seen).toHaveLength(2)
  })

  it('does not see a token again that it refused, although there is no new one', async () => {
    const registry = await serveImage()
    let isOpen = true
    const service = await startTokenService(() => isOpen)
    let valid = 'Bearer token-1'
    demandBearer(registry, `https://${service.host}/token`, (header) => header === valid)
    const client = open()
    await client.headManifest(registry.reference('a/b:v1'))
    isOpen = false
    valid = 'Bearer token-2'
    await failureOf(client.headManifest(registry.reference('a/b:v1')))
    const before = registry.server.seen.length
    await failureOf(client.headManifest(registry.reference('a/b:v1')))
    expect(registry.server.seen.slice(before).map((each) => each.authorization)).toEqual([undefined])
  })

  it('gets a new one also when it refuses the cached one without a challenge', async () => {
    const registry = await serveImage()
    const service = await startTokenService(() => true)
    demandBearer(registry, `https://${service.host}/token`)
    const client = open()
    await client.headManifest(registry.reference('a/b:v1'))
    const demand = registry.content.intercept
    registry.content.intercept = (request, response) => {
      if (request.headers.authorization !== 'Bearer token-1') return demand?.(request, response) ?? false
      sendError(response, 403, 'DENIED')
      return true
    }
    await client.headManifest(registry.reference('a/b:v1'))
    expect(service.seen).toHaveLength(2)
  })

  it('gets an identity token exchanged by POST', async () => {
    const registry = await serveImage()
    const service = await startTokenService((request, body) => {
      const form = new URLSearchParams(body)
      return (
        request.method === 'POST' &&
        form.get('refresh_token') === 'refresh' &&
        form.get('scope') === 'repository:a/b:pull'
      )
    })
    demandBearer(registry, `https://${service.host}/token`)
    const credentials = secret({ [registry.server.host]: { auth: 'eDo=', identitytoken: 'refresh' } })
    await open({ credentials }).headManifest(registry.reference('a/b:v1'))
    expect(service.seen[0]!.authorization).toBeUndefined()
  })

  it('is given a registry token as it is', async () => {
    const registry = await serveImage()
    demandBearer(registry, 'https://nowhere.kmm.test/token', (header) => header === 'Bearer mine')
    const credentials = secret({ [registry.server.host]: { registrytoken: 'mine' } })
    expect((await open({ credentials }).headManifest(registry.reference('a/b:v1'))).digest).toContain('sha256:')
  })

  it('whose token service refuses the credentials is RegistryUnauthorized, without the password in the message', async () => {
    const registry = await serveImage()
    const service = await startTokenService(() => false)
    demandBearer(registry, `https://${service.host}/token`)
    const credentials = secret({ [registry.server.host]: { username: 'user', password: 'hunter2' } })
    const error = await failureOf(open({ credentials }).headManifest(registry.reference('a/b:v1')))
    expect(error.code).toBe('RegistryUnauthorized')
    expect(error.message).toContain('refuses the credentials of the pull secret')
    expect(JSON.stringify([error.message, String(error.cause)])).not.toMatch(/hunter2|aHVudGVy/)
  })

  it('refused without credentials says to name a pull secret', async () => {
    const registry = await serveImage()
    const service = await startTokenService(() => false)
    demandBearer(registry, `https://${service.host}/token`)
    const error = await failureOf(open().headManifest(registry.reference('a/b:v1')))
    expect(error.code).toBe('RegistryUnauthorized')
    expect(error.message).toContain(`name a pull secret for ${registry.server.host} in imageRepoSecret`)
  })

  it('on HTTP is asked for none unless registryTLS.insecure, not even without credentials', async () => {
    const registry = await serveImage()
    const service = await startTokenService(() => true, {}, 'http')
    demandBearer(registry, `http://${service.host}/token`)
    const credentials = secret({ [registry.server.host]: { username: 'user', password: 'secret' } })
    const error = await failureOf(open({ credentials }).headManifest(registry.reference('a/b:v1')))
    expect(error.code).toBe('RegistryUnauthorized')
    expect(error.message).toContain('registryTLS.insecure')
    expect(service.seen).toHaveLength(0)
    const tls = { insecure: true, insecureSkipTLSVerify: false }
    await open({ credentials, tls }).headManifest(registry.reference('a/b:v1'))
    expect(service.seen[0]!.authorization).toBe(basic('user', 'secret'))
  })

  it.each([
    ['https://169.254.169.254/token'],
    ['https://kubernetes.default.svc/token'],
    ['file:///etc/passwd'],
    ['nonsense'],
  ])('is not sent to %s for it', async (realm) => {
    const registry = await serveImage()
    demandBearer(registry, realm)
    const error = await failureOf(open().headManifest(registry.reference('a/b:v1')))
    expect(['RegistryUnauthorized', 'RegistryUnreachable']).toContain(error.code)
  })

  it('whose token service fails for a moment is asked again', async () => {
    const registry = await serveImage()
    let failures = 2
    const service = await start((_, response) => {
      failures -= 1
      if (failures >= 0) response.writeHead(503).end()
      else sendJson(response, 200, { access_token: 'token-x' })
    })
    demandBearer(registry, `https://${service.host}/token`)
    await open().headManifest(registry.reference('a/b:v1'))
    expect(service.seen).toHaveLength(3)
  })

  it.each([[{ token: 'a\r\nb' }], [{ token: '' }], [{ token: 7 }], [{}], [[]]])(
    'takes no token such as %j',
    async (answer) => {
      const registry = await serveImage()
      const service = await start((_, response) => sendJson(response, 200, answer))
      demandBearer(registry, `https://${service.host}/token`)
      const error = await failureOf(open().headManifest(registry.reference('a/b:v1')))
      expect(error.message).toContain('answered without a token')
    },
  )
})

describe('a registry that asks for Basic credentials', () => {
  const demandBasic = (registry: ServedRegistry, user: string, password: string): void => {
    registry.content.intercept = (request, response) => {
      if (request.headers.authorization === basic(user, password)) return false
      sendError(response, 401, 'UNAUTHORIZED', { 'www-authenticate': 'Basic realm="registry"' })
      return true
    }
  }

  it('gets them', async () => {
    const registry = await serveImage()
    demandBasic(registry, 'user', 'word')
    const credentials = secret({ [registry.server.host]: { username: 'user', password: 'word' } })
    const client = open({ credentials })
    await client.headManifest(registry.reference('a/b:v1'))
    await client.headManifest(registry.reference('a/b:v1'))
    expect(registry.server.seen).toHaveLength(3)
  })

  it('and refuses them is RegistryUnauthorized', async () => {
    const registry = await serveImage()
    demandBasic(registry, 'user', 'word')
    const credentials = secret({ [registry.server.host]: { username: 'user', password: 'wrong' } })
    const error = await failureOf(open({ credentials }).headManifest(registry.reference('a/b:v1')))
    expect(error.code).toBe('RegistryUnauthorized')
    expect(error.message).toContain('check that they are still valid')
    expect(error.message).not.toContain('wrong')
  })

  it('is given the next fitting credential when the first is refused, and remembers which it took', async () => {
    const registry = await serveImage()
    demandBasic(registry, 'second', 'word')
    const { host } = registry.server
    const credentials = secret({
      [`${host}/a`]: { username: 'first', password: 'word' },
      [host]: { username: 'second', password: 'word' },
    })
    const client = open({ credentials })
    await client.headManifest(registry.reference('a/b:v1'))
    const before = registry.server.seen.length
    await client.headManifest(registry.reference('a/b:v1'))
    expect(registry.server.seen.length).toBe(before + 1)
  })

  it('gets none of another registry', async () => {
    const registry = await serveImage()
    demandBasic(registry, 'user', 'word')
    const credentials = secret({ '127.0.0.1:1': { username: 'user', password: 'word' } })
    const error = await failureOf(open({ credentials }).headManifest(registry.reference('a/b:v1')))
    expect(error.code).toBe('RegistryUnauthorized')
    expect(registry.server.seen.every((each) => each.authorization === undefined)).toBe(true)
  })
})
