import type { ApiAnswer, ApiClient, Body } from '../client.ts'
import type { ApiCase, ApiContext } from '../context.ts'
import { at, brief, daemonSets, dig, node, nodes, pod, pods } from '../objects.ts'

const itemsOf = ({ body }: ApiAnswer): Body[] => (dig(body, 'items') as Body[] | undefined) ?? []
const nameOf = (object: unknown): string => String(dig(object, 'metadata', 'name'))
const isMarked = (object: unknown): boolean => dig(object, 'metadata', 'deletionTimestamp') !== undefined

/** A DaemonSet for the nodes that carry the case's label. */
function daemonSet(token: string, spec: Record<string, unknown> = {}, podSpec: Record<string, unknown> = {}): Body {
  const template = {
    metadata: { labels: { app: 'd' } },
    spec: { nodeSelector: { case: token }, containers: [{ name: 'c', image: 'i' }], ...podSpec },
  }
  return { metadata: { name: 'd' }, spec: { selector: { matchLabels: { app: 'd' } }, template, ...spec } }
}

const addNode = (api: ApiClient, name: string, token: string, spec: Record<string, unknown> = {}): Promise<ApiAnswer> =>
  api.post(at(nodes), node(name, { case: token }, spec))

/** Takes a node's not-ready taint away as soon as the node lifecycle controller believes it. */
const isSchedulable = ({ body }: ApiAnswer): boolean =>
  !JSON.stringify(dig(body, 'spec', 'taints') ?? []).includes('not-ready')

/** Says as a kubelet would that the pod runs. */
async function run(api: ApiClient, ns: string, name: string, phase = 'Running'): Promise<void> {
  const isRunning = phase === 'Running'
  const now = new Date(Date.now() - 5_000).toISOString().replace(/\.\d+Z$/, 'Z')
  const condition = { type: 'Ready', status: isRunning ? 'True' : 'False', lastTransitionTime: now }
  const state = isRunning ? { running: { startedAt: now } } : { terminated: { exitCode: 1 } }
  const containerStatuses = [{ name: 'c', state, ready: isRunning, restartCount: 0, image: 'i', imageID: '' }]
  await api.patch(at(pods, ns, name, 'status'), 'strategic', {
    status: { phase, conditions: [condition], containerStatuses },
  })
}

/** Waits for as many living pods. */
const living = async ({ until, ns }: ApiContext, count: number): Promise<Body[]> =>
  itemsOf(
    await until(at(pods, ns), (answer) => itemsOf(answer).filter((each) => !isMarked(each)).length === count),
  ).filter((each) => !isMarked(each))

async function removeNodes(api: ApiClient, ...names: string[]): Promise<void> {
  for (const name of names) await api.delete(at(nodes, '', name))
}

