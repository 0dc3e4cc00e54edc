import { Readable } from 'node:stream'
import { afterEach, describe, expect, it } from 'vitest'
import type { ApiServerOptions } from './api-server.ts'
import type { LogRequest } from './rest/pod-subresources.ts'
import { paths, pod, startTestServer, type TestServer } from './test-client.ts'

let test: TestServer
const start = async (options: ApiServerOptions = {}): Promise<void> => {
  test = await startTestServer(options)
}
afterEach(() => test.stop())

const { pods } = paths

describe('a pod', () => {
  it('begins as Pending, whatever status it is created with', async () => {
    await start()
    const { body } = await test.client.post(pods, { ...pod('p'), status: { phase: 'Running' } })
    expect(body).toMatchObject({ status: { phase: 'Pending', qosClass: 'BestEffort' } })
  })

  it('gets its node by a binding, once', async () => {
    await start()
    await test.client.post(pods, pod('p'))
    const binding = { target: { kind: 'Node', name: 'n' } }
    expect((await test.client.post(`${pods}/p/binding`, binding)).status).toBe(201)
    expect((await test.client.get(`${pods}/p`)).body).toMatchObject({
      spec: { nodeName: 'n' },
      status: { conditions: [{ type: 'PodScheduled', status: 'True' }] },
    })
    expect(await test.client.post(`${pods}/p/binding`, binding)).toMatchObject({
      status: 409,
      body: { message: 'Operation cannot be fulfilled on pods/binding "p": pod p is already assigned to node "n"' },
    })
  })

  it('that runs nowhere is deleted at once', async () => {
    await start()
    await test.client.post(pods, pod('p'))
    await test.client.delete(`${pods}/p`)
    expect((await test.client.get(`${pods}/p`)).status).toBe(404)
  })

  it('that runs on a node waits for the kubelet to delete it with grace 0', async () => {
    await start()
    await test.client.post(pods, pod('p', { nodeName: 'n', terminationGracePeriodSeconds: 7 }))
    const { body } = await test.client.delete(`${pods}/p`)
    expect(body).toMatchObject({ metadata: { deletionTimestamp: expect.any(String), deletionGracePeriodSeconds: 7 } })
    await test.client.delete(`${pods}/p`, { gracePeriodSeconds: 0 })
    expect((await test.client.get(`${pods}/p`)).status).toBe(404)
  })

  it('that has ended is deleted at once, though it is on a node', async () => {
    await start()
    await test.client.post(pods, pod('p', { nodeName: 'n' }))
    await test.client.patch(`${pods}/p/status`, { status: { phase: 'Succeeded' } })
    await test.client.delete(`${pods}/p`)
    expect((await test.client.get(`${pods}/p`)).status).toBe(404)
  })

  it('can be evicted', async () => {
    await start()
    await test.client.post(pods, pod('p'))
    const eviction = { apiVersion: 'policy/v1', kind: 'Eviction', metadata: { name: 'p' } }
    expect((await test.client.post(`${pods}/p/eviction`, eviction)).status).toBe(201)
    expect((await test.client.get(`${pods}/p`)).status).toBe(404)
  })

  it('changes labels by a status write, but not its spec or owners', async () => {
    await start()
    await test.client.post(pods, pod('p'))
    const { body } = await test.client.patch(`${pods}/p/status`, {
      metadata: { labels: { a: 'b' }, ownerReferences: [{ apiVersion: 'v1', kind: 'X', name: 'x', uid: 'x' }] },
      spec: { nodeName: 'n' },
      status: { phase: 'Running' },
    })
    expect(body).toMatchObject({ metadata: { labels: { a: 'b' } }, status: { phase: 'Running' } })
    expect(body).not.toHaveProperty('spec.nodeName')
    expect(body).not.toHaveProperty('metadata.ownerReferences')
  })
})

