import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { dig } from './table/column.ts'
import {
  configMap,
  paths,
  pod,
  startTestServer,
  widget,
  widgetDefinition,
  type TestAnswer,
  type TestServer,
} from './test-client.ts'

let test: TestServer

beforeEach(async () => {
  test = await startTestServer()
})
afterEach(() => test.stop())

const { configMaps, pods, widgets, definitions } = paths

const names = ({ body }: TestAnswer): unknown[] => {
  const items = body['items']
  return Array.isArray(items) ? items.map((item) => dig(item, 'metadata', 'name')) : []
}

const meta = ({ body }: TestAnswer, field: string): string => String(dig(body, 'metadata', field) as string)

describe('a list', () => {
  it('holds objects of all namespaces or of one, ordered, without the kinds of built-in items', async () => {
    await test.client.post('/api/v1/namespaces/other/configmaps', configMap('c'))
    for (const name of ['b', 'a']) await test.client.post(configMaps, configMap(name))
    expect(names(await test.client.get(configMaps))).toEqual(['a', 'b'])
    const all = await test.client.get('/api/v1/configmaps')
    expect(names(all)).toEqual(['a', 'b', 'c'])
    expect(all.body).toMatchObject({ kind: 'ConfigMapList', apiVersion: 'v1' })
    expect(all.body['items']).not.toContainEqual(expect.objectContaining({ kind: 'ConfigMap' }))
  })

  it('shows the kinds of custom items', async () => {
    await test.client.post(definitions, widgetDefinition())
    await test.client.post(widgets, widget('a'))
    expect((await test.client.get(widgets)).body).toMatchObject({
      kind: 'WidgetList',
      apiVersion: 'example.com/v1',
      items: [{ kind: 'Widget', apiVersion: 'example.com/v1' }],
    })
  })

  it('is narrowed by labels and fields', async () => {
    await test.client.post(pods, pod('p', { nodeName: 'n' }))
    await test.client.post(pods, { ...pod('q'), metadata: { name: 'q', labels: { a: 'b' } } })
    const select = async (query: string): Promise<unknown[]> => names(await test.client.get(`${pods}?${query}`))
    expect(await select('labelSelector=a%3Db')).toEqual(['q'])
    expect(await select('labelSelector=!a')).toEqual(['p'])
    expect(await select('fieldSelector=spec.nodeName%3Dn')).toEqual(['p'])
    expect(await select('fieldSelector=spec.nodeName!%3Dn,status.phase%3DPending')).toEqual(['q'])
    expect(await select('fieldSelector=metadata.name%3Dq')).toEqual(['q'])
    expect(await select('fieldSelector=metadata.namespace%3Dother')).toEqual([])
  })

  it('selects events by what they are about', async () => {
    const events = '/api/v1/namespaces/default/events'
    for (const name of ['a', 'b']) {
      const involvedObject = { kind: 'Pod', name, uid: `uid-${name}` }
      await test.client.post(events, { metadata: { name: `e-${name}` }, involvedObject, reason: 'R', type: 'Warning' })
    }
    const query = 'fieldSelector=involvedObject.name%3Da,involvedObject.uid%3Duid-a,reason%3DR,type%3DWarning'
    expect(names(await test.client.get(`${events}?${query}`))).toEqual(['e-a'])
  })

  it('refuses fields that the kind cannot be selected by', async () => {
    const onPods = await test.client.get(`${pods}?fieldSelector=spec.foo%3D1`)
    expect(onPods).toMatchObject({ status: 400, body: { message: 'field label not supported: spec.foo' } })
    const onMaps = await test.client.get(`${configMaps}?fieldSelector=data.a%3D1`)
    expect(onMaps.body['message']).toBe(
      '"data.a" is not a known field selector: only "metadata.name", "metadata.namespace"',
    )
  })

  it('selects custom resources by the fields that their definition names', async () => {
    await test.client.post(definitions, widgetDefinition({ selectableFields: [{ jsonPath: '.spec.size' }] }))
    await test.client.post(widgets, widget('a'))
    await test.client.post(widgets, widget('b', { spec: { size: 2 } }))
    expect(names(await test.client.get(`${widgets}?fieldSelector=spec.size%3D2`))).toEqual(['b'])
    expect((await test.client.get(`${widgets}?fieldSelector=spec.colour%3D2`)).status).toBe(400)
  })
})

