import { createHash } from 'node:crypto'
import { gunzipSync } from 'node:zlib'
import { afterEach, describe, expect, it } from 'vitest'
import { type RegistryOptions, type SandboxRegistry, startRegistry } from './registry.ts'

const running: SandboxRegistry[] = []
async function start(options?: RegistryOptions): Promise<SandboxRegistry> {
  const registry = await startRegistry(options)
  running.push(registry)
  return registry
}
afterEach(async () => {
  await Promise.all(running.splice(0).map((registry) => registry.stop()))
})

const sha256 = (bytes: Buffer | string): string => `sha256:${createHash('sha256').update(bytes).digest('hex')}`
const ociManifest = 'application/vnd.oci.image.manifest.v1+json'
const basic = (name: string, password: string): { authorization: string } => ({
  authorization: `Basic ${Buffer.from(`${name}:${password}`).toString('base64')}`,
})
const layers = [{ entries: [{ name: 'opt/lib/modules/6.1/x.ko', content: 'module' }] }]

async function errorCode(response: Response): Promise<string> {
  const body = (await response.json()) as { errors: { code: string }[] }
  return body.errors[0]!.code
}

describe('pushing over HTTP', () => {
  it('takes a blob in one request and gives it back whole and in ranges', async () => {
    const { url } = await start()
    const bytes = 'hello blob'
    const made = await fetch(`${url}/v2/org/image/blobs/uploads/?digest=${sha256(bytes)}`, {
      method: 'POST',
      body: bytes,
    })
    expect(made.status).toBe(201)
    const blob = `${url}${made.headers.get('location')}`
    expect(await (await fetch(blob)).text()).toBe(bytes)
    const head = await fetch(blob, { method: 'HEAD' })
    expect([head.status, head.headers.get('content-length')]).toEqual([200, '10'])
    const part = await fetch(blob, { headers: { range: 'bytes=6-' } })
    expect([part.status, part.headers.get('content-range'), await part.text()]).toEqual([206, 'bytes 6-9/10', 'blob'])
    expect((await fetch(blob, { headers: { range: 'bytes=10-' } })).status).toBe(416)
  })

  it('takes a blob in chunks, refuses one out of order, and checks the digest at the end', async () => {
    const { url } = await start()
    const begun = await fetch(`${url}/v2/org/image/blobs/uploads/`, { method: 'POST' })
    const upload = `${url}${begun.headers.get('location')}`
    const first = await fetch(upload, { method: 'PATCH', body: 'abc', headers: { 'content-range': '0-2' } })
    expect([first.status, first.headers.get('range')]).toEqual([202, '0-2'])
    const wrong = await fetch(upload, { method: 'PATCH', body: 'x', headers: { 'content-range': '7-7' } })
    expect(wrong.status).toBe(416)
    expect((await fetch(upload)).headers.get('range')).toBe('0-2')
    const done = await fetch(`${upload}?digest=${sha256('abcdef')}`, { method: 'PUT', body: 'def' })
    expect(done.status).toBe(201)
    expect(await (await fetch(`${url}${done.headers.get('location')}`)).text()).toBe('abcdef')

    const again = await fetch(`${url}/v2/org/image/blobs/uploads/`, { method: 'POST' })
    const lie = `${url}${again.headers.get('location')}?digest=${sha256('other')}`
    expect(await errorCode(await fetch(lie, { method: 'PUT', body: 'bytes' }))).toBe('DIGEST_INVALID')
  })

  it('mounts a blob of another repository without its bytes, and begins an upload where there is none', async () => {
    const { url } = await start()
    const digest = sha256('shared')
    await fetch(`${url}/v2/one/blobs/uploads/?digest=${digest}`, { method: 'POST', body: 'shared' })
    const mount = (from: string): Promise<Response> =>
      fetch(`${url}/v2/two/blobs/uploads/?mount=${digest}&from=${from}`, { method: 'POST' })
    expect((await mount('none')).status).toBe(202)
    expect((await fetch(`${url}/v2/two/blobs/${digest}`)).status).toBe(404)
    expect((await mount('one')).status).toBe(201)
    expect(await (await fetch(`${url}/v2/two/blobs/${digest}`)).text()).toBe('shared')
  })

  it('refuses a manifest whose blobs are missing, and one under a digest that is not its own', async () => {
    const { url } = await start()
    const config = { digest: sha256('{}'), size: 2, mediaType: 'application/vnd.oci.image.config.v1+json' }
    const body = JSON.stringify({ schemaVersion: 2, mediaType: ociManifest, config, layers: [] })
    const put = (reference: string): Promise<Response> =>
      fetch(`${url}/v2/org/image/manifests/${reference}`, {
        method: 'PUT',
        body,
        headers: { 'content-type': ociManifest },
      })
    expect(await errorCode(await put('v1'))).toBe('MANIFEST_BLOB_UNKNOWN')
    await fetch(`${url}/v2/org/image/blobs/uploads/?digest=${config.digest}`, { method: 'POST', body: '{}' })
    expect(await errorCode(await put(sha256('else')))).toBe('DIGEST_INVALID')
    expect((await put('v1')).headers.get('docker-content-digest')).toBe(sha256(body))
    expect(await (await fetch(`${url}/v2/org/image/manifests/v1`)).text()).toBe(body)
  })
})

