import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { dig } from './table/column.ts'
import { paths, startTestServer, widget, widgetDefinition, type TestServer } from './test-client.ts'

let test: TestServer

beforeEach(async () => {
  test = await startTestServer()
})
afterEach(() => test.stop())

const { widgets, definitions } = paths

describe('a definition', () => {
  it('is established at once and serves its kind', async () => {
    expect((await test.client.get(widgets)).status).toBe(404)
    const { body } = await test.client.post(definitions, widgetDefinition())
    expect(body).toMatchObject({
      metadata: { finalizers: ['customresourcecleanup.apiextensions.k8s.io'] },
      spec: { names: { singular: 'widget', listKind: 'WidgetList' }, conversion: { strategy: 'None' } },
      status: {
        conditions: [
          { type: 'NamesAccepted', status: 'True' },
          { type: 'Established', status: 'True' },
        ],
        storedVersions: ['v1'],
      },
    })
    expect((await test.client.get(widgets)).status).toBe(200)
  })

  it('takes its objects along when it is deleted, and waits for their finalizers', async () => {
    await test.client.post(definitions, widgetDefinition())
    await test.client.post(widgets, widget('a'))
    await test.client.post(widgets, widget('b', { metadata: { name: 'b', finalizers: ['x.io/y'] } }))
    const { body } = await test.client.delete(`${definitions}/widgets.example.com`)
    expect(body).toMatchObject({ metadata: { deletionTimestamp: expect.any(String) } })
    expect((await test.client.get(`${widgets}/a`)).status).toBe(404)
    expect((await test.client.get(`${definitions}/widgets.example.com`)).body).toMatchObject({
      status: {
        conditions: expect.arrayContaining([expect.objectContaining({ type: 'Terminating', status: 'True' })]),
      },
    })
    expect(await test.client.post(widgets, widget('c'))).toMatchObject({
      status: 405,
      body: { message: 'create not allowed while custom resource definition is terminating' },
    })
    await test.client.patch(`${widgets}/b`, { metadata: { finalizers: [] } })
    expect((await test.client.get(`${definitions}/widgets.example.com`)).status).toBe(404)
    expect((await test.client.get(widgets)).status).toBe(404)
    expect((await test.client.post(definitions, widgetDefinition())).status).toBe(201)
    expect((await test.client.get(widgets)).body).toMatchObject({ items: [] })
  })

  it('serves several versions of one object', async () => {
    const definition = widgetDefinition()
    const versions = dig(definition, 'spec', 'versions') as Record<string, unknown>[]
    versions.push({ ...versions[0], name: 'v1beta1', storage: false })
    await test.client.post(definitions, definition)
    await test.client.post(widgets, widget('a'))
    const beta = '/apis/example.com/v1beta1/namespaces/default/widgets'
    expect((await test.client.get(`${beta}/a`)).body).toMatchObject({ apiVersion: 'example.com/v1beta1' })
    await test.client.post(beta, { ...widget('b'), apiVersion: 'example.com/v1beta1' })
    expect((await test.client.get(`${widgets}/b`)).body).toMatchObject({ apiVersion: 'example.com/v1' })
    const { body: current } = await test.client.get(`${definitions}/widgets.example.com`)
    const served = versions.map((version) => ({ ...version, served: version['name'] === 'v1' }))
    await test.client.put(`${definitions}/widgets.example.com`, {
      ...current,
      spec: { ...(current['spec'] as object), versions: served },
    })
    expect((await test.client.get(beta)).status).toBe(404)
    expect((await test.client.get(widgets)).status).toBe(200)
  })
})

describe('the status of a custom resource', () => {
  it('changes by its own path alone, and nothing else changes there', async () => {
    await test.client.post(definitions, widgetDefinition())
    await test.client.post(widgets, widget('a', { status: { ready: true } }))
    expect((await test.client.get(`${widgets}/a`)).body).not.toHaveProperty('status')
    const { body } = await test.client.patch(`${widgets}/a/status`, {
      metadata: { labels: { a: 'b' } },
      spec: { size: 2 },
      status: { ready: true },
    })
    expect(body).toMatchObject({ metadata: { generation: 1 }, spec: { size: 1 }, status: { ready: true } })
    expect(body).not.toHaveProperty('metadata.labels')
    const spec = await test.client.patch(`${widgets}/a`, { spec: { size: 3 }, status: { ready: false } })
    expect(spec.body).toMatchObject({ metadata: { generation: 2 }, spec: { size: 3 }, status: { ready: true } })
  })

  it('has no path where the definition gives none', async () => {
    await test.client.post(definitions, widgetDefinition({ subresources: {} }))
    await test.client.post(widgets, widget('a', { status: { ready: true } }))
    expect((await test.client.get(`${widgets}/a`)).body).toMatchObject({ status: { ready: true } })
    expect((await test.client.patch(`${widgets}/a/status`, { status: {} })).status).toBe(404)
  })
})
