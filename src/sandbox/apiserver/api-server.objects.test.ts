import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { configMap, paths, pod, startTestServer, widget, widgetDefinition, type TestServer } from './test-client.ts'

let test: TestServer

beforeEach(async () => {
  test = await startTestServer()
})
afterEach(() => test.stop())

const { configMaps, pods, widgets, definitions } = paths

describe('creating', () => {
  it('answers 201 with the stored object', async () => {
    const { status, body } = await test.client.post(configMaps, configMap('a'))
    expect(status).toBe(201)
    expect(body).toMatchObject({ kind: 'ConfigMap', apiVersion: 'v1', metadata: { name: 'a', namespace: 'default' } })
    expect((await test.client.get(`${configMaps}/a`)).body).toEqual(body)
  })

  it('makes a name from generateName', async () => {
    const { body } = await test.client.post(configMaps, { metadata: { generateName: 'x-' } })
    expect(body).toMatchObject({ metadata: { name: expect.stringMatching(/^x-[a-z0-9]{5}$/), generateName: 'x-' } })
  })

  it('refuses a name that is taken, in the words of the real server', async () => {
    await test.client.post(configMaps, configMap('a'))
    const { status, body } = await test.client.post(configMaps, configMap('a'))
    expect(status).toBe(409)
    expect(body).toEqual({
      kind: 'Status',
      apiVersion: 'v1',
      metadata: {},
      status: 'Failure',
      message: 'configmaps "a" already exists',
      reason: 'AlreadyExists',
      details: { name: 'a', kind: 'configmaps' },
      code: 409,
    })
  })

  it('takes YAML and refuses what it cannot read', async () => {
    const yaml = 'apiVersion: v1\nkind: ConfigMap\nmetadata: {name: from-yaml}\ndata: {a: "on"}\n'
    const created = await test.client.send('POST', configMaps, { body: yaml, type: 'application/yaml' })
    expect(created.body).toMatchObject({ data: { a: 'on' } })
    const broken = await test.client.send('POST', configMaps, { body: '{"a":', type: 'application/json' })
    expect(broken).toMatchObject({ status: 400, body: { reason: 'BadRequest' } })
    const csv = await test.client.send('POST', configMaps, { body: 'a,b', type: 'text/csv' })
    expect(csv).toMatchObject({ status: 415, body: { reason: 'UnsupportedMediaType' } })
  })

  it.each([
    ['kind', { kind: 'Secret', apiVersion: 'v1', metadata: { name: 'a' } }, /cannot be handled as a ConfigMap/],
    [
      'version',
      { kind: 'ConfigMap', apiVersion: 'v2', metadata: { name: 'a' } },
      /does not match the expected API version/,
    ],
    ['namespace', { metadata: { name: 'a', namespace: 'other' } }, /namespace of the provided object does not match/],
    ['label type', { metadata: { name: 'a', labels: { a: 1 } } }, /cannot unmarshal number/],
    ['prototype', '{"metadata":{"name":"a"},"__proto__":{"x":1}}', /__proto__/],
  ])('refuses a wrong %s with 400', async (_what, body, message) => {
    const answer = await test.client.post(configMaps, body)
    expect(answer).toMatchObject({ status: 400, body: { message: expect.stringMatching(message) } })
  })

  it('answers 422 with a cause for each thing wrong with the metadata', async () => {
    const labels = { 'a b': 'x', ok: 'not ok!' }
    const { status, body } = await test.client.post(configMaps, { metadata: { name: 'Upper', labels } })
    expect(status).toBe(422)
    expect(body).toMatchObject({
      reason: 'Invalid',
      message: expect.stringMatching(
        /^ConfigMap "Upper" is invalid: \[metadata\.name: Invalid value: "Upper": a lowercase RFC 1123 subdomain/,
      ),
      details: {
        name: 'Upper',
        kind: 'ConfigMap',
        causes: [{ field: 'metadata.name' }, { field: 'metadata.labels' }, { field: 'metadata.labels' }],
      },
    })
    const nameless = await test.client.post(configMaps, { metadata: {} })
    expect(nameless.body).toMatchObject({
      message: 'ConfigMap "" is invalid: metadata.name: Required value: name or generateName is required',
    })
  })

  it('stores nothing on a dry run', async () => {
    const { status, body } = await test.client.post(`${configMaps}?dryRun=All`, configMap('a'))
    expect(status).toBe(201)
    expect(body).toMatchObject({ metadata: { uid: expect.any(String) } })
    expect((await test.client.get(`${configMaps}/a`)).status).toBe(404)
    expect((await test.client.post(`${configMaps}?dryRun=Some`, configMap('a'))).status).toBe(422)
  })

  it('refuses a body above 3 MiB', async () => {
    const answer = await test.client.post(configMaps, { ...configMap('a'), data: { a: 'x'.repeat(3 * 1024 * 1024) } })
    expect(answer).toMatchObject({ status: 413, body: { reason: 'RequestEntityTooLarge' } })
  })
})

describe('replacing', () => {
  it('refuses a stale version with 409', async () => {
    const { body } = await test.client.post(configMaps, configMap('a'))
    await test.client.put(`${configMaps}/a`, { ...body, data: { a: '2' } })
    const stale = await test.client.put(`${configMaps}/a`, { ...body, data: { a: '3' } })
    expect(stale).toMatchObject({
      status: 409,
      body: {
        reason: 'Conflict',
        message:
          'Operation cannot be fulfilled on configmaps "a": the object has been modified; please apply your changes to the latest version and try again',
      },
    })
  })

  it('needs a version for custom resources and none for built-in ones', async () => {
    await test.client.post(definitions, widgetDefinition())
    await test.client.post(widgets, widget('a'))
    await test.client.post(configMaps, configMap('a'))
    expect((await test.client.put(`${configMaps}/a`, configMap('a', { x: 'y' }))).status).toBe(200)
    const { status, body } = await test.client.put(`${widgets}/a`, widget('a'))
    expect(status).toBe(422)
    expect(body['message']).toBe(
      'widgets.example.com "a" is invalid: metadata.resourceVersion: Invalid value: 0: must be specified for an update',
    )
  })

  it('creates a lease that is not there, but no ConfigMap', async () => {
    const leases = '/apis/coordination.k8s.io/v1/namespaces/default/leases'
    expect((await test.client.put(`${leases}/a`, { metadata: { name: 'a' }, spec: {} })).status).toBe(201)
    expect((await test.client.put(`${configMaps}/a`, configMap('a'))).status).toBe(404)
  })

  it('refuses another name than that of the path', async () => {
    await test.client.post(configMaps, configMap('a'))
    const { status, body } = await test.client.put(`${configMaps}/a`, configMap('b'))
    expect(status).toBe(400)
    expect(body['message']).toBe('the name of the object (b) does not match the name on the URL (a)')
  })
})

describe('patching', () => {
  it('merges, and answers the same when nothing changes', async () => {
    await test.client.post(configMaps, configMap('a'))
    const { body } = await test.client.patch(`${configMaps}/a`, { data: { a: null, b: '2' } })
    expect(body).toMatchObject({ data: { b: '2' } })
    expect((await test.client.patch(`${configMaps}/a`, { data: { b: '2' } })).body).toEqual(body)
  })

  it('applies a JSON patch as a whole or not at all', async () => {
    await test.client.post(configMaps, configMap('a'))
    const operations = [
      { op: 'remove', path: '/data/a' },
      { op: 'test', path: '/data/b', value: '1' },
    ]
    const failed = await test.client.patch(`${configMaps}/a`, operations, 'json')
    expect(failed).toMatchObject({ status: 422, body: { reason: 'Invalid' } })
    expect((await test.client.get(`${configMaps}/a`)).body).toMatchObject({ data: { a: '1' } })
    const added = await test.client.patch(`${configMaps}/a`, [{ op: 'add', path: '/data/b', value: '1' }], 'json')
    expect(added.body).toMatchObject({ data: { a: '1', b: '1' } })
  })

  it('knows the lists of pods in a strategic merge patch', async () => {
    await test.client.post(pods, pod('p'))
    const sidecar = { spec: { containers: [{ name: 'side', image: 's' }] } }
    const { body } = await test.client.patch(`${pods}/p`, sidecar, 'strategic')
    expect(body).toMatchObject({ spec: { containers: [{ name: 'side' }, { name: 'main' }] } })
  })

  it('takes no strategic merge patch for custom resources', async () => {
    await test.client.post(definitions, widgetDefinition())
    await test.client.post(widgets, widget('a'))
    expect(await test.client.patch(`${widgets}/a`, { spec: { size: 2 } }, 'strategic')).toMatchObject({
      status: 415,
      body: { message: expect.stringContaining('application/merge-patch+json') },
    })
  })

  it('says that server-side apply is not imitated', async () => {
    const type = 'application/apply-patch+yaml'
    const answer = await test.client.send('PATCH', `${configMaps}/a?fieldManager=x`, { body: '{}', type })
    expect(answer).toMatchObject({ status: 501, body: { message: expect.stringContaining('server-side apply') } })
  })

  it('is guarded by a version in the patch, and only then', async () => {
    const { body } = await test.client.post(configMaps, configMap('a'))
    const { resourceVersion } = body['metadata'] as { resourceVersion: string }
    await test.client.patch(`${configMaps}/a`, { data: { b: '1' } })
    const guarded = { metadata: { resourceVersion }, data: { c: '1' } }
    expect((await test.client.patch(`${configMaps}/a`, guarded)).status).toBe(409)
    expect((await test.client.patch(`${configMaps}/a`, { data: { c: '1' } })).status).toBe(200)
  })

  it('cannot rename', async () => {
    await test.client.post(configMaps, configMap('a'))
    expect(await test.client.patch(`${configMaps}/a`, { metadata: { name: 'b' } })).toMatchObject({
      status: 400,
      body: { message: 'the name of the object (b) does not match the name on the URL (a)' },
    })
  })
})

describe('deleting', () => {
  it('answers a Status for what is gone, with its uid', async () => {
    const { body: created } = await test.client.post(configMaps, configMap('a'))
    const { uid } = created['metadata'] as { uid: string }
    const { status, body } = await test.client.delete(`${configMaps}/a`)
    expect(status).toBe(200)
    expect(body).toMatchObject({ kind: 'Status', status: 'Success', details: { name: 'a', kind: 'configmaps', uid } })
    const again = await test.client.delete(`${configMaps}/a`)
    expect(again).toMatchObject({ status: 404, body: { message: 'configmaps "a" not found' } })
  })

  it('answers the object while finalizers hold it, and takes no new finalizers', async () => {
    await test.client.post(configMaps, { metadata: { name: 'a', finalizers: ['x.io/1'] } })
    const { body } = await test.client.delete(`${configMaps}/a`)
    expect(body).toMatchObject({ kind: 'ConfigMap', metadata: { deletionTimestamp: expect.any(String) } })
    const more = await test.client.patch(`${configMaps}/a`, { metadata: { finalizers: ['x.io/1', 'x.io/2'] } })
    expect(more).toMatchObject({
      status: 422,
      body: { message: expect.stringContaining('no new finalizers can be added if the object is being deleted') },
    })
    expect((await test.client.patch(`${configMaps}/a`, { metadata: { finalizers: null } })).status).toBe(200)
    expect((await test.client.get(`${configMaps}/a`)).status).toBe(404)
  })

  it('checks preconditions', async () => {
    await test.client.post(configMaps, configMap('a'))
    const answer = await test.client.delete(`${configMaps}/a`, { preconditions: { uid: 'other' } })
    expect(answer).toMatchObject({ status: 409, body: { reason: 'Conflict' } })
  })

  it('removes the selected objects of a collection', async () => {
    for (const name of ['a', 'b', 'c'])
      await test.client.post(configMaps, configMap(name, { keep: String(name === 'b') }))
    const { body } = await test.client.delete(`${configMaps}?labelSelector=keep%3Dfalse`)
    expect(body).toMatchObject({
      kind: 'ConfigMapList',
      items: [{ metadata: { name: 'a' } }, { metadata: { name: 'c' } }],
    })
    const left = await test.client.get(configMaps)
    expect(left.body).toMatchObject({ items: [{ metadata: { name: 'b' } }] })
  })

  it('only looks when it is a dry run', async () => {
    await test.client.post(configMaps, configMap('a'))
    expect((await test.client.delete(`${configMaps}/a?dryRun=All`)).status).toBe(200)
    expect((await test.client.get(`${configMaps}/a`)).status).toBe(200)
  })
})

describe('unknown things', () => {
  it('are 404 where nobody has them and 501 where a real cluster does', async () => {
    expect(await test.client.get('/apis/example.org/v1/gadgets')).toMatchObject({
      status: 404,
      body: { message: 'the server could not find the requested resource', reason: 'NotFound' },
    })
    expect(await test.client.get('/api/v1/services')).toMatchObject({
      status: 501,
      body: { message: expect.stringContaining('services') },
    })
    expect(await test.client.get('/apis/batch/v1/jobs')).toMatchObject({ status: 501 })
    expect(await test.client.get(`${pods}/p/exec`)).toMatchObject({
      status: 501,
      body: { message: expect.stringContaining('pods/exec') },
    })
    expect(await test.client.get('/nowhere')).toMatchObject({ status: 404, text: '404 page not found\n' })
  })

  it('are 405 where the method makes no sense', async () => {
    expect((await test.client.post('/api/v1/pods', pod('p'))).status).toBe(405)
    expect((await test.client.put(configMaps, {})).status).toBe(405)
    expect((await test.client.send('POST', '/version')).status).toBe(405)
  })

  it('are 406 where only protobuf is accepted', async () => {
    const accept = 'application/vnd.kubernetes.protobuf'
    expect((await test.client.get(configMaps, { accept })).status).toBe(406)
    expect((await test.client.get(configMaps, { accept: `${accept},application/json` })).status).toBe(200)
  })
})