describe('pulling what the helper pushed', () => {
  it('answers tag and digest with the same bytes, and the layer unpacks to its entries', async () => {
    const registry = await start()
    const pushed = await registry.push({ repository: 'org/image', tag: 'v1', layers })
    expect(pushed.image).toBe(`${registry.address}/org/image:v1`)
    const byTag = await fetch(`${registry.url}/v2/org/image/manifests/v1`, { headers: { accept: ociManifest } })
    const text = await byTag.text()
    expect([byTag.headers.get('content-type'), sha256(text)]).toEqual([ociManifest, pushed.digest])
    expect(await (await fetch(`${registry.url}/v2/org/image/manifests/${pushed.digest}`)).text()).toBe(text)
    const blob = await fetch(`${registry.url}/v2/org/image/blobs/${pushed.layers[0]!.digest}`)
    const archive = gunzipSync(Buffer.from(await blob.arrayBuffer()))
    expect(archive.subarray(0, 24).toString()).toBe('opt/lib/modules/6.1/x.ko')
    expect(archive.subarray(512, 518).toString()).toBe('module')
  })

  it('gives an index only to a client that accepts indexes', async () => {
    const registry = await start()
    const image = await registry.push({ repository: 'org/image', layers })
    registry.pushIndex({ repository: 'org/image', tag: 'multi', images: [{ architecture: 'amd64', image }] })
    const get = (accept: string): Promise<Response> =>
      fetch(`${registry.url}/v2/org/image/manifests/multi`, { headers: { accept } })
    expect(await errorCode(await get(ociManifest))).toBe('MANIFEST_UNKNOWN')
    const index = (await (await get('application/vnd.oci.image.index.v1+json')).json()) as {
      manifests: { digest: string; platform: object }[]
    }
    expect(index.manifests).toMatchObject([{ digest: image.digest, platform: { architecture: 'amd64', os: 'linux' } }])
  })

  it('pages tags, and loses and deletes what it is told to', async () => {
    const registry = await start()
    for (const tag of ['a', 'b', 'c']) await registry.push({ repository: 'org/image', tag, layers })
    const page = await fetch(`${registry.url}/v2/org/image/tags/list?n=2`)
    expect(await page.json()).toEqual({ name: 'org/image', tags: ['a', 'b'] })
    const next = /<(.*)>/.exec(page.headers.get('link') ?? '')![1]
    expect(await (await fetch(`${registry.url}${next}`)).json()).toEqual({ name: 'org/image', tags: ['c'] })
    expect(registry.lose('org/image', 'a')).toBe(true)
    expect((await fetch(`${registry.url}/v2/org/image/manifests/a`)).status).toBe(404)
    const gone = await fetch(`${registry.url}/v2/org/image/manifests/b`, { method: 'DELETE' })
    expect([gone.status, registry.lose('org/image', 'b')]).toEqual([202, false])
  })
})