/** Nodes, taints, the scheduler and DaemonSets; whoever tries these plays the kubelet. */
export const nodeCases: readonly ApiCase[] = [
  {
    name: 'a new node is tainted until it is seen to be ready',
    observe: async ({ api, token, until }) => {
      const created = await addNode(api, token, token)
      const ready = await until(at(nodes, '', token), isSchedulable)
      const status = await api.patch(at(nodes, '', token, 'status'), 'strategic', {
        status: { conditions: [{ type: 'Ready', status: 'False', reason: 'R', message: 'm' }] },
      })
      const notReady = await until(at(nodes, '', token), (answer) => !isSchedulable(answer))
      const cordoned = await api.patch(at(nodes, '', token), 'merge', { spec: { unschedulable: true } })
      const tainted = await until(at(nodes, '', token), ({ body }) =>
        JSON.stringify(dig(body, 'spec', 'taints') ?? []).includes('unschedulable'),
      )
      await removeNodes(api, token)
      return {
        created,
        ready: ready.body['spec'],
        notReady: (dig(notReady.body, 'spec', 'taints') as Body[])
          .filter(({ effect }) => effect === 'NoSchedule')
          .map(({ key }) => key),
        status: status.status,
        cordoned: cordoned.status,
        tainted: JSON.stringify(dig(tainted.body, 'spec')).includes('unschedulable'),
      }
    },
  },
  {
    name: 'nodes that are refused, and what of a node can be changed',
    observe: async ({ api, token }) => {
      await addNode(api, token, token)
      const path = at(nodes, '', token)
      const result = {
        name: await api.post(at(nodes), node('Bad_Name')),
        taint: await api.post(at(nodes), node(`${token}x`, {}, { taints: [{ key: 'a', effect: 'Sometimes' }] })),
        taintTwice: await api.post(
          at(nodes),
          node(
            `${token}x`,
            {},
            {
              taints: [
                { key: 'a', effect: 'NoSchedule' },
                { key: 'a', value: 'x', effect: 'NoSchedule' },
              ],
            },
          ),
        ),
        taintNoEffect: await api.post(at(nodes), node(`${token}x`, {}, { taints: [{ key: 'a' }] })),
        provider: brief(await api.patch(path, 'merge', { spec: { providerID: 'a://b' } })),
        providerAgain: await api.patch(path, 'merge', { spec: { providerID: 'c://d' } }),
        statusKeepsSpec: dig(
          (
            await api.patch(`${path}/status`, 'merge', {
              spec: { unschedulable: true },
              status: { nodeInfo: { bootID: 'b2' } },
            })
          ).body,
          'spec',
          'unschedulable',
        ),
        labelsByStatus: dig(
          (await api.patch(`${path}/status`, 'merge', { metadata: { labels: { by: 'status' } } })).body,
          'metadata',
          'labels',
        ),
        statusBySpec: dig(
          (await api.patch(path, 'merge', { status: { nodeInfo: { bootID: 'b3' } } })).body,
          'status',
          'nodeInfo',
          'bootID',
        ),
      }
      await removeNodes(api, token)
      return result
    },
  },
  {
    name: 'a DaemonSet puts one pod on each of its nodes',
    observe: async (context) => {
      const { api, ns, token, until } = context
      await addNode(api, token, token)
      await until(at(nodes, '', token), isSchedulable)
      const created = await api.post(at(daemonSets, ns), daemonSet(token))
      const [made] = await living(context, 1)
      const bound = await until(at(pods, ns, nameOf(made)), ({ body }) => dig(body, 'spec', 'nodeName') !== undefined)
      const pending = await until(
        at(daemonSets, ns, 'd'),
        ({ body }) => dig(body, 'status', 'currentNumberScheduled') === 1,
      )
      await run(api, ns, nameOf(made))
      const ready = await until(at(daemonSets, ns, 'd'), ({ body }) => dig(body, 'status', 'numberAvailable') === 1)
      const revisions = await api.get(at('apps/v1/controllerrevisions', ns))
      await removeNodes(api, token)
      return {
        created,
        bound,
        pending: pending.body['status'],
        ready: ready.body['status'],
        revisions: itemsOf(revisions).map((each) => [
          each['revision'],
          dig(each, 'metadata', 'ownerReferences'),
          dig(each, 'data', 'spec', 'template', '$patch'),
        ]),
      }
    },
  },
  {
    name: 'DaemonSets that are refused, and what of one can be changed',
    observe: async ({ api, ns, token }) => {
      const create = async (spec: Record<string, unknown>, podSpec: Record<string, unknown> = {}): Promise<unknown> =>
        brief(await api.post(`${at(daemonSets, ns)}?dryRun=All`, daemonSet(token, spec, podSpec)))
      await api.post(at(daemonSets, ns), daemonSet(token))
      const patch = (spec: unknown): Promise<ApiAnswer> => api.patch(at(daemonSets, ns, 'd'), 'merge', { spec })
      return {
        selectorMissing: await create({ selector: undefined }),
        selectorEmpty: await create({ selector: {} }),
        selectorOther: await create({ selector: { matchLabels: { app: 'other' } } }),
        restartPolicy: await create({}, { restartPolicy: 'OnFailure' }),
        noContainers: await create({}, { containers: [] }),
        deadline: await create({}, { activeDeadlineSeconds: 5 }),
        strategy: await create({ updateStrategy: { type: 'Whenever' } }),
        unavailable: await create({ updateStrategy: { type: 'RollingUpdate', rollingUpdate: { maxUnavailable: 0 } } }),
        both: await create({ updateStrategy: { rollingUpdate: { maxUnavailable: 1, maxSurge: 1 } } }),
        unavailableText: await create({ updateStrategy: { rollingUpdate: { maxUnavailable: 'half' } } }),
        onDelete: (
          await api.post(`${at(daemonSets, ns)}?dryRun=All`, daemonSet(token, { updateStrategy: { type: 'OnDelete' } }))
        ).body['spec'],
        selector: await patch({
          selector: { matchLabels: { app: 'z' } },
          template: { metadata: { labels: { app: 'z' } } },
        }),
        generation: [
          await patch({ minReadySeconds: 3 }),
          await patch({ template: { metadata: { annotations: { a: 'b' } } } }),
          await patch({ minReadySeconds: 3 }),
        ].map(({ body }) => [dig(body, 'metadata', 'generation'), dig(body, 'metadata', 'annotations')]),
      }
    },
  },
  {
    name: 'a node that loses the label loses its daemon pod',
    observe: async (context) => {
      const { api, ns, token, until } = context
      await addNode(api, token, token)
      await until(at(nodes, '', token), isSchedulable)
      await api.post(at(daemonSets, ns), daemonSet(token))
      const [made] = await living(context, 1)
      await run(api, ns, nameOf(made))
      await api.patch(at(nodes, '', token), 'merge', { metadata: { labels: { case: 'other' } } })
      const marked = await until(at(pods, ns, nameOf(made)), ({ body }) => isMarked(body))
      await api.delete(at(pods, ns, nameOf(made)), { gracePeriodSeconds: 0 })
      const none = await until(
        at(daemonSets, ns, 'd'),
        ({ body }) => dig(body, 'status', 'currentNumberScheduled') === 0,
      )
      await api.patch(at(nodes, '', token), 'merge', { metadata: { labels: { case: token } } })
      const [again] = await living(context, 1)
      await removeNodes(api, token)
      return {
        grace: dig(marked.body, 'metadata', 'deletionGracePeriodSeconds'),
        desired: dig(none.body, 'status', 'desiredNumberScheduled'),
        anew: nameOf(again) !== nameOf(made),
      }
    },
  },
  {
    name: 'cordon, taints and readiness: which of them keep a daemon pod away',
    observe: async (context) => {
      const { api, ns, token, until } = context
      const taint = (effect: string): unknown => ({ key: 'custom', effect })
      await addNode(api, `${token}-a`, token, { unschedulable: true })
      await addNode(api, `${token}-b`, token, { taints: [taint('NoSchedule')] })
      await addNode(api, `${token}-c`, token, { taints: [taint('PreferNoSchedule')] })
      await addNode(api, `${token}-d`, token)
      for (const each of ['a', 'b', 'c', 'd']) await until(at(nodes, '', `${token}-${each}`), isSchedulable)
      const notReady = { status: { conditions: [{ type: 'Ready', status: 'False' }] } }
      await api.patch(at(nodes, '', `${token}-d`, 'status'), 'strategic', notReady)
      await until(at(nodes, '', `${token}-d`), (answer) => !isSchedulable(answer))
      await api.post(at(daemonSets, ns), daemonSet(token))
      const on = (all: Body[]): string[] => all.map((each) => nodeOf(each)).sort()
      const first = on(await living(context, 2))
      await api.patch(at(nodes, '', `${token}-c`), 'merge', { spec: { taints: [taint('NoSchedule')] } })
      await api.patch(at(nodes, '', `${token}-b`), 'merge', { spec: { taints: [] } })
      const second = on(await living(context, 3))
      for (const each of itemsOf(await api.get(at(pods, ns)))) await run(api, ns, nameOf(each))
      await api.patch(at(nodes, '', `${token}-c`), 'merge', { spec: { taints: [taint('NoExecute')] } })
      const marked = await until(at(pods, ns), (answer) => itemsOf(answer).some(isMarked))
      const gone = itemsOf(marked).filter(isMarked).map(nodeOf)
      const status = await until(
        at(daemonSets, ns, 'd'),
        ({ body }) => dig(body, 'status', 'desiredNumberScheduled') === 2,
      )
      await removeNodes(api, ...['a', 'b', 'c', 'd'].map((each) => `${token}-${each}`))
      return { first, second, gone, desired: dig(status.body, 'status', 'desiredNumberScheduled') }
    },
  },
  {
    name: 'a failed daemon pod is deleted and made anew',
    observe: async (context) => {
      const { api, ns, token, until, gone } = context
      await addNode(api, token, token)
      await until(at(nodes, '', token), isSchedulable)
      await api.post(at(daemonSets, ns), daemonSet(token))
      const [first] = await living(context, 1)
      await until(at(pods, ns, nameOf(first)), ({ body }) => dig(body, 'spec', 'nodeName') !== undefined)
      await run(api, ns, nameOf(first), 'Failed')
      await gone(at(pods, ns, nameOf(first)))
      const [second] = await living(context, 1)
      const events = await until(at('v1/events', ns), (answer) =>
        itemsOf(answer).some((each) => each['reason'] === 'FailedDaemonPod'),
      )
      await removeNodes(api, token)
      const event = itemsOf(events).find((each) => each['reason'] === 'FailedDaemonPod')
      const message = String(event?.['message']).replaceAll(/d-[a-z0-9]{5}/g, 'd-<suffix>')
      return { anew: nameOf(first) !== nameOf(second), event: [event?.['type'], message, event?.['source']] }
    },
  },
  {
    name: 'a changed template rolls over the pods, one at a time',
    observe: async (context) => {
      const { api, ns, token, until } = context
      await addNode(api, `${token}-a`, token)
      await addNode(api, `${token}-b`, token)
      await until(at(nodes, '', `${token}-a`), isSchedulable)
      await until(at(nodes, '', `${token}-b`), isSchedulable)
      await api.post(at(daemonSets, ns), daemonSet(token))
      for (const each of await living(context, 2)) await run(api, ns, nameOf(each))
      await until(at(daemonSets, ns, 'd'), ({ body }) => dig(body, 'status', 'numberAvailable') === 2)
      await api.patch(at(daemonSets, ns, 'd'), 'strategic', {
        spec: { template: { spec: { containers: [{ name: 'c', image: 'new' }] } } },
      })
      const marked = itemsOf(await until(at(pods, ns), (answer) => itemsOf(answer).some(isMarked))).filter(isMarked)
      const status = await until(at(daemonSets, ns, 'd'), ({ body }) => dig(body, 'status', 'observedGeneration') === 2)
      for (const each of marked) await api.delete(at(pods, ns, nameOf(each)), { gracePeriodSeconds: 0 })
      const images = (await living(context, 2))
        .map((each) => String(dig(each, 'spec', 'containers', 0, 'image')))
        .toSorted()
      await removeNodes(api, `${token}-a`, `${token}-b`)
      return { markedAtOnce: marked.length, updated: dig(status.body, 'status', 'updatedNumberScheduled'), images }
    },
  },
  {
    name: 'with OnDelete a changed template waits for the pod to be deleted',
    observe: async (context) => {
      const { api, ns, token, until } = context
      await addNode(api, token, token)
      await until(at(nodes, '', token), isSchedulable)
      await api.post(
        at(daemonSets, ns),
        daemonSet(token, { updateStrategy: { type: 'OnDelete' } }, { terminationGracePeriodSeconds: 0 }),
      )
      const [made] = await living(context, 1)
      await run(api, ns, nameOf(made))
      await api.patch(at(daemonSets, ns, 'd'), 'strategic', {
        spec: {
          template: {
            metadata: { finalizers: ['example.com/f'] },
            spec: { containers: [{ name: 'c', image: 'new' }] },
          },
        },
      })
      await until(at(daemonSets, ns, 'd'), ({ body }) => dig(body, 'status', 'observedGeneration') === 2)
      const kept = await api.get(at(pods, ns, nameOf(made)))
      await api.delete(at(pods, ns, nameOf(made)), { gracePeriodSeconds: 0 })
      const [next] = await living(context, 1)
      const result = {
        kept: [kept.status, isMarked(kept.body)],
        image: dig(next, 'spec', 'containers', 0, 'image'),
        finalizers: dig(next, 'metadata', 'finalizers'),
      }
      await api.delete(at(daemonSets, ns, 'd'))
      await until(at(pods, ns, nameOf(next)), ({ body }) => isMarked(body))
      await api.patch(at(pods, ns, nameOf(next)), 'merge', { metadata: { finalizers: null } })
      await removeNodes(api, token)
      return result
    },
  },
  {
    name: 'the pods of a vanished node are collected',
    observe: async (context) => {
      const { api, ns, token, until, gone } = context
      await addNode(api, token, token)
      await until(at(nodes, '', token), isSchedulable)
      await api.post(at(daemonSets, ns), daemonSet(token))
      const [made] = await living(context, 1)
      await run(api, ns, nameOf(made))
      await api.delete(at(nodes, '', token))
      await gone(at(pods, ns, nameOf(made)), 90_000)
      return {
        desired: dig(
          (await until(at(daemonSets, ns, 'd'), ({ body }) => dig(body, 'status', 'desiredNumberScheduled') === 0))
            .body,
          'status',
        ),
      }
    },
  },
  {
    name: 'the scheduler binds by selector and affinity, and says why it cannot',
    observe: async ({ api, ns, token, until }) => {
      await addNode(api, token, token)
      await until(at(nodes, '', token), isSchedulable)
      await api.post(at(pods, ns), pod('selected', { nodeSelector: { case: token } }))
      const terms = { matchFields: [{ key: 'metadata.name', operator: 'In', values: [token] }] }
      const affinity = {
        nodeAffinity: { requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms: [terms] } },
      }
      await api.post(at(pods, ns), pod('affine', { affinity }))
      await api.post(at(pods, ns), pod('nowhere', { nodeSelector: { case: 'nowhere' } }))
      const isBound = ({ body }: ApiAnswer): boolean => dig(body, 'spec', 'nodeName') !== undefined
      const selected = await until(at(pods, ns, 'selected'), isBound)
      const affine = await until(at(pods, ns, 'affine'), isBound)
      const nowhere = await until(
        at(pods, ns, 'nowhere'),
        ({ body }) => dig(body, 'status', 'conditions') !== undefined,
      )
      await removeNodes(api, token)
      const condition = dig(nowhere.body, 'status', 'conditions', 0)
      return {
        selected: dig(selected.body, 'status'),
        affine: dig(affine.body, 'spec', 'nodeName'),
        nowhere: ['type', 'status', 'reason'].map((each) => dig(condition, each)),
      }
    },
  },
  {
    name: 'NoExecute taints evict what does not tolerate them',
    observe: async ({ api, ns, token, until }) => {
      await addNode(api, token, token)
      await until(at(nodes, '', token), isSchedulable)
      const base = { nodeName: token }
      await api.post(at(pods, ns), pod('plain', base))
      await api.post(at(pods, ns), pod('tolerant', { ...base, tolerations: [{ key: 'out', operator: 'Exists' }] }))
      await api.post(
        at(pods, ns),
        pod('brief', {
          ...base,
          tolerations: [{ key: 'out', operator: 'Exists', effect: 'NoExecute', tolerationSeconds: 1 }],
        }),
      )
      await api.patch(at(nodes, '', token), 'merge', { spec: { taints: [{ key: 'out', effect: 'NoExecute' }] } })
      const plain = await until(at(pods, ns, 'plain'), ({ body }) => isMarked(body))
      await until(at(pods, ns, 'brief'), ({ body }) => isMarked(body))
      const tolerant = await api.get(at(pods, ns, 'tolerant'))
      const event = await until(at('v1/events', ns), (answer) =>
        itemsOf(answer).some((each) => each['reason'] === 'TaintManagerEviction'),
      )
      await removeNodes(api, token)
      const conditions = (dig(plain.body, 'status', 'conditions') as Body[]).filter(
        (each) => each['type'] === 'DisruptionTarget',
      )
      return {
        conditions,
        tolerant: isMarked(tolerant.body),
        event: itemsOf(event)
          .filter((each) => each['reason'] === 'TaintManagerEviction')
          .map((each) => [each['type'], each['message'], each['source']])[0],
      }
    },
  },
]

/** The node that a daemon pod is meant for. */
function nodeOf(object: Body): string {
  const terms = dig(
    object,
    'spec',
    'affinity',
    'nodeAffinity',
    'requiredDuringSchedulingIgnoredDuringExecution',
    'nodeSelectorTerms',
    0,
  )
  return String(dig(terms, 'matchFields', 0, 'values', 0))
}
