import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { ApiObject } from './object.ts'
import { dig } from './table/column.ts'
import { paths, startTestServer, type TestServer, widget, widgetDefinition } from './test-client.ts'

interface Review {
  apiVersion: string
  kind: string
  request: { uid: string; desiredAPIVersion: string; objects: ApiObject[] }
}

const { widgets, definitions } = paths
const beta = widgets.replace('/v1/', '/v1beta1/')

let test: TestServer
let webhook: Server
let url: string
let reviews: Review[]
let isBroken: boolean

/** Changes versions, and adds the label `shown`. */
function answer({ apiVersion, kind, request }: Review): object {
  const { uid, desiredAPIVersion, objects } = request
  const convertedObjects = objects.map((object) => ({
    ...object,
    apiVersion: desiredAPIVersion,
    metadata: { ...object.metadata, labels: { shown: desiredAPIVersion.replace('/', '.') } },
  }))
  const result = isBroken ? { status: 'Failure', message: 'out of order' } : { status: 'Success' }
  return { apiVersion, kind, response: { uid, result, convertedObjects } }
}

beforeEach(async () => {
  reviews = []
  isBroken = false
  webhook = createServer((request, response) => {
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('end', () => {
      const review = JSON.parse(Buffer.concat(chunks).toString()) as Review
      reviews.push(review)
      response.end(JSON.stringify(answer(review)))
    })
  })
  await new Promise<void>((resolve) => {
    webhook.listen(0, '127.0.0.1', resolve)
  })
  url = `http://127.0.0.1:${(webhook.address() as AddressInfo).port}`
  test = await startTestServer({
    findService: ({ name, port }) => (name === 'converter' && port === 443 ? url : undefined),
  })
})
afterEach(async () => {
  await test.stop()
  webhook.closeAllConnections()
  await new Promise((resolve) => webhook.close(resolve))
})

function define(more: object = {}, conversion: object = {}): Record<string, unknown> {
  const definition = widgetDefinition() as { spec: { versions: Record<string, unknown>[] } }
  const [stored = {}] = definition.spec.versions
  const versions = [stored, { ...stored, name: 'v1beta1', storage: false, ...more }]
  const service = { namespace: 'kmm', name: 'converter', path: '/convert', ...conversion }
  const change = { clientConfig: { service }, conversionReviewVersions: ['v9', 'v1beta1'] }
  return { ...definition, spec: { ...definition.spec, versions, conversion: { strategy: 'Webhook', webhook: change } } }
}

const older = (name: string): object => ({ ...widget(name), apiVersion: 'example.com/v1beta1' })

describe('a version that a webhook converts', () => {
  it('is asked for in a version of the review that both know, behind a Service', async () => {
    await test.client.post(definitions, define())
    expect((await test.client.post(beta, older('a'))).body).toMatchObject({
      apiVersion: 'example.com/v1beta1',
      metadata: { labels: { shown: 'example.com.v1beta1' } },
    })
    expect(reviews.map(({ apiVersion, request }) => [apiVersion, request.desiredAPIVersion])).toEqual([
      ['apiextensions.k8s.io/v1beta1', 'example.com/v1'],
      ['apiextensions.k8s.io/v1beta1', 'example.com/v1beta1'],
    ])
    expect((await test.client.get(`${widgets}/a`)).body).toMatchObject({ apiVersion: 'example.com/v1' })
    expect(reviews).toHaveLength(2)
  })

  it('says which Service there is not', async () => {
    await test.client.post(definitions, define({}, { name: 'other' }))
    await test.client.post(widgets, widget('a'))
    expect(await test.client.get(`${beta}/a`)).toMatchObject({
      status: 500,
      body: {
        message:
          'conversion webhook for example.com/v1, Kind=Widget failed: Post "https://other.kmm.svc:443/convert?timeout=30s": service "other" not found',
      },
    })
  })

  it('shows lists and watches what was converted once', async () => {
    await test.client.post(definitions, define())
    for (const name of ['a', 'b']) await test.client.post(widgets, widget(name))
    const { body } = await test.client.get(`${beta}?labelSelector=shown%3Dexample.com.v1beta1`)
    expect(body['items']).toHaveLength(2)
    const watch = await test.client.watch(
      `${beta}?watch=1&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true`,
    )
    expect([await watch.nextName(), await watch.nextName()]).toEqual(['ADDED a', 'ADDED b'])
    expect(await watch.next()).toMatchObject({
      type: 'BOOKMARK',
      object: { apiVersion: 'example.com/v1beta1', metadata: { annotations: { 'k8s.io/initial-events-end': 'true' } } },
    })
    expect(reviews).toHaveLength(2)
    watch.close()
  })

  it('keeps the order of changes, and lets a selector see the version', async () => {
    await test.client.post(definitions, define())
    const watch = await test.client.watch(`${beta}?watch=1&labelSelector=shown%3Dexample.com.v1beta1`)
    for (const name of ['a', 'b', 'c']) await test.client.post(widgets, widget(name))
    await test.client.delete(`${widgets}/b`)
    const events = []
    for (let index = 0; index < 4; index++) events.push(await watch.nextName())
    expect(events).toEqual(['ADDED a', 'ADDED b', 'ADDED c', 'DELETED b'])
    watch.close()
  })

  it('ends a watch where an object cannot be converted, and is tried again afterwards', async () => {
    await test.client.post(definitions, define())
    const watch = await test.client.watch(`${beta}?watch=1`)
    isBroken = true
    await test.client.post(widgets, widget('a'))
    expect(await watch.next()).toBeUndefined()
    expect((await test.client.get(beta)).status).toBe(500)
    expect((await test.client.post(beta, older('b'))).status).toBe(500)
    isBroken = false
    expect((await test.client.get(beta)).body['items']).toHaveLength(1)
  })

  it('follows its definition, also in a watch that is open', async () => {
    await test.client.post(definitions, define({}, { name: 'other' }))
    const watch = await test.client.watch(`${beta}?watch=1`)
    const path = `${definitions}/widgets.example.com`
    await test.client.patch(path, {
      spec: { conversion: { webhook: { clientConfig: { service: { name: 'converter' } } } } },
    })
    await test.client.post(widgets, widget('a'))
    expect(dig((await watch.next())?.object, 'apiVersion')).toBe('example.com/v1beta1')
    watch.close()
  })

  it('does not overwrite what changed while the webhook was asked', async () => {
    await test.client.post(definitions, define())
    await test.client.post(widgets, widget('a'))
    const patches = Array.from({ length: 4 }, (_, index) =>
      test.client.patch(`${index % 2 ? widgets : beta}/a/status`, { status: { [`p${index}`]: true } }),
    )
    expect((await Promise.all(patches)).map(({ status }) => status)).toEqual([200, 200, 200, 200])
    const { body } = await test.client.get(`${widgets}/a`)
    expect(Object.keys(body['status'] as object).sort()).toEqual(['p0', 'p1', 'p2', 'p3'])
  })

  it.each([
    [{ deprecated: true }, 'example.com/v1beta1 Widget is deprecated; use example.com/v1 Widget'],
    [{ deprecated: true, deprecationWarning: 'do not' }, 'do not'],
  ])('warns of its deprecation: %j', async (more, warning) => {
    await test.client.post(definitions, define(more))
    expect((await test.client.get(beta)).headers['warning']).toBe(`299 - ${JSON.stringify(warning)}`)
    expect((await test.client.get(widgets)).headers['warning']).toBeUndefined()
  })
})