describe('credentials', () => {
  const users = [
    { username: 'ann', password: 'a', repositories: ['team-a/'] },
    { username: 'bob', password: 'b', repositories: ['team-b/x'], actions: ['pull' as const] },
  ]

  it('asks for basic credentials and holds each user to the repositories of that user', async () => {
    const registry = await start({ auth: { kind: 'basic', users, anonymousPull: ['open/'] } })
    await registry.push({ repository: 'team-a/image', tag: 'v1', layers })
    await registry.push({ repository: 'open/image', tag: 'v1', layers })
    const manifest = `${registry.url}/v2/team-a/image/manifests/v1`
    const refused = await fetch(manifest)
    expect([refused.status, refused.headers.get('www-authenticate')]).toEqual([401, 'Basic realm="sandbox registry"'])
    expect((await fetch(manifest, { headers: basic('ann', 'wrong') })).status).toBe(401)
    expect((await fetch(manifest, { headers: basic('bob', 'b') })).status).toBe(403)
    expect((await fetch(manifest, { headers: basic('ann', 'a') })).status).toBe(200)
    expect((await fetch(`${registry.url}/v2/open/image/manifests/v1`)).status).toBe(200)
    expect(registry.requests.map(({ username, status }) => [username, status])).toEqual([
      ['', 401],
      ['ann', 401],
      ['bob', 403],
      ['ann', 200],
      ['', 200],
    ])
  })

  it('gives tokens for what the user may do, until their time is over', async () => {
    let now = 0
    const auth = { kind: 'token' as const, users, tokenLifetimeSeconds: 60 }
    const registry = await start({ auth, now: () => now })
    await registry.push({ repository: 'team-a/image', tag: 'v1', layers })
    const manifest = `${registry.url}/v2/team-a/image/manifests/v1`
    const challenge = (await fetch(manifest)).headers.get('www-authenticate') ?? ''
    expect(challenge).toBe(
      `Bearer realm="${registry.url}/token",service="sandbox-registry",scope="repository:team-a/image:pull"`,
    )
    const ask = async (name: string, password: string): Promise<Record<string, string>> => {
      const answer = await fetch(`${registry.url}/token?scope=repository:team-a/image:pull`, {
        headers: basic(name, password),
      })
      if (!answer.ok) return {}
      return { authorization: `Bearer ${((await answer.json()) as { token: string }).token}` }
    }
    const ann = await ask('ann', 'a')
    expect((await fetch(manifest, { headers: ann })).status).toBe(200)
    expect((await fetch(manifest, { method: 'DELETE', headers: ann })).status).toBe(401)
    expect((await fetch(manifest, { headers: await ask('bob', 'b') })).status).toBe(401)
    expect(await ask('ann', 'wrong')).toEqual({})
    now = 61_000
    expect((await fetch(manifest, { headers: ann })).status).toBe(401)
  })
})

describe('faults', () => {
  it('answers 503 and 429 as often as it is told, then recovers', async () => {
    const registry = await start()
    registry.fail({ action: { do: 'unavailable' }, times: 1 })
    registry.fail({ action: { do: 'tooManyRequests', retryAfter: '7' }, times: 1 })
    const statuses: unknown[] = []
    for (let i = 0; i < 3; i++) {
      const answer = await fetch(`${registry.url}/v2/`)
      statuses.push([answer.status, answer.headers.get('retry-after')])
    }
    expect(statuses).toEqual([
      [503, null],
      [429, '7'],
      [200, null],
    ])
  })

  it('corrupts and truncates blobs, and cuts connections', async () => {
    const registry = await start()
    const pushed = await registry.push({ repository: 'org/image', tag: 'v1', layers })
    const { digest, size } = pushed.layers[0]!
    const blob = `${registry.url}/v2/org/image/blobs/${digest}`
    const lift = registry.fail({ kind: 'blob', reference: digest, action: { do: 'corrupt', atByte: 5 } })
    const spoilt = Buffer.from(await (await fetch(blob)).arrayBuffer())
    expect([spoilt.length, sha256(spoilt) === digest]).toEqual([size, false])
    lift()
    const healthy = Buffer.from(await (await fetch(blob)).arrayBuffer())
    expect(sha256(healthy)).toBe(digest)
    registry.fail({ kind: 'blob', action: { do: 'truncate', afterBytes: 10 }, times: 1 })
    await expect(fetch(blob).then((answer) => answer.arrayBuffer())).rejects.toThrow()
    registry.fail({ kind: 'manifest', action: { do: 'reset' }, times: 1 })
    await expect(fetch(`${registry.url}/v2/org/image/manifests/v1`)).rejects.toThrow('fetch failed')
  })

  it('keeps a blob hanging until the fault is lifted', async () => {
    const registry = await start()
    const pushed = await registry.push({ repository: 'org/image', tag: 'v1', layers })
    const lift = registry.fail({ kind: 'blob', action: { do: 'hang', afterBytes: 3 } })
    const answer = await fetch(`${registry.url}/v2/org/image/blobs/${pushed.layers[0]!.digest}`)
    const reader = answer.body!.getReader()
    const first = await reader.read()
    expect(first.value?.length).toBe(3)
    const order: string[] = []
    const rest = reader.read().then(() => order.push('rest'))
    order.push('lifted')
    lift()
    await rest
    expect(order).toEqual(['lifted', 'rest'])
  })

  it('tells a waiting test when a request has arrived', async () => {
    const registry = await start()
    const seen = registry.waitForRequest((request) => request.kind === 'manifest')
    await fetch(`${registry.url}/v2/org/image/manifests/v9`)
    expect(await seen).toMatchObject({ repository: 'org/image', reference: 'v9', status: 404 })
  })
})