describe("a pod's log", () => {
  it('comes from the source, which is told what is wanted', async () => {
    const asked: LogRequest[] = []
    await start({
      logSource: (request) => {
        asked.push(request)
        return 'line 1\nline 2\n'
      },
    })
    await test.client.post(pods, pod('p'))
    const { status, text, headers } = await test.client.get(`${pods}/p/log?tailLines=2&timestamps=true`)
    expect({ status, text, type: headers['content-type'] }).toEqual({
      status: 200,
      text: 'line 1\nline 2\n',
      type: 'text/plain; charset=utf-8',
    })
    expect(asked).toMatchObject([
      {
        namespace: 'default',
        pod: 'p',
        container: 'main',
        tailLines: 2,
        timestamps: true,
        follow: false,
        previous: false,
      },
    ])
  })

  it('can be a stream', async () => {
    await start({ logSource: () => Readable.from(['a\n', 'b\n']) })
    await test.client.post(pods, pod('p'))
    expect((await test.client.get(`${pods}/p/log?follow=true`)).text).toBe('a\nb\n')
  })

  it('asks for a container where there are several, and refuses one that is not there', async () => {
    await start({ logSource: () => '' })
    const containers = [
      { name: 'a', image: 'i' },
      { name: 'b', image: 'i' },
    ]
    await test.client.post(pods, pod('p', { containers }))
    expect((await test.client.get(`${pods}/p/log`)).body).toMatchObject({
      message: 'a container name must be specified for pod p, choose one of: [a b]',
    })
    expect((await test.client.get(`${pods}/p/log?container=c`)).body).toMatchObject({
      message: 'container c is not valid for pod p',
    })
    expect((await test.client.get(`${pods}/p/log?container=b`)).status).toBe(200)
  })

  it('says what the container waits for where there is none yet', async () => {
    await start({ logSource: () => undefined })
    await test.client.post(pods, pod('p'))
    const { status, body } = await test.client.get(`${pods}/p/log`)
    expect(status).toBe(400)
    expect(body['message']).toContain('container "main" in pod "p" is waiting to start: ContainerCreating')
  })

  it('is not imitated without a source', async () => {
    await start()
    await test.client.post(pods, pod('p'))
    expect((await test.client.get(`${pods}/p/log`)).status).toBe(501)
  })
})

describe('a namespace', () => {
  const namespaces = '/api/v1/namespaces'

  it('carries its name as a label and is Active', async () => {
    await start()
    const { body } = await test.client.post(namespaces, { metadata: { name: 'x' } })
    expect(body).toMatchObject({
      metadata: { labels: { 'kubernetes.io/metadata.name': 'x' } },
      spec: { finalizers: ['kubernetes'] },
      status: { phase: 'Active' },
    })
  })

  it('is Terminating until it is finalized', async () => {
    await start()
    await test.client.post(namespaces, { metadata: { name: 'x' } })
    const { body } = await test.client.delete(`${namespaces}/x`)
    expect(body).toMatchObject({ status: { phase: 'Terminating' } })
    const { body: current } = await test.client.get(`${namespaces}/x`)
    const finalized = await test.client.put(`${namespaces}/x/finalize`, { ...current, spec: { finalizers: [] } })
    expect(finalized.status).toBe(200)
    expect((await test.client.get(`${namespaces}/x`)).status).toBe(404)
  })
})

describe('an event', () => {
  it('is the same in both groups, under the names of each', async () => {
    await start()
    await test.client.post('/api/v1/namespaces/default/events', {
      metadata: { name: 'e' },
      involvedObject: { kind: 'Pod', name: 'p' },
      message: 'hello',
      count: 2,
    })
    const { body } = await test.client.get('/apis/events.k8s.io/v1/namespaces/default/events/e')
    expect(body).toMatchObject({
      apiVersion: 'events.k8s.io/v1',
      regarding: { kind: 'Pod', name: 'p' },
      note: 'hello',
      deprecatedCount: 2,
    })
    expect(body).not.toHaveProperty('message')
    await test.client.post('/apis/events.k8s.io/v1/namespaces/default/events', {
      metadata: { name: 'f' },
      regarding: { kind: 'Pod', name: 'q' },
      note: 'there',
    })
    expect((await test.client.get('/api/v1/namespaces/default/events/f')).body).toMatchObject({
      apiVersion: 'v1',
      involvedObject: { kind: 'Pod', name: 'q' },
      message: 'there',
    })
  })
})

describe('a secret', () => {
  it('keeps strings as base64 data', async () => {
    await start()
    const secret = { metadata: { name: 's' }, stringData: { a: 'b' } }
    const { body } = await test.client.post('/api/v1/namespaces/default/secrets', secret)
    expect(body).toMatchObject({ type: 'Opaque', data: { a: 'Yg==' } })
    expect(body).not.toHaveProperty('stringData')
  })
})
