import { afterEach, describe, expect, it } from 'vitest'
import { measureCpuMs } from '../../../test/cpu-time.ts'
import { type ApiServer, startApiServer, type ApiServerOptions } from './api-server.ts'
import { StatusError, forbidden } from './status-error.ts'
import type { WriteRequest } from './hooks.ts'
import type { Extensions } from './service.ts'
import { nodeUser, serviceAccountUser } from './identity.ts'
import { dig } from './table/column.ts'
import { configMap, paths, pod, startTestServer, TestClient, type TestServer } from './test-client.ts'

let test: TestServer
const start = async (options: ApiServerOptions = {}): Promise<void> => {
  test = await startTestServer(options)
}
afterEach(() => test.stop())

const { configMaps, pods } = paths

describe('the server', () => {
  it('speaks HTTPS with a certificate of its own and is up in no time', async () => {
    await start({ tls: true })
    const { status, body } = await test.client.get('/version')
    expect({ status, body }).toMatchObject({ status: 200, body: { gitVersion: 'v1.36.2+kmm-sandbox' } })
    expect(test.server.url).toMatch(/^https:\/\/127\.0\.0\.1:\d+$/)
    expect(test.server.kubeconfig).toContain(Buffer.from(test.server.certificate ?? '').toString('base64'))
    const others: ApiServer[] = []
    expect(await measureCpuMs(async () => others.push(await startApiServer()))).toBeLessThan(300)
    await Promise.all(others.map((other) => other.stop()))
  })

  it('lets nobody in without a token, but tells everybody that it is well', async () => {
    await start()
    for (const token of ['', 'wrong']) {
      expect(await test.client.get(pods, { token })).toMatchObject({ status: 401, body: { reason: 'Unauthorized' } })
    }
    for (const path of ['/healthz', '/readyz', '/livez', '/readyz/ping']) {
      expect(await test.client.get(path, { token: '' })).toMatchObject({ status: 200, text: 'ok' })
    }
  })

  it('knows its users by their tokens', async () => {
    await start()
    const path = '/apis/authentication.k8s.io/v1/selfsubjectreviews'
    const whoIs = async (token: string): Promise<unknown> => {
      const { body } = await test.client.send('POST', path, { token, body: { kind: 'SelfSubjectReview' } })
      return dig(body, 'status', 'userInfo', 'username')
    }
    expect(await whoIs(test.server.addIdentity(nodeUser('n')).token)).toBe('system:node:n')
    const operator = test.server.addIdentity(serviceAccountUser('kmm', 'operator'))
    expect(await whoIs(operator.token)).toBe('system:serviceaccount:kmm:operator')
    expect(test.server.kubeconfigFor(operator)).toContain(operator.token)
    const review = { spec: { resourceAttributes: { verb: 'create', resource: 'pods' } } }
    const access = await test.client.post('/apis/authorization.k8s.io/v1/selfsubjectaccessreviews', review)
    expect(access).toMatchObject({ status: 201, body: { status: { allowed: true } } })
  })

  it('answers what happens when it stops to nobody, and stops all the same', async () => {
    await start()
    const watch = await test.client.watch(`${configMaps}?watch=1`)
    const client = new TestClient(test.server)
    await test.server.stop()
    expect(await watch.next()).toBeUndefined()
    await expect(client.get('/version')).rejects.toThrow()
    await client.close()
  })
})

describe('the log of writes', () => {
  it('holds every write with who made it and what it was answered', async () => {
    await start()
    await test.client.send('POST', configMaps, {
      body: { metadata: { generateName: 'x-' } },
      userAgent: 'kmm-operator/1',
    })
    await test.client.post(configMaps, configMap('a'))
    await test.client.post(configMaps, configMap('a'))
    await test.client.get(configMaps)
    await test.client.post(pods, pod('p'))
    await test.client.patch(`${pods}/p/status`, { status: { phase: 'Running' } })
    await test.client.delete(`${pods}/p?dryRun=All`)
    const common = { group: '', namespace: 'default', user: 'kubernetes-admin', userAgent: 'test' }
    const name = expect.stringMatching(/^x-.{5}$/)
    expect(test.server.writes).toEqual([
      { ...common, verb: 'create', resource: 'configmaps', name, userAgent: 'kmm-operator/1', status: 201 },
      { ...common, verb: 'create', resource: 'configmaps', name: 'a', status: 201 },
      { ...common, verb: 'create', resource: 'configmaps', status: 409 },
      { ...common, verb: 'create', resource: 'pods', name: 'p', status: 201 },
      { ...common, verb: 'patch', resource: 'pods', subresource: 'status', name: 'p', status: 200 },
      { ...common, verb: 'delete', resource: 'pods', name: 'p', status: 200, dryRun: true },
    ])
  })
})

