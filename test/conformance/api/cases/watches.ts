import type { ApiEvent } from '../client.ts'
import type { ApiCase } from '../context.ts'
import { at, configMap, configMaps, dig, module, modules } from '../objects.ts'

const seen = (events: ApiEvent[]): unknown =>
  events.map(({ type, object }) => ({ type, name: dig(object, 'metadata', 'name') }))

/** Enough when an event about the object of that name came. */
const until =
  (name: string, type?: string) =>
  (events: ApiEvent[]): boolean =>
    events.some(
      (event) => dig(event.object, 'metadata', 'name') === name && (type === undefined || event.type === type),
    )

/** Watches. */
export const watchCases: readonly ApiCase[] = [
  {
    name: 'a watch from a list shows what came after it',
    observe: async ({ api, ns }) => {
      await api.post(at(configMaps, ns), configMap('before'))
      const version = dig((await api.get(at(configMaps, ns))).body, 'metadata', 'resourceVersion')
      await api.post(at(configMaps, ns), configMap('a'))
      await api.patch(at(configMaps, ns, 'a'), 'merge', { data: { b: '2' } })
      await api.patch(at(configMaps, ns, 'a'), 'merge', { data: { b: '2' } })
      await api.delete(at(configMaps, ns, 'a'))
      await api.post(at(configMaps, ns), configMap('end'))
      return api.watch(`${at(configMaps, ns)}?watch=true&resourceVersion=${String(version)}`, until('end'))
    },
  },
  {
    name: 'a watch without a version begins with what is there',
    observe: async ({ api, ns }) => {
      await api.post(at(modules, ns), module('a'))
      await api.post(at(modules, ns), module('b'))
      const without = await api.watch(`${at(modules, ns)}?watch=1`, until('b'))
      const zero = await api.watch(`${at(modules, ns)}?watch=true&resourceVersion=0`, until('b'))
      const single = await api.watch(`${at(modules, ns)}?watch=true&fieldSelector=metadata.name%3Da`, until('a'))
      const path = await api.watch(`${at(modules, ns, 'a')}?watch=true`, until('a'))
      return { without, zero: seen(zero), single: seen(single), path: seen(path) }
    },
  },
  {
    name: 'a watch with a selector: an object that comes under it and leaves it',
    observe: async ({ api, ns }) => {
      const version = dig((await api.get(at(configMaps, ns))).body, 'metadata', 'resourceVersion')
      const label = (value: string | null): Promise<unknown> =>
        api.patch(at(configMaps, ns, 'a'), 'merge', { metadata: { labels: { l: value } } })
      await api.post(at(configMaps, ns), configMap('a'))
      await label('1')
      await label('2')
      await label('1')
      await label(null)
      await api.post(at(configMaps, ns), configMap('end', { labels: { l: '1' } }))
      return api.watch(
        `${at(configMaps, ns)}?watch=true&labelSelector=l%3D1&resourceVersion=${String(version)}`,
        until('end'),
      )
    },
  },
  {
    name: 'initial events end with a marked bookmark',
    observe: async ({ api, ns }) => {
      await api.post(at(configMaps, ns), configMap('a', { labels: { mine: '1' } }))
      const query = 'watch=true&labelSelector=mine&sendInitialEvents=true&resourceVersionMatch=NotOlderThan'
      const events = await api.watch(`${at(configMaps, ns)}?${query}&allowWatchBookmarks=true`, (all) =>
        all.some(({ type }) => type === 'BOOKMARK'),
      )
      const mark = events.at(-1)
      return {
        seen: events.slice(0, -1),
        bookmark: {
          ...mark,
          object: { ...mark?.object, metadata: { ...mark?.object.metadata, resourceVersion: undefined } },
        },
        noMatch: await api.get(`${at(configMaps, ns)}?watch=true&sendInitialEvents=true`),
        noBookmarks: seen(await api.watch(`${at(configMaps, ns)}?${query}&timeoutSeconds=1`, () => false)),
        withoutWatch: await api.get(`${at(configMaps, ns)}?sendInitialEvents=true`),
      }
    },
  },
  {
    name: 'a watch ends after its time, and one of the far past has expired',
    observe: async ({ api, ns }) => {
      const started = Date.now()
      const ended = await api.watch(
        `${at(configMaps, ns)}?watch=true&timeoutSeconds=1&resourceVersion=0&labelSelector=x`,
        () => false,
      )
      const took = Date.now() - started
      return {
        ended,
        // Without a time of its own a watch goes on for half an hour or more.
        inTime: took > 800 && took < 60_000,
        nonsense: await api.get(`${at(configMaps, ns)}?watch=true&resourceVersion=x`),
        badTimeout: await api.get(`${at(configMaps, ns)}?watch=true&timeoutSeconds=x`),
        badSelector: await api.get(`${at(configMaps, ns)}?watch=true&labelSelector=%3D`),
        absent: await api.get(`${at('kmm.sigs.x-k8s.io/v1beta1/nothings', ns)}?watch=true`),
      }
    },
  },
  {
    name: 'a watch for tables and one for metadata',
    observe: async ({ api, ns }) => {
      await api.post(at(modules, ns), module('a'))
      const path = `${at(modules, ns)}?watch=true&timeoutSeconds=1&resourceVersion=0`
      const table = await api.send('GET', path, { accept: 'application/json;as=Table;g=meta.k8s.io;v=v1' })
      const partial = await api.send('GET', path, {
        accept: 'application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1',
      })
      return { table, partial }
    },
  },
  {
    name: 'a deleted object is shown once more, with a new version',
    observe: async ({ api, ns }) => {
      const created = await api.post(at(modules, ns), module('a', {}, { finalizers: ['example.com/f'] }))
      const version = dig(created.body, 'metadata', 'resourceVersion')
      await api.delete(at(modules, ns, 'a'))
      await api.patch(at(modules, ns, 'a'), 'merge', { metadata: { finalizers: [] } })
      const events = await api.watch(
        `${at(modules, ns)}?watch=true&resourceVersion=${String(version)}`,
        until('a', 'DELETED'),
      )
      return events.map(({ type, object }) => ({ type, metadata: object.metadata }))
    },
  },
]
