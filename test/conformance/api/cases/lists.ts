import type { ApiClient } from '../client.ts'
import type { ApiCase } from '../context.ts'
import { at, configMap, configMaps, dig, module, modules, node, nodes, pod, pods } from '../objects.ts'

const names = (body: unknown): unknown =>
  (dig(body, 'items') as unknown[] | undefined)?.map((each) => dig(each, 'metadata', 'name'))

async function fill(api: ApiClient, ns: string, count: number): Promise<void> {
  for (let index = 0; index < count; index++)
    await api.post(
      at(configMaps, ns),
      configMap(`c${index}`, { labels: { n: String(index), even: String(index % 2 === 0) } }),
    )
}

const mine = 'labelSelector=even'

/** Lists, pages and selectors. */
export const listCases: readonly ApiCase[] = [
  {
    name: 'a list has kind, version and objects without kind',
    observe: async ({ api, ns }) => {
      await fill(api, ns, 1)
      await api.post(at(modules, ns), module('m'))
      return {
        configMaps: await api.get(`${at(configMaps, ns)}?${mine}`),
        modules: await api.get(at(modules, ns)),
        none: await api.get(at(pods, ns)),
        nowhere: await api.get(at(pods, 'no-such-namespace')),
      }
    },
  },
  {
    name: 'pages of a list',
    observe: async ({ api, ns }) => {
      await fill(api, ns, 5)
      const first = await api.get(`${at(configMaps, ns)}?limit=2`)
      const next = encodeURIComponent(String(dig(first.body, 'metadata', 'continue')))
      await api.post(at(configMaps, ns), configMap('c1a'))
      await api.delete(at(configMaps, ns, 'c4'))
      const second = await api.get(`${at(configMaps, ns)}?limit=2&continue=${next}`)
      const third = await api.get(
        `${at(configMaps, ns)}?limit=9&continue=${encodeURIComponent(String(dig(second.body, 'metadata', 'continue')))}`,
      )
      const selected = await api.get(`${at(configMaps, ns)}?limit=1&${mine}`)
      const sameVersion =
        dig(first.body, 'metadata', 'resourceVersion') === dig(second.body, 'metadata', 'resourceVersion')
      return {
        pages: [first, second, third, selected].map(({ body }) => ({ names: names(body), metadata: body.metadata })),
        sameVersion,
        garbage: await api.get(`${at(configMaps, ns)}?limit=2&continue=garbage`),
        withVersion: await api.get(`${at(configMaps, ns)}?limit=2&continue=${next}&resourceVersion=1`),
        limitText: await api.get(`${at(configMaps, ns)}?limit=many`),
        limitNegative: names((await api.get(`${at(configMaps, ns)}?limit=-1&${mine}`)).body),
      }
    },
  },
  {
    name: 'label selectors',
    observe: async ({ api, ns }) => {
      await fill(api, ns, 4)
      const select = async (selector: string): Promise<unknown> => {
        const answer = await api.get(`${at(configMaps, ns)}?labelSelector=${encodeURIComponent(selector)}`)
        return answer.status === 200 ? names(answer.body) : answer
      }
      const selectors = [
        'n=1',
        'n==1',
        'n!=1,even',
        'n in (1,2)',
        'n notin (1,2),even=true',
        'even',
        '!even',
        'n>1',
        'n<2',
        'n=',
        '',
      ]
      const bad = ['n in 1', 'n==', '=x', 'n=a b', 'n in (a', 'n>x', ',', 'A_/b=c', 'n=1,,n=2']
      return Object.fromEntries(
        await Promise.all([...selectors, ...bad].map(async (each) => [each, await select(each)])),
      )
    },
  },
  {
    name: 'field selectors',
    observe: async ({ api, ns, token }) => {
      await fill(api, ns, 2)
      await api.post(at(pods, ns), pod('p', { nodeName: token }))
      await api.post(at(pods, ns), pod('q', { schedulingGates: [{ name: 'example.com/wait' }] }))
      await api.post(at(modules, ns), module('m'))
      const select = async (resource: string, selector: string): Promise<unknown> => {
        const answer = await api.get(`${at(resource, ns)}?fieldSelector=${encodeURIComponent(selector)}`)
        return answer.status === 200 ? names(answer.body) : answer
      }
      return {
        name: await select(configMaps, 'metadata.name=c1'),
        notName: await select(pods, 'metadata.name!=p'),
        namespace: await select(pods, `metadata.namespace=${ns}`),
        node: await select(pods, `spec.nodeName=${token}`),
        noNode: await select(pods, 'spec.nodeName='),
        phase: await select(pods, 'status.phase=Pending'),
        two: await select(pods, 'status.phase!=Failed,spec.restartPolicy=Always,spec.serviceAccountName=default'),
        module: await select(modules, 'metadata.name=m'),
        unknown: await select(pods, 'spec.hostname=x'),
        unknownOfModule: await select(modules, 'spec.selector=x'),
        unknownOfConfigMap: await select(configMaps, 'data.a=1'),
        bad: await select(configMaps, 'metadata.name'),
      }
    },
  },
  {
    name: 'field selectors of events and nodes',
    observe: async ({ api, ns, token }) => {
      await api.post(at(nodes), node(token, {}, { unschedulable: true }))
      const event = (name: string, kind: string): unknown => ({
        metadata: { name },
        involvedObject: { kind, name: 'x', namespace: ns },
        reason: 'R',
        type: 'Normal',
      })
      await api.post(at('v1/events', ns), event('e', 'Pod'))
      await api.post(at('v1/events', ns), event('f', 'Module'))
      const select = async (path: string, selector: string): Promise<unknown> => {
        const answer = await api.get(`${path}?fieldSelector=${encodeURIComponent(selector)}`)
        return answer.status === 200 ? names(answer.body) : answer
      }
      const result = {
        kind: await select(at('v1/events', ns), 'involvedObject.kind=Module'),
        reason: await select(at('v1/events', ns), 'reason=R,type=Normal,involvedObject.name=x'),
        regarding: await select(at('events.k8s.io/v1/events', ns), 'regarding.kind=Pod'),
        unschedulable: await select(at(nodes), `spec.unschedulable=true,metadata.name=${token}`),
        unknown: await select(at(nodes), 'spec.podCIDR=x'),
      }
      await api.delete(at(nodes, '', token))
      return result
    },
  },
  {
    name: 'resourceVersion and resourceVersionMatch of lists and gets',
    observe: async ({ api, ns }) => {
      await fill(api, ns, 1)
      const list = await api.get(at(configMaps, ns))
      const version = String(dig(list.body, 'metadata', 'resourceVersion'))
      await fill(api, ns, 2)
      const ask = async (query: string): Promise<unknown> => {
        const answer = await api.get(`${at(configMaps, ns)}?${mine}&${query}`)
        return answer.status === 200 ? names(answer.body) : { ...answer }
      }
      return {
        exact: await ask(`resourceVersion=${version}&resourceVersionMatch=Exact`),
        notOlder: await ask(`resourceVersion=${version}&resourceVersionMatch=NotOlderThan`),
        exactZero: await ask('resourceVersion=0&resourceVersionMatch=Exact'),
        matchAlone: await ask('resourceVersionMatch=Exact'),
        matchWrong: await ask(`resourceVersion=${version}&resourceVersionMatch=Nearly`),
        nonsense: await ask('resourceVersion=x'),
        future: (await api.get(`${at(configMaps, ns)}?resourceVersion=99999999999`)).status,
        getNonsense: await api.get(`${at(configMaps, ns, 'c0')}?resourceVersion=x`),
      }
    },
  },
  {
    name: 'a collection is deleted by selector',
    observe: async ({ api, ns }) => {
      await fill(api, ns, 3)
      const deleted = await api.send('DELETE', `${at(configMaps, ns)}?labelSelector=even%3Dtrue`)
      const left = await api.get(`${at(configMaps, ns)}?${mine}`)
      const all = await api.send('DELETE', `${at(configMaps)}`)
      return { deleted, left: names(left.body), all }
    },
  },
]