describe('a list in pages', () => {
  beforeEach(async () => {
    for (const name of ['a', 'b', 'c', 'd', 'e']) await test.client.post(configMaps, configMap(name))
  })

  it('shows what was there when it began', async () => {
    const first = await test.client.get(`${configMaps}?limit=2`)
    expect(names(first)).toEqual(['a', 'b'])
    expect(dig(first.body, 'metadata', 'remainingItemCount')).toBe(3)
    await test.client.delete(`${configMaps}/c`)
    await test.client.post(configMaps, configMap('f'))
    const second = await test.client.get(`${configMaps}?limit=2&continue=${meta(first, 'continue')}`)
    expect(names(second)).toEqual(['c', 'd'])
    expect(meta(second, 'resourceVersion')).toBe(meta(first, 'resourceVersion'))
    const third = await test.client.get(`${configMaps}?limit=2&continue=${meta(second, 'continue')}`)
    expect(names(third)).toEqual(['e'])
    expect(dig(third.body, 'metadata', 'continue')).toBeUndefined()
  })

  it('counts no remaining items where a selector is', async () => {
    const first = await test.client.get(`${configMaps}?limit=2&labelSelector=!x`)
    expect(dig(first.body, 'metadata', 'remainingItemCount')).toBeUndefined()
    expect(dig(first.body, 'metadata', 'continue')).toEqual(expect.any(String))
  })

  it('ends with 410 when its beginning is no longer kept', async () => {
    const first = await test.client.get(`${configMaps}?limit=2`)
    test.server.expireLists()
    const next = await test.client.get(`${configMaps}?limit=2&continue=${meta(first, 'continue')}`)
    expect(next).toMatchObject({ status: 410, body: { reason: 'Expired' } })
    expect((await test.client.get(`${configMaps}?continue=nonsense`)).status).toBe(400)
  })
})

describe('the version of a list', () => {
  it('may be any, newer than some, or exactly the present one', async () => {
    const { body } = await test.client.post(configMaps, configMap('a'))
    const old = String(dig(body, 'metadata', 'resourceVersion') as string)
    const now = meta(await test.client.get(configMaps), 'resourceVersion')
    await test.client.post(configMaps, configMap('b'))
    const list = (query: string): Promise<TestAnswer> => test.client.get(`${configMaps}?${query}`)
    expect(now).toBe(old)
    expect(names(await list('resourceVersion=0'))).toEqual(['a', 'b'])
    expect(names(await list(`resourceVersion=${old}&resourceVersionMatch=NotOlderThan`))).toEqual(['a', 'b'])
    expect((await list(`resourceVersion=${old}&resourceVersionMatch=Exact`)).status).toBe(410)
    expect((await list('resourceVersionMatch=Exact')).status).toBe(422)
    expect((await list('resourceVersion=x')).status).toBe(400)
    expect(await list('resourceVersion=999')).toMatchObject({
      status: 504,
      body: { message: 'Too large resource version: 999, current: 4', details: { retryAfterSeconds: 1 } },
    })
  })
})

const tableType = 'application/json;as=Table;v=v1;g=meta.k8s.io,application/json'
const partialType = 'application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io'

function rows({ body }: TestAnswer): unknown {
  const list = body['rows']
  return Array.isArray(list) ? list.map((row) => dig(row, 'cells')) : []
}

const anything = (count: number): unknown[] => Array.from({ length: count }, () => expect.anything())

