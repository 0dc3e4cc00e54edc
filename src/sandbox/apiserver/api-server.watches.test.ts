import { afterEach, describe, expect, it } from 'vitest'
import type { ApiServerOptions } from './api-server.ts'
import { dig } from './table/column.ts'
import { configMap, paths, startTestServer, widget, widgetDefinition, type TestServer } from './test-client.ts'

let test: TestServer
const start = async (options: ApiServerOptions = {}): Promise<void> => {
  test = await startTestServer(options)
}
afterEach(() => test.stop())

const { configMaps, widgets, definitions } = paths
const version = (): number => test.server.store.resourceVersion

describe('a watch', () => {
  it('tells of changes after its version, with whole objects', async () => {
    await start()
    const since = version()
    const { body: created } = await test.client.post(configMaps, configMap('a'))
    const watch = await test.client.watch(`${configMaps}?watch=1&resourceVersion=${since}`)
    expect(await watch.next()).toEqual({ type: 'ADDED', object: created })
    const { body: patched } = await test.client.patch(`${configMaps}/a`, { data: { b: '1' } })
    expect(await watch.next()).toEqual({ type: 'MODIFIED', object: patched })
    await test.client.delete(`${configMaps}/a`)
    const deleted = await watch.next()
    expect(deleted).toMatchObject({ type: 'DELETED', object: { metadata: { name: 'a' } } })
    expect(dig(deleted?.object, 'metadata', 'resourceVersion')).toBe(String(version()))
  })

  it('begins with what is there when it names no version', async () => {
    await start()
    await test.client.post(configMaps, configMap('a'))
    await test.client.post('/api/v1/namespaces/other/configmaps', configMap('elsewhere'))
    for (const query of ['', '&resourceVersion=0']) {
      const watch = await test.client.watch(`${configMaps}?watch=true${query}`)
      expect(await watch.nextName()).toBe('ADDED a')
      watch.close()
    }
  })

  it('sees objects enter and leave its selector', async () => {
    await start()
    const watch = await test.client.watch(`${configMaps}?watch=1&labelSelector=x%3Dy`)
    await test.client.post(configMaps, configMap('a'))
    await test.client.patch(`${configMaps}/a`, { metadata: { labels: { x: 'y' } } })
    expect(await watch.nextName()).toBe('ADDED a')
    await test.client.patch(`${configMaps}/a`, { data: { b: '1' } })
    expect(await watch.nextName()).toBe('MODIFIED a')
    await test.client.patch(`${configMaps}/a`, { metadata: { labels: { x: 'z' } } })
    const left = await watch.next()
    expect(left).toMatchObject({ type: 'DELETED', object: { metadata: { labels: { x: 'y' } } } })
    expect(dig(left?.object, 'metadata', 'resourceVersion')).toBe(String(version()))
  })

  it('is told in an ERROR event, as by the real server, when its version is no longer kept', async () => {
    await start({ historySize: 2 })
    const since = version()
    for (const name of ['a', 'b', 'c', 'd', 'e']) await test.client.post(configMaps, configMap(name))
    const watch = await test.client.watch(`${configMaps}?watch=1&resourceVersion=${since}`)
    const message = expect.stringMatching(/^too old resource version: \d+ \(\d+\)$/)
    expect(await watch.next()).toMatchObject({ type: 'ERROR', object: { code: 410, reason: 'Expired', message } })
    expect(await watch.next()).toBeUndefined()
    expect(test.server.watches).toEqual([])
  })

  it('ends after its time, with a bookmark when it asked for them', async () => {
    await start()
    const watch = await test.client.watch(
      `${configMaps}?watch=1&resourceVersion=${version()}&timeoutSeconds=1&allowWatchBookmarks=true`,
    )
    expect(await watch.next()).toMatchObject({
      type: 'BOOKMARK',
      object: { kind: 'ConfigMap', metadata: { resourceVersion: String(version()) } },
    })
    expect(await watch.next()).toBeUndefined()
  })

  it('gets bookmarks of other kinds’ versions in between', async () => {
    await start({ bookmarkIntervalMs: 5 })
    const watch = await test.client.watch(`${configMaps}?watch=1&resourceVersion=${version()}&allowWatchBookmarks=1`)
    await test.client.post('/api/v1/namespaces', { metadata: { name: 'x' } })
    const wanted = String(version())
    let bookmark = await watch.next()
    while (dig(bookmark?.object, 'metadata', 'resourceVersion') !== wanted) bookmark = await watch.next()
    expect(bookmark?.type).toBe('BOOKMARK')
  })

  it('streams a list first when it asks for initial events, and marks its end', async () => {
    await start()
    await test.client.post(configMaps, configMap('a'))
    const query = 'watch=1&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true'
    const watch = await test.client.watch(`${configMaps}?${query}`)
    expect(await watch.nextName()).toBe('ADDED a')
    expect(await watch.next()).toMatchObject({
      type: 'BOOKMARK',
      object: { metadata: { annotations: { 'k8s.io/initial-events-end': 'true' } } },
    })
    const missing = await test.client.get(`${configMaps}?watch=1&sendInitialEvents=true`)
    expect(missing).toMatchObject({ status: 422, body: { message: expect.stringContaining('resourceVersionMatch') } })
  })

  it('can be of one object, and of tables or metadata', async () => {
    await start()
    await test.client.post(configMaps, configMap('a'))
    await test.client.post(configMaps, configMap('b'))
    const accept = 'application/json;as=Table;v=v1;g=meta.k8s.io'
    const one = await test.client.watch(`${configMaps}?watch=1&fieldSelector=metadata.name%3Db`, { accept })
    expect(await one.next()).toMatchObject({
      type: 'ADDED',
      object: { kind: 'Table', rows: [{ cells: ['b', 1, expect.any(String)] }] },
    })
    const partial = 'application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io'
    const metadata = await test.client.watch(`${configMaps}/a?watch=1`, { accept: partial })
    expect(await metadata.next()).toMatchObject({ object: { kind: 'PartialObjectMetadata', metadata: { name: 'a' } } })
  })

  it('ends when the definition of its kind is deleted', async () => {
    await start()
    await test.client.post(definitions, widgetDefinition())
    await test.client.post(widgets, widget('a'))
    const watch = await test.client.watch(`${widgets}?watch=1`)
    expect(await watch.nextName()).toBe('ADDED a')
    await test.client.delete(`${definitions}/widgets.example.com`)
    expect(await watch.nextName()).toBe('DELETED a')
    expect(await watch.nextName()).toBe('end')
  })

  it('is cut when its client reads too slowly', async () => {
    await start({ maxUnreadBytes: 100_000 })
    const watch = await test.client.watch(`${configMaps}?watch=1&resourceVersion=${version()}`)
    const data = { a: 'x'.repeat(500_000) }
    for (let count = 0; test.server.watches.length > 0; count++) {
      await test.client.post(configMaps, { ...configMap(`m${count}`), data })
      expect(count).toBeLessThan(200)
    }
    watch.close()
  })

  it('can be ended, cut and failed by a test', async () => {
    await start()
    const open = (): Promise<Awaited<ReturnType<typeof test.client.watch>>> =>
      test.client.watch(`${configMaps}?watch=1&resourceVersion=${version()}`)
    const ended = await open()
    test.server.watches[0]?.end()
    expect(await ended.next()).toBeUndefined()
    const cut = await open()
    test.server.watches[0]?.drop()
    await expect(cut.next()).rejects.toThrow()
    expect(test.server.watches).toEqual([])
  })
})