describe('a hook on requests', () => {
  it('can answer an error with advice when to come back', async () => {
    await start()
    const remove = test.server.onRequest(({ verb }) =>
      verb === 'create' ? { kind: 'error', status: 429, retryAfterSeconds: 2 } : undefined,
    )
    const refused = await test.client.post(configMaps, configMap('a'))
    expect(refused).toMatchObject({
      status: 429,
      body: { reason: 'TooManyRequests', details: { retryAfterSeconds: 2 } },
    })
    expect(refused.headers['retry-after']).toBe('2')
    remove()
    expect((await test.client.post(configMaps, configMap('a'))).status).toBe(201)
  })

  it('can cut the connection before or after the write', async () => {
    await start()
    let kind: 'drop' | 'dropAnswer' = 'drop'
    const remove = test.server.onRequest(({ verb }) => (verb === 'create' ? { kind } : undefined))
    await expect(test.client.post(configMaps, configMap('a'))).rejects.toThrow()
    expect((await test.client.get(`${configMaps}/a`)).status).toBe(404)
    kind = 'dropAnswer'
    await expect(test.client.post(configMaps, configMap('a'))).rejects.toThrow()
    expect((await test.client.get(`${configMaps}/a`)).status).toBe(200)
    remove()
  })

  it('can hold a request back, and see who sends it', async () => {
    await start()
    let release = (): void => {}
    const released = new Promise<void>((resolve) => {
      release = resolve
    })
    const seen: unknown[] = []
    test.server.onRequest(async (request) => {
      if (request.verb !== 'create') return undefined
      seen.push(request)
      await released
      return undefined
    })
    const waiting = test.client.post(configMaps, configMap('a'))
    expect((await test.client.get(`${configMaps}/a`)).status).toBe(404)
    release()
    expect((await waiting).status).toBe(201)
    expect(seen).toMatchObject([{ verb: 'create', plural: 'configmaps', namespace: 'default', userAgent: 'test' }])
  })

  it('can send an error on a watch that has begun', async () => {
    await start()
    test.server.onRequest(({ verb }) =>
      verb === 'watch' ? { kind: 'watchError', status: 410, reason: 'Expired', message: 'too old' } : undefined,
    )
    const watch = await test.client.watch(`${configMaps}?watch=1`)
    expect(await watch.next()).toMatchObject({
      type: 'ERROR',
      object: { kind: 'Status', code: 410, reason: 'Expired' },
    })
    expect(await watch.next()).toBeUndefined()
  })
})

describe('admission and validation', () => {
  const seen: WriteRequest[] = []
  const extend = (): Extensions => ({
    validator: {
      prepare: (_resource, object) => {
        const known = object['extra'] === undefined
        delete object['extra']
        object['defaulted'] = true
        return { unknownFields: known ? [] : ['extra'] }
      },
      validate: ({ object }) =>
        object['bad'] === true ? [{ field: 'bad', reason: 'FieldValueForbidden', message: 'Forbidden: no' }] : [],
    },
    plugins: [
      {
        name: 'labels',
        phase: 'mutating',
        admit: ({ object }) => {
          if (object) object.metadata.labels = { ...object.metadata.labels, mutated: 'yes' }
        },
      },
      {
        name: 'forbids',
        phase: 'validating',
        admit: async (request) => {
          seen.push(request)
          await Promise.resolve()
          if (request.name === 'forbidden') throw forbidden(request.resource, request.name, 'not here')
          if (request.name === 'broken') throw new StatusError('teapot', { status: 418, reason: 'Teapot' })
          if (request.name === 'warned') request.warn('careful')
        },
      },
    ],
  })

  it('default, mutate and refuse in the order of the real server', async () => {
    await start({ extend })
    const { body } = await test.client.post(configMaps, configMap('a'))
    expect(body).toMatchObject({ defaulted: true, metadata: { labels: { mutated: 'yes' } } })
    expect(await test.client.post(configMaps, configMap('forbidden'))).toMatchObject({
      status: 403,
      body: { message: 'configmaps "forbidden" is forbidden: not here', reason: 'Forbidden' },
    })
    expect(await test.client.post(configMaps, { ...configMap('b'), bad: true })).toMatchObject({
      status: 422,
      body: { message: 'ConfigMap "b" is invalid: bad: Forbidden: no' },
    })
    expect((await test.client.post(configMaps, configMap('broken'))).status).toBe(418)
    expect(test.server.store.list({ group: '', plural: 'configmaps' })).toHaveLength(1)
  })

  it('see old and new object, operation and user', async () => {
    await start({ extend })
    await test.client.post(configMaps, configMap('a'))
    seen.length = 0
    await test.client.patch(`${configMaps}/a`, { data: { b: '1' } })
    await test.client.delete(`${configMaps}/a`)
    expect(seen).toMatchObject([
      {
        operation: 'UPDATE',
        object: { data: { b: '1' } },
        oldObject: { data: { a: '1' } },
        user: { name: 'kubernetes-admin' },
      },
      { operation: 'DELETE', oldObject: { data: { b: '1' } } },
    ])
    expect(seen[1]).not.toHaveProperty('object')
  })

  it('warn or refuse unknown fields as the client asks', async () => {
    await start({ extend })
    const extra = { ...configMap('a'), extra: 1 }
    const strict = await test.client.post(`${configMaps}?fieldValidation=Strict`, extra)
    expect(strict.status).toBe(400)
    expect(strict.body['message']).toContain('strict decoding error: unknown field "extra"')
    const ignored = await test.client.post(`${configMaps}?fieldValidation=Ignore&dryRun=All`, extra)
    expect(ignored.headers['warning']).toBeUndefined()
    const warned = await test.client.post(configMaps, extra)
    expect(warned).toMatchObject({ status: 201, headers: { warning: '299 - "unknown field \\"extra\\""' } })
    expect((await test.client.post(configMaps, configMap('warned'))).headers['warning']).toBe('299 - "careful"')
  })

  it('make a patch again when another write comes between', async () => {
    let interrupted = false
    await start({
      extend: (store) => ({
        validator: { prepare: () => ({ unknownFields: [] }), validate: () => [] },
        plugins: [
          {
            name: 'interrupts',
            phase: 'validating',
            admit: ({ operation, oldObject }) => {
              if (operation !== 'UPDATE' || interrupted || !oldObject) return
              interrupted = true
              store.update({ group: '', plural: 'configmaps' }, { ...oldObject, data: { between: '1' } })
            },
          },
        ],
      }),
    })
    await test.client.post(configMaps, configMap('a'))
    const { status, body } = await test.client.patch(`${configMaps}/a`, { data: { mine: '1' } })
    expect({ status, data: body['data'] }).toEqual({ status: 200, data: { between: '1', mine: '1' } })
  })
})