describe('the table form', () => {
  it('shows pods as kubectl does', async () => {
    await test.client.post(pods, pod('p', { nodeName: 'n' }))
    const container = { name: 'main', ready: true, restartCount: 2, state: { running: {} } }
    await test.client.patch(`${pods}/p/status`, {
      status: { phase: 'Running', podIP: '10.0.0.1', containerStatuses: [container] },
    })
    const answer = await test.client.get(pods, { accept: tableType })
    expect(rows(answer)).toEqual([
      ['p', '1/1', 'Running', '2', expect.stringMatching(/^\d+s$/), '10.0.0.1', 'n', '<none>', '<none>'],
    ])
    const columns = answer.body['columnDefinitions'] as { name: string; priority: number }[]
    expect(columns.filter((column) => column.priority === 0).map((column) => column.name)).toEqual([
      'Name',
      'Ready',
      'Status',
      'Restarts',
      'Age',
    ])
    expect(answer.body).toMatchObject({ kind: 'Table', rows: [{ object: { kind: 'PartialObjectMetadata' } }] })
  })

  it.each([
    ['CrashLoopBackOff', [{ name: 'main', restartCount: 3, state: { waiting: { reason: 'CrashLoopBackOff' } } }]],
    ['Error', [{ name: 'main', restartCount: 0, state: { terminated: { reason: 'Error', exitCode: 1 } } }]],
    ['ExitCode:3', [{ name: 'main', restartCount: 0, state: { terminated: { exitCode: 3 } } }]],
    ['Signal:9', [{ name: 'main', restartCount: 0, state: { terminated: { signal: 9 } } }]],
  ])('says %s of a pod whose container does so', async (word, containerStatuses) => {
    await test.client.post(pods, pod('p'))
    await test.client.patch(`${pods}/p/status`, { status: { phase: 'Running', containerStatuses } })
    expect(rows(await test.client.get(pods, { accept: tableType }))).toEqual([['p', '0/1', word, ...anything(6)]])
  })

  it('says Init and Terminating', async () => {
    await test.client.post(pods, pod('p', { nodeName: 'n', initContainers: [{ name: 'i', image: 'x' }] }))
    const initContainerStatuses = [{ name: 'i', restartCount: 0, state: { running: {} } }]
    await test.client.patch(`${pods}/p/status`, { status: { initContainerStatuses } })
    expect(rows(await test.client.get(pods, { accept: tableType }))).toEqual([['p', '0/1', 'Init:0/1', ...anything(6)]])
    await test.client.delete(`${pods}/p`)
    expect(rows(await test.client.get(pods, { accept: tableType }))).toEqual([
      ['p', '0/1', 'Terminating', ...anything(6)],
    ])
  })

  it('shows the columns of a definition', async () => {
    const additionalPrinterColumns = [
      { name: 'Size', type: 'integer', jsonPath: '.spec.size' },
      { name: 'Ready', type: 'string', jsonPath: '.status.conditions[?(@.type=="Ready")].status' },
      { name: 'Since', type: 'date', jsonPath: '.metadata.creationTimestamp', priority: 1 },
    ]
    await test.client.post(definitions, widgetDefinition({ additionalPrinterColumns }))
    await test.client.post(widgets, widget('a'))
    await test.client.post(widgets, widget('b', { spec: { size: 'large' } }))
    await test.client.patch(`${widgets}/a/status`, { status: { conditions: [{ type: 'Ready', status: 'True' }] } })
    const answer = await test.client.get(widgets, { accept: tableType })
    expect(rows(answer)).toEqual([
      ['a', 1, 'True', expect.stringMatching(/^\d+s$/)],
      ['b', null, null, expect.stringMatching(/^\d+s$/)],
    ])
  })

  it('is there for every built-in kind', async () => {
    for (const resource of test.server.registry.list()) {
      const root = resource.group === '' ? '/api/v1' : `/apis/${resource.group}/${resource.version}`
      const answer = await test.client.get(`${root}/${resource.plural}`, { accept: tableType })
      expect([resource.plural, answer.body['kind']]).toEqual([resource.plural, 'Table'])
    }
  })

  it('gives way to metadata alone', async () => {
    await test.client.post(configMaps, configMap('a'))
    const { body } = await test.client.get(configMaps, { accept: partialType })
    expect(body).toMatchObject({
      kind: 'PartialObjectMetadataList',
      items: [{ kind: 'PartialObjectMetadata', metadata: { name: 'a' } }],
    })
    expect(body).not.toHaveProperty('items.0.data')
  })
})
