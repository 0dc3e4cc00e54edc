import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { createTestStore } from '../../../test/sandbox-store.ts'
import { createAdmission } from '../apiserver/admission/admission.ts'
import { type ApiServer, startApiServer } from '../apiserver/api-server.ts'
import type { ApiObject, GroupResource } from '../apiserver/object.ts'
import { plainStrategy } from '../apiserver/strategy.ts'
import { createValidator } from '../apiserver/validation/validator.ts'
import {
  type Controller,
  configMaps,
  controllerRevisions,
  daemonSets,
  events,
  leases,
  namespaces,
  nodes,
  pods,
  resourceQuotas,
  serviceAccounts,
} from './controller.ts'
import { startControllers } from './controllers.ts'
import type { Node } from './placement.ts'
import type { Pod } from './pod-conditions.ts'
import { startPodGc } from './pod-gc.ts'
import type { Timers } from './timers.ts'

/** A clock that moves only when it is told to. */
class ManualTimers implements Timers {
  #now = Date.UTC(2026, 0, 1)
  #waiting: { at: number; callback: () => void }[] = []

  now(): number {
    return this.#now
  }

  schedule(delayMs: number, callback: () => void): () => void {
    const entry = { at: this.#now + delayMs, callback }
    this.#waiting.push(entry)
    return () => {
      this.#waiting = this.#waiting.filter((each) => each !== entry)
    }
  }

  soon(callback: () => void): void {
    setImmediate(callback)
  }

  advance(ms: number): void {
    this.#now += ms
    const due = this.#waiting.filter(({ at }) => at <= this.#now)
    this.#waiting = this.#waiting.filter(({ at }) => at > this.#now)
    for (const { callback } of due) callback()
  }
}

let server: ApiServer
let controllers: Controller
let timers: ManualTimers

beforeEach(async () => {
  timers = new ManualTimers()
  server = await startApiServer({
    tls: false,
    now: () => timers.now(),
    extend: (store) => ({
      validator: createValidator(),
      plugins: createAdmission(store, { generateSuffix: () => 'abcde' }),
    }),
  })
  controllers = startControllers(server, { timers, heartbeatTimeoutMs: 50_000 })
  await create(namespaces, { metadata: { name: 'ns' } })
})

afterEach(async () => {
  await controllers.stop()
  await server.stop()
})

type Fields = Record<string, unknown> & { metadata: ApiObject['metadata'] }

async function create(resource: GroupResource, fields: Fields): Promise<ApiObject> {
  const served = server.registry.findStored(resource)
  if (served === undefined) throw new Error(`${resource.plural} is not served`)
  const apiVersion = served.group === '' ? served.version : `${served.group}/${served.version}`
  const object = { apiVersion, kind: served.kind, ...structuredClone(fields) }
  const context = { dryRun: false, fieldValidation: 'Strict' as const, options: {}, warn: () => {} }
  const user = { name: 'admin', groups: [] }
  return server.pipeline.create(served, object, { ...context, user, userAgent: 'test' })
}

const find = (resource: GroupResource, name: string, namespace?: string): ApiObject | undefined =>
  server.store.find(resource, namespace === undefined ? { name } : { namespace, name })

function edit(
  resource: GroupResource,
  object: ApiObject,
  apply: (copy: ApiObject) => void,
  subresource?: string,
): void {
  const { name, namespace } = object.metadata
  const copy = structuredClone(server.store.get(resource, namespace === undefined ? { name } : { namespace, name }))
  apply(copy)
  server.store.update(resource, copy, subresource === undefined ? {} : { subresource })
}

const settle = (): Promise<void> => controllers.drained()

const config = (name: string, owners: ApiObject[] = [], extra: Record<string, unknown> = {}): Promise<ApiObject> =>
  create(configMaps, {
    metadata: {
      name,
      namespace: 'ns',
      ...(owners.length === 0 ? {} : { ownerReferences: owners.map((owner) => referTo(owner)) }),
      ...extra,
    },
  })

function referTo({ apiVersion, kind, metadata }: ApiObject): NonNullable<ApiObject['metadata']['ownerReferences']>[0] {
  return { apiVersion, kind, name: metadata.name, uid: metadata.uid ?? '', blockOwnerDeletion: true }
}

describe('the garbage collector', () => {
  const key = (name: string): { namespace: string; name: string } => ({ namespace: 'ns', name })

  it('deletes what has lost its owner, and what that owned', async () => {
    const owner = await config('owner')
    const child = await config('child', [owner])
    await config('grandchild', [child])
    await settle()
    server.store.delete(configMaps, key('owner'))
    await settle()
    expect(find(configMaps, 'child', 'ns')).toBeUndefined()
    expect(find(configMaps, 'grandchild', 'ns')).toBeUndefined()
  })

  it('keeps what has another owner, and strikes out the one that is gone', async () => {
    const [one, two] = [await config('one'), await config('two')]
    await config('child', [one, two])
    server.store.delete(configMaps, key('one'))
    await settle()
    expect(find(configMaps, 'child', 'ns')?.metadata.ownerReferences?.map((owner) => owner.name)).toEqual(['two'])
  })

  it('deletes what names an owner of another uid, or in another namespace', async () => {
    const owner = await config('owner')
    await create(configMaps, {
      metadata: { name: 'stale', namespace: 'ns', ownerReferences: [{ ...referTo(owner), uid: 'other' }] },
    })
    await create(namespaces, { metadata: { name: 'elsewhere' } })
    const far = { name: 'far', namespace: 'elsewhere', ownerReferences: [referTo(owner)] }
    await create(configMaps, { metadata: far })
    await settle()
    expect(find(configMaps, 'stale', 'ns')).toBeUndefined()
    expect(find(configMaps, 'far', 'elsewhere')).toBeUndefined()
    expect(find(configMaps, 'owner', 'ns')).toBeDefined()
  })

  it('follows cluster-scoped owners', async () => {
    const node = await create(nodes, { metadata: { name: 'n1' } })
    await config('child', [node])
    await settle()
    expect(find(configMaps, 'child', 'ns')).toBeDefined()
    server.store.delete(nodes, { name: 'n1' })
    await settle()
    expect(find(configMaps, 'child', 'ns')).toBeUndefined()
  })

  it('leaves alone what names an owner of an unknown kind', async () => {
    const owner = { apiVersion: 'example.com/v1', kind: 'Thing', metadata: { name: 'thing', uid: 'u' } }
    await config('child', [owner])
    await settle()
    expect(find(configMaps, 'child', 'ns')).toBeDefined()
  })

  it('in the foreground removes the owner last', async () => {
    const owner = await config('owner')
    await config('child', [owner], { finalizers: ['example.com/wait'] })
    await settle()
    server.store.delete(configMaps, key('owner'), { propagationPolicy: 'Foreground' })
    await settle()
    expect(find(configMaps, 'owner', 'ns')?.metadata.finalizers).toEqual(['foregroundDeletion'])
    edit(configMaps, server.store.get(configMaps, key('child')), ({ metadata }) => {
      delete metadata.finalizers
    })
    await settle()
    expect(find(configMaps, 'child', 'ns')).toBeUndefined()
    expect(find(configMaps, 'owner', 'ns')).toBeUndefined()
  })

  it('orphans dependents when asked to', async () => {
    const owner = await config('owner')
    await config('child', [owner])
    await settle()
    server.store.delete(configMaps, key('owner'), { propagationPolicy: 'Orphan' })
    await settle()
    expect(find(configMaps, 'owner', 'ns')).toBeUndefined()
    expect(find(configMaps, 'child', 'ns')?.metadata.ownerReferences).toBeUndefined()
  })

  it('follows kinds that are defined later', async () => {
    await create(
      { group: 'apiextensions.k8s.io', plural: 'customresourcedefinitions' },
      {
        metadata: { name: 'things.example.com' },
        spec: {
          group: 'example.com',
          scope: 'Namespaced',
          names: { plural: 'things', singular: 'thing', kind: 'Thing', listKind: 'ThingList' },
          versions: [{ name: 'v1', served: true, storage: true, schema: { openAPIV3Schema: { type: 'object' } } }],
        },
      },
    )
    const thing = await create({ group: 'example.com', plural: 'things' }, { metadata: { name: 't', namespace: 'ns' } })
    await config('child', [thing])
    await settle()
    expect(find(configMaps, 'child', 'ns')).toBeDefined()
    server.store.delete({ group: 'example.com', plural: 'things' }, key('t'))
    await settle()
    expect(find(configMaps, 'child', 'ns')).toBeUndefined()
  })
})

describe('a namespace', () => {
  it('has a service account and the certificate from the start, and gets them again', async () => {
    expect(find(serviceAccounts, 'default', 'ns')).toBeDefined()
    expect(find(configMaps, 'kube-root-ca.crt', 'ns')).toBeDefined()
    server.store.delete(serviceAccounts, { namespace: 'ns', name: 'default' })
    expect(find(serviceAccounts, 'default', 'ns')).toBeDefined()
  })

  it('that is deleted is emptied and goes', async () => {
    await config('a')
    server.store.delete(namespaces, { name: 'ns' })
    await settle()
    expect(find(namespaces, 'ns')).toBeUndefined()
    expect(server.store.list(configMaps, 'ns')).toEqual([])
  })

  it('waits for finalizers, and says for which', async () => {
    const held = await config('a', [], { finalizers: ['example.com/wait'] })
    server.store.delete(namespaces, { name: 'ns' })
    await settle()
    const status = find(namespaces, 'ns')?.['status'] as { phase: string; conditions: Record<string, string>[] }
    expect(status.phase).toBe('Terminating')
    expect(status.conditions.filter((each) => each['status'] === 'True')).toMatchObject([
      {
        type: 'NamespaceContentRemaining',
        reason: 'SomeResourcesRemain',
        message: 'Some resources are remaining: configmaps. has 1 resource instances',
      },
      {
        type: 'NamespaceFinalizersRemaining',
        reason: 'SomeFinalizersRemain',
        message: 'Some content in the namespace has finalizers remaining: example.com/wait in 1 resource instances',
      },
    ])
    edit(configMaps, held, ({ metadata }) => {
      delete metadata.finalizers
    })
    await settle()
    expect(find(namespaces, 'ns')).toBeUndefined()
  })
})

const readyStatus = (status: string): Record<string, unknown> => ({ conditions: [{ type: 'Ready', status }] })

async function addNode(name: string, labels: Record<string, string> = {}): Promise<ApiObject> {
  const node = await create(nodes, { metadata: { name, labels }, status: readyStatus('True') })
  await settle()
  return node
}

const taintsOf = (name: string): string[] =>
  ((find(nodes, name) as Node | undefined)?.spec?.taints ?? []).map(({ key, effect }) => `${key}:${effect}`).sort()

describe('the node lifecycle controller', () => {
  it('takes the first taint from a node once it has been Ready', async () => {
    await create(nodes, { metadata: { name: 'quiet' } })
    await settle()
    expect(taintsOf('quiet')).toEqual(['node.kubernetes.io/not-ready:NoSchedule'])
    await addNode('n1')
    expect(taintsOf('n1')).toEqual([])
  })

  it.each([
    ['False', ['node.kubernetes.io/not-ready:NoExecute', 'node.kubernetes.io/not-ready:NoSchedule']],
    ['Unknown', ['node.kubernetes.io/unreachable:NoExecute', 'node.kubernetes.io/unreachable:NoSchedule']],
  ])('taints a node whose readiness is %s, and frees it again', async (status, expected) => {
    const node = await addNode('n1')
    edit(nodes, node, (copy) => Object.assign(copy, { status: readyStatus(status) }), 'status')
    await settle()
    expect(taintsOf('n1')).toEqual(expected)
    edit(nodes, node, (copy) => Object.assign(copy, { status: readyStatus('True') }), 'status')
    await settle()
    expect(taintsOf('n1')).toEqual([])
  })

  it('taints a cordoned node, and leaves the taints of others alone', async () => {
    const node = await addNode('n1')
    const taints = [{ key: 'mine', effect: 'NoSchedule' }]
    edit(nodes, node, (copy) => Object.assign(copy, { spec: { unschedulable: true, taints } }))
    await settle()
    expect(taintsOf('n1')).toEqual(['mine:NoSchedule', 'node.kubernetes.io/unschedulable:NoSchedule'])
    edit(nodes, node, (copy) => Object.assign(copy, { spec: { taints: (copy as Node).spec?.taints } }))
    await settle()
    expect(taintsOf('n1')).toEqual(['mine:NoSchedule'])
  })

  it('gives up a node that has fallen silent, not one that renews its Lease', async () => {
    await addNode('n1')
    await create(namespaces, { metadata: { name: 'kube-node-lease' } })
    timers.advance(49_000)
    await create(leases, { metadata: { name: 'n1', namespace: 'kube-node-lease' } })
    timers.advance(49_000)
    await settle()
    expect(taintsOf('n1')).toEqual([])
    timers.advance(1_000)
    await settle()
    expect(taintsOf('n1')).toContain('node.kubernetes.io/unreachable:NoExecute')
    expect((find(nodes, 'n1') as Node).status?.conditions?.[0]).toMatchObject({
      type: 'Ready',
      status: 'Unknown',
      message: 'Kubelet stopped posting node status.',
    })
  })
})

const container = { name: 'c', image: 'i:1' }

describe('the pods of a node', () => {
  it('are not ready once the node is Ready no more, and stay so until their kubelet says otherwise', async () => {
    const node = await addNode('n1')
    const pod = await addPod('p', { nodeName: 'n1', tolerations: [{ operator: 'Exists' }] })
    const done = await addPod('done', { nodeName: 'n1' })
    const conditions = [{ type: 'Ready', status: 'True', reason: 'Running' }]
    edit(pods, pod, (copy) => Object.assign(copy, { status: { phase: 'Running', conditions } }), 'status')
    edit(nodes, node, (copy) => Object.assign(copy, { status: readyStatus('Unknown') }), 'status')
    await settle()
    const now = find(pods, 'p', 'ns') as Pod
    expect(now.status?.conditions).toMatchObject([{ type: 'Ready', status: 'False', reason: 'Running' }])
    expect(server.store.list(events).map((event) => [event['reason'], event['message']])).toContainEqual([
      'NodeNotReady',
      'Node is not ready',
    ])
    expect((find(pods, done.metadata.name, 'ns') as Pod).status?.conditions).toEqual(done.status?.conditions)
  })
})

async function addPod(name: string, spec: Record<string, unknown> = {}): Promise<Pod> {
  const pod = await create(pods, { metadata: { name, namespace: 'ns' }, spec: { containers: [container], ...spec } })
  await settle()
  return find(pods, pod.metadata.name, 'ns') as Pod
}

describe('the scheduler', () => {
  it('binds a pod to a node that it fits, when there is one', async () => {
    await addNode('n1')
    const pod = await addPod('p', { nodeSelector: { a: 'b' } })
    expect(pod.spec?.nodeName).toBeUndefined()
    expect(pod.status?.conditions?.[0]).toMatchObject({
      type: 'PodScheduled',
      status: 'False',
      reason: 'Unschedulable',
      message: "0/1 nodes are available: 1 node(s) didn't match Pod's node affinity/selector.",
    })
    await addNode('n2', { a: 'b' })
    await settle()
    expect((find(pods, 'p', 'ns') as Pod).spec?.nodeName).toBe('n2')
  })

  it('spreads pods over nodes and passes over tainted ones', async () => {
    await addNode('n1')
    await addNode('n2')
    const n3 = await addNode('n3')
    edit(nodes, n3, (copy) => Object.assign(copy, { spec: { unschedulable: true } }))
    await settle()
    const placed = [await addPod('a'), await addPod('b')].map((pod) => pod.spec?.nodeName)
    expect(new Set(placed)).toEqual(new Set(['n1', 'n2']))
  })
})

describe('eviction', () => {
  const taintNode = async (name: string): Promise<void> => {
    edit(nodes, server.store.get(nodes, { name }), (copy) =>
      Object.assign(copy, { spec: { taints: [{ key: 'k', effect: 'NoExecute' }] } }),
    )
    await settle()
  }

  it('deletes pods that do not tolerate a taint, and says so', async () => {
    await addNode('n1')
    await addPod('p', { nodeName: 'n1' })
    await addPod('q', { nodeName: 'n1', tolerations: [{ operator: 'Exists' }] })
    await taintNode('n1')
    expect(find(pods, 'p', 'ns')?.metadata.deletionTimestamp).toBeDefined()
    expect(find(pods, 'q', 'ns')?.metadata.deletionTimestamp).toBeUndefined()
    const said = server.store.list(events, 'ns').find((event) => event['reason'] === 'TaintManagerEviction')
    expect(said?.['message']).toBe('Marking for deletion Pod ns/p')
  })

  it('waits as long as a toleration says', async () => {
    await addNode('n1')
    await addPod('p', {
      nodeName: 'n1',
      tolerations: [{ key: 'k', operator: 'Exists', effect: 'NoExecute', tolerationSeconds: 300 }],
    })
    await taintNode('n1')
    timers.advance(299_000)
    await settle()
    expect(find(pods, 'p', 'ns')?.metadata.deletionTimestamp).toBeUndefined()
    timers.advance(1_000)
    await settle()
    expect(find(pods, 'p', 'ns')?.metadata.deletionTimestamp).toBeDefined()
  })

  it('is called off when the taint goes in time', async () => {
    const node = await addNode('n1')
    await addPod('p', {
      nodeName: 'n1',
      tolerations: [{ key: 'k', operator: 'Exists', tolerationSeconds: 10, effect: 'NoExecute' }],
    })
    await taintNode('n1')
    edit(nodes, node, (copy) => Object.assign(copy, { spec: {} }))
    await settle()
    timers.advance(60_000)
    await settle()
    expect(find(pods, 'p', 'ns')?.metadata.deletionTimestamp).toBeUndefined()
  })
})

describe('pods of a node that is gone', () => {
  it('are deleted without waiting for a kubelet', async () => {
    await addNode('n1')
    await addPod('p', { nodeName: 'n1' })
    await addPod('q', { nodeName: 'n1' })
    server.store.delete(pods, { namespace: 'ns', name: 'q' })
    expect(find(pods, 'q', 'ns')).toBeDefined()
    server.store.delete(nodes, { name: 'n1' })
    await settle()
    expect(server.store.list(pods, 'ns')).toEqual([])
  })

  it('are left for a while where the cluster is told to wait', async () => {
    const store = createTestStore(() => timers.now())
    store.define({ group: '', version: 'v1', kind: 'Pod', plural: 'pods', namespaced: true, strategy: plainStrategy })
    const create = async (): Promise<ApiObject> => {
      throw new Error('nothing is created here')
    }
    const gc = startPodGc({ store, timers, create }, { quarantineMs: 40_000 })
    const spec = { nodeName: 'late', containers: [] }
    const key = { namespace: 'ns', name: 'p' }
    store.create(pods, { apiVersion: 'v1', kind: 'Pod', metadata: key, spec })
    timers.advance(39_000)
    await gc.drained()
    expect(store.find(pods, key)).toBeDefined()
    timers.advance(1_000)
    await gc.drained()
    expect(store.find(pods, key)).toBeUndefined()
    await gc.stop()
  })
})

it('shows in a quota how much of it is used', async () => {
  await create(resourceQuotas, { metadata: { name: 'q', namespace: 'ns' }, spec: { hard: { pods: '3' } } })
  await addPod('p')
  expect(find(resourceQuotas, 'q', 'ns')?.['status']).toEqual({ hard: { pods: '3' }, used: { pods: '1' } })
})

describe('a DaemonSet', () => {
  const define = (template: Record<string, unknown> = {}, namespace = 'ns', metadata = {}): Promise<ApiObject> =>
    create(daemonSets, {
      metadata: { name: 'ds', namespace },
      spec: {
        selector: { matchLabels: { app: 'ds' } },
        template: {
          metadata: { labels: { app: 'ds' }, ...metadata },
          spec: { containers: [container], nodeSelector: { on: 'yes' }, ...template },
        },
      },
    })
  const listPods = (): Pod[] => server.store.list(pods, 'ns') as Pod[]
  const placed = (): string[] =>
    listPods()
      .map((pod) => pod.spec?.nodeName ?? '')
      .sort()
  const statusOf = (): unknown => find(daemonSets, 'ds', 'ns')?.['status']
  const makeReady = async (list = listPods()): Promise<void> => {
    const now = new Date(timers.now()).toISOString()
    const conditions = [{ type: 'Ready', status: 'True', lastTransitionTime: now }]
    for (const pod of list)
      edit(pods, pod, (copy) => Object.assign(copy, { status: { phase: 'Running', conditions } }), 'status')
    await settle()
  }
  const endPod = async (pod: Pod): Promise<void> => {
    server.store.delete(pods, { namespace: 'ns', name: pod.metadata.name }, { gracePeriodSeconds: 0 })
    await settle()
  }

  beforeEach(async () => {
    await addNode('n1', { on: 'yes' })
    await addNode('n2', { on: 'yes' })
    await addNode('n3')
  })

  it('has one pod on each node that its selector names', async () => {
    await define()
    await settle()
    expect(placed()).toEqual(['n1', 'n2'])
    const [pod] = listPods()
    expect(pod?.metadata.name).toMatch(/^ds-[a-z0-9]{5}$/)
    expect(pod?.metadata.labels).toMatchObject({
      app: 'ds',
      'controller-revision-hash': expect.stringMatching(/^\w{10}$/),
    })
    expect(pod?.metadata.ownerReferences).toMatchObject([{ kind: 'DaemonSet', name: 'ds', controller: true }])
    expect(pod?.spec?.tolerations?.map(({ key, effect }) => `${key}:${effect}`)).toEqual([
      'node.kubernetes.io/not-ready:NoExecute',
      'node.kubernetes.io/unreachable:NoExecute',
      'node.kubernetes.io/disk-pressure:NoSchedule',
      'node.kubernetes.io/memory-pressure:NoSchedule',
      'node.kubernetes.io/pid-pressure:NoSchedule',
      'node.kubernetes.io/unschedulable:NoSchedule',
    ])
    expect(server.store.list(controllerRevisions, 'ns')).toMatchObject([{ revision: 1 }])
  })

  it('gives its pods the annotations and finalizers of its template', async () => {
    const metadata = { annotations: { 'example.com/note': 'x' }, finalizers: ['example.com/wait'] }
    await define({}, 'ns', metadata)
    await settle()
    expect(listPods()[0]?.metadata).toMatchObject(metadata)
  })

  it('counts in its status', async () => {
    await define()
    await settle()
    const counts = {
      currentNumberScheduled: 2,
      desiredNumberScheduled: 2,
      numberMisscheduled: 0,
      observedGeneration: 1,
    }
    expect(statusOf()).toEqual({ ...counts, numberReady: 0, updatedNumberScheduled: 2, numberUnavailable: 2 })
    await makeReady()
    expect(statusOf()).toEqual({ ...counts, numberReady: 2, updatedNumberScheduled: 2, numberAvailable: 2 })
  })

  it('follows the labels of nodes', async () => {
    await define()
    await settle()
    edit(nodes, server.store.get(nodes, { name: 'n3' }), ({ metadata }) =>
      Object.assign(metadata, { labels: { on: 'yes' } }),
    )
    edit(nodes, server.store.get(nodes, { name: 'n1' }), ({ metadata }) => Object.assign(metadata, { labels: {} }))
    await settle()
    const going = listPods().filter((pod) => pod.metadata.deletionTimestamp !== undefined)
    expect(going.map((pod) => pod.spec?.nodeName)).toEqual(['n1'])
    expect(placed()).toEqual(['n1', 'n2', 'n3'])
  })

  it('leaves its pods on a cordoned node and starts none on a tainted one', async () => {
    await define()
    await settle()
    edit(nodes, server.store.get(nodes, { name: 'n1' }), (copy) =>
      Object.assign(copy, { spec: { unschedulable: true } }),
    )
    const taints = [{ key: 'k', effect: 'NoSchedule' }]
    edit(nodes, server.store.get(nodes, { name: 'n2' }), (copy) => Object.assign(copy, { spec: { taints } }))
    await settle()
    expect(listPods().filter((pod) => pod.metadata.deletionTimestamp !== undefined)).toEqual([])
    const onTainted = listPods().find((pod) => pod.spec?.nodeName === 'n2')
    if (onTainted === undefined) throw new Error('the pod is on n2')
    await endPod(onTainted)
    expect(placed()).toEqual(['n1'])
  })

  it('loses the pod of a node that is deleted, and gets one for a node that comes', async () => {
    await define()
    await settle()
    server.store.delete(nodes, { name: 'n2' })
    await addNode('n4', { on: 'yes' })
    await settle()
    expect(placed()).toEqual(['n1', 'n4'])
  })

  it('takes back a pod that was made for a node which went before it was placed', async () => {
    await define()
    await settle()
    const stranded = structuredClone(listPods().find((pod) => pod.spec?.nodeName === 'n2')!)
    server.store.delete(nodes, { name: 'n2' })
    await settle()
    delete stranded.spec!.nodeName
    stranded.metadata.name = 'ds-late'
    server.store.create(pods, stranded)
    await settle()
    expect(placed()).toEqual(['n1'])
  })

  it('replaces a failed pod, the second only after a pause', async () => {
    await define()
    await settle()
    const fail = async (): Promise<string> => {
      const pod = listPods().find((each) => each.spec?.nodeName === 'n1')
      if (pod === undefined) throw new Error('there is a pod on n1')
      edit(pods, pod, (copy) => Object.assign(copy, { status: { phase: 'Failed' } }), 'status')
      await settle()
      return pod.metadata.name
    }
    const first = await fail()
    expect(find(pods, first, 'ns')).toBeUndefined()
    expect(placed()).toEqual(['n1', 'n2'])
    const second = await fail()
    expect(find(pods, second, 'ns')).toBeDefined()
    timers.advance(1_000)
    await settle()
    expect(find(pods, second, 'ns')).toBeUndefined()
    expect(placed()).toEqual(['n1', 'n2'])
  })

  it('updates one node after the other', async () => {
    const daemonSet = await define()
    await settle()
    await makeReady()
    edit(daemonSets, daemonSet, (copy) => {
      const { template } = copy['spec'] as { template: { spec: { containers: { image: string }[] } } }
      template.spec.containers[0]!.image = 'i:2'
    })
    await settle()
    const going = listPods().filter((pod) => pod.metadata.deletionTimestamp !== undefined)
    expect(going).toHaveLength(1)
    await endPod(going[0]!)
    expect(listPods().filter((pod) => pod.metadata.deletionTimestamp !== undefined)).toEqual([])
    expect(new Set(listPods().map((pod) => pod.spec?.containers[0]?.image))).toEqual(new Set(['i:1', 'i:2']))
    await makeReady(listPods().filter((pod) => pod.spec?.containers[0]?.image === 'i:2'))
    const [last] = listPods().filter((pod) => pod.metadata.deletionTimestamp !== undefined)
    await endPod(last!)
    expect(listPods().map((pod) => pod.spec?.containers[0]?.image)).toEqual(['i:2', 'i:2'])
    expect(new Set(server.store.list(controllerRevisions, 'ns').map((each) => each['revision']))).toEqual(
      new Set([1, 2]),
    )
  })

  it('whose pods are refused says so, and goes on when they no longer are', async () => {
    edit(namespaces, server.store.get(namespaces, { name: 'ns' }), ({ metadata }) =>
      Object.assign(metadata, { labels: { 'pod-security.kubernetes.io/enforce': 'baseline' } }),
    )
    await define({ hostNetwork: true })
    await settle()
    expect(listPods()).toEqual([])
    const said = server.store.list(events, 'ns').filter((event) => event['reason'] === 'FailedCreate')
    expect(said.map((event) => event['message'])).toEqual([
      'Error creating: pods "ds-" is forbidden: violates PodSecurity "baseline:latest": host namespaces (hostNetwork=true)',
    ])
    edit(namespaces, server.store.get(namespaces, { name: 'ns' }), ({ metadata }) => {
      delete metadata.labels
    })
    timers.advance(5_000)
    await settle()
    expect(placed()).toEqual(['n1', 'n2'])
  })

  it('takes its pods with it', async () => {
    await define()
    await settle()
    server.store.delete(daemonSets, { namespace: 'ns', name: 'ds' })
    await settle()
    expect(listPods().every((pod) => pod.metadata.deletionTimestamp !== undefined)).toBe(true)
    expect(server.store.list(controllerRevisions, 'ns')).toEqual([])
  })
})
