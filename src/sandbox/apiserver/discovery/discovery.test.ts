import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { paths, startTestServer, widgetDefinition, type TestServer } from '../test-client.ts'

let test: TestServer

beforeEach(async () => {
  test = await startTestServer({})
})
afterEach(() => test.stop())

const aggregated = 'application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json'

describe('discovery', () => {
  it('lists groups and kinds in the plain form', async () => {
    expect((await test.client.get('/api')).body).toMatchObject({ kind: 'APIVersions', versions: ['v1'] })
    expect((await test.client.get('/apis')).body).toMatchObject({
      kind: 'APIGroupList',
      groups: expect.arrayContaining([
        {
          name: 'apps',
          versions: [{ groupVersion: 'apps/v1', version: 'v1' }],
          preferredVersion: { groupVersion: 'apps/v1', version: 'v1' },
        },
      ]),
    })
    expect((await test.client.get('/apis/apps')).body).toMatchObject({ kind: 'APIGroup', name: 'apps' })
    const { body } = await test.client.get('/api/v1')
    expect(body).toMatchObject({ kind: 'APIResourceList', groupVersion: 'v1' })
    expect(body['resources']).toContainEqual({
      name: 'pods',
      singularName: 'pod',
      namespaced: true,
      kind: 'Pod',
      verbs: ['create', 'delete', 'deletecollection', 'get', 'list', 'patch', 'update', 'watch'],
      shortNames: ['po'],
      categories: ['all'],
    })
    expect(body['resources']).toContainEqual({
      name: 'pods/eviction',
      singularName: '',
      namespaced: true,
      group: 'policy',
      version: 'v1',
      kind: 'Eviction',
      verbs: ['create'],
    })
    expect((await test.client.get('/apis/example.com/v1')).status).toBe(404)
  })

  it('is aggregated for clients that ask for it, and follows the definitions', async () => {
    await test.client.post(paths.definitions, widgetDefinition())
    const { body, headers } = await test.client.get('/apis', { accept: aggregated })
    expect(headers['content-type']).toBe('application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList')
    expect(body['items']).toContainEqual({
      metadata: { name: 'example.com', creationTimestamp: null },
      versions: [
        {
          version: 'v1',
          freshness: 'Current',
          resources: [
            {
              resource: 'widgets',
              responseKind: { group: 'example.com', version: 'v1', kind: 'Widget' },
              scope: 'Namespaced',
              singularResource: 'widget',
              verbs: expect.arrayContaining(['watch']),
              shortNames: ['wd'],
              subresources: [
                {
                  subresource: 'status',
                  responseKind: { group: 'example.com', version: 'v1', kind: 'Widget' },
                  verbs: ['get', 'patch', 'update'],
                },
              ],
            },
          ],
        },
      ],
    })
    const core = await test.client.get('/api', { accept: aggregated })
    expect(core.body).toMatchObject({ items: [{ versions: [{ version: 'v1' }] }] })
    await test.client.delete(`${paths.definitions}/widgets.example.com`)
    expect((await test.client.get('/apis', { accept: aggregated })).text).not.toContain('example.com')
  })

  it('puts the stable version of a kind first', async () => {
    const definition = widgetDefinition({ name: 'v1beta1' })
    const spec = definition['spec'] as { versions: Record<string, unknown>[] }
    for (const name of ['v2alpha1', 'v1', 'v1beta2']) spec.versions.push({ ...spec.versions[0], name, storage: false })
    await test.client.post(paths.definitions, definition)
    const { body } = await test.client.get('/apis/example.com')
    expect(body).toMatchObject({
      versions: [{ version: 'v1' }, { version: 'v1beta2' }, { version: 'v1beta1' }, { version: 'v2alpha1' }],
      preferredVersion: { version: 'v1' },
    })
  })
})

describe('OpenAPI', () => {
  it('describes a custom kind by the schema of its definition', async () => {
    const openAPIV3Schema = {
      type: 'object',
      description: 'A thing.',
      properties: { spec: { type: 'object', properties: { size: { type: 'integer', description: 'How big.' } } } },
    }
    await test.client.post(paths.definitions, widgetDefinition({ schema: { openAPIV3Schema } }))
    const index = await test.client.get('/openapi/v3')
    const { serverRelativeURL } = (index.body['paths'] as Record<string, { serverRelativeURL: string }>)[
      'apis/example.com/v1'
    ] ?? { serverRelativeURL: '' }
    expect(serverRelativeURL).toMatch(/^\/openapi\/v3\/apis\/example\.com\/v1\?hash=[0-9A-F]+$/)
    const { body } = await test.client.get(serverRelativeURL)
    expect(body).toMatchObject({
      openapi: '3.0.0',
      components: {
        schemas: {
          'com.example.v1.Widget': {
            description: 'A thing.',
            properties: { spec: { properties: { size: { type: 'integer' } } }, metadata: { allOf: [{}] } },
            'x-kubernetes-group-version-kind': [{ group: 'example.com', version: 'v1', kind: 'Widget' }],
          },
        },
      },
      paths: {
        '/apis/example.com/v1/namespaces/{namespace}/widgets/{name}': {
          patch: { parameters: expect.arrayContaining([expect.objectContaining({ name: 'fieldValidation' })]) },
        },
      },
    })
  })

  it('is not imitated in version 2, but for an empty document in the form that kubectl insists on', async () => {
    expect((await test.client.get('/openapi/v2')).status).toBe(501)
    const accept = 'application/com.github.proto-openapi.spec.v2@v1.0+protobuf'
    const { status, headers } = await test.client.get('/openapi/v2', { accept })
    expect({ status, type: headers['content-type'] }).toEqual({ status: 200, type: accept.replace('@', '.') })
  })
})
