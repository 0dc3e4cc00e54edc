import type { ServiceAccount } from 'kubernetes-types/core/v1.js'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { fillCaches, noDepartedWorkers, noLostConfigs } from '../../../test/builders/caches.ts'
import { buildNode, toNode } from '../../../test/builders/node.ts'
import { buildNodeConfig } from '../../../test/builders/node-modules-config.ts'
import { workerSettings } from '../../../test/builders/pod.ts'
import { loadIntent, startMs, unloadIntent } from '../../../test/builders/work.ts'
import type { NodeModulesConfig } from '../../api/node-modules-config.ts'
import { nodeModulesConfigs } from '../../api/resources.ts'
import { hasCode } from '../../errors/error.ts'
import { createMappingResolver } from '../../kernel/resolver.ts'
import { namespaces, nodes, pods, serviceAccounts } from '../../kube/core-resources.ts'
import { defineResource } from '../../kube/resource.ts'
import { type Sandbox, startSandbox } from '../../sandbox/sandbox.ts'
import type { Action } from './action.ts'
import { createWorkController } from './controller.ts'
import { execute, type WorkTools } from './execute.ts'
import type { Refusal } from './observed.ts'
import type { WorkerIntent } from './worker-intent.ts'

let sandbox: Sandbox
let config: NodeModulesConfig

beforeAll(async () => {
  sandbox = await startSandbox()
  const node = toNode(buildNode())
  await sandbox.client.create(nodes, { ...node, metadata: { name: 'n1', labels: node.metadata?.labels ?? {} } })
  const { apiVersion, kind } = buildNodeConfig()
  const resource = defineResource<NodeModulesConfig>(nodeModulesConfigs)
  config = await sandbox.client.create(resource, { apiVersion, kind, metadata: { name: 'n1' } } as NodeModulesConfig)
})

afterAll(() => sandbox.stop())

const signal = new AbortController().signal

async function makeNamespace(name: string, labels: Record<string, string> = {}): Promise<void> {
  await sandbox.client.create(namespaces, { apiVersion: 'v1', kind: 'Namespace', metadata: { name, labels } })
}

async function makeAccount(namespace: string, account: Partial<ServiceAccount> = {}): Promise<void> {
  const metadata = { namespace, name: 'loader' }
  await sandbox.client.create(serviceAccounts, { apiVersion: 'v1', kind: 'ServiceAccount', metadata, ...account })
}

const createAction = (intent: WorkerIntent, refusedAttempts = 0, hash = 'the hash'): Action => ({
  type: 'createPod',
  intent,
  hash,
  node: buildNode(),
  config,
  refusedAttempts,
})

function makeTools(): WorkTools & { refusals: Map<string, Refusal> } {
  const warn = (): void => undefined
  return {
    client: sandbox.client,
    caches: fillCaches({}),
    departed: noDepartedWorkers,
    settings: workerSettings,
    refusals: new Map(),
    madeAtMs: new Map(),
    warn,
  }
}

const intentIn = (namespace: string): WorkerIntent => loadIntent({ namespace, serviceAccountName: 'loader' })

async function refuse(namespace: string, refusedAttempts = 0): Promise<Refusal | undefined> {
  const tools = makeTools()
  const attempt = execute(createAction(intentIn(namespace), refusedAttempts), tools, { signal, nowMs: startMs })
  await expect(attempt).rejects.toThrow(/was refused/)
  return tools.refusals.get(`n1 ${namespace}/mod`)
}

describe('a worker pod that the API server refuses', () => {
  it('is remembered with what to do about the Pod Security level', async () => {
    await makeNamespace('restricted', { 'pod-security.kubernetes.io/enforce': 'baseline' })
    await makeAccount('restricted')
    expect((await refuse('restricted'))?.message).toMatch(
      /kubectl label --overwrite ns "restricted" pod-security\.kubernetes\.io\/enforce=privileged$/,
    )
  })

  it('is remembered with what to do about a missing service account', async () => {
    await makeNamespace('unmanned')
    expect((await refuse('unmanned'))?.message).toMatch(
      /serviceaccount "loader" not found; create the service account, or name another in spec\.moduleLoader\.serviceAccountName$/,
    )
  })

  it('is remembered when there is no such namespace', async () => {
    expect((await refuse('nowhere'))?.message).toMatch(/"nowhere" not found/)
  })

  it('waits twice as long after each refusal, but at most five minutes', async () => {
    await makeNamespace('slow')
    const refusals = await Promise.all([0, 1, 2, 5, 60].map((attempts) => refuse('slow', attempts)))
    expect(refusals.map((refusal) => refusal?.attempt)).toEqual([1, 2, 3, 6, 61])
    expect(refusals.map((refusal) => ((refusal?.untilMs ?? 0) - startMs) / 1_000)).toEqual([5, 10, 20, 160, 300])
  })

  it('is forgotten once it is accepted', async () => {
    await makeNamespace('mended')
    const tools = makeTools()
    const context = { signal, nowMs: startMs }
    await execute(createAction(intentIn('mended')), tools, context).catch(() => undefined)
    expect(tools.refusals.size).toBe(1)
    await makeAccount('mended')
    await execute(createAction(intentIn('mended')), tools, context)
    expect(tools.refusals.size).toBe(0)
  })

  it("is tried at once when somebody changes the namespace's Pod Security level, as its message says", async () => {
    const namespace = { metadata: { name: 'strict', uid: 'uid-strict', resourceVersion: '1' } }
    const enforce = { 'pod-security.kubernetes.io/enforce': 'privileged' }
    const refusal = {
      podNamespace: 'strict',
      hash: 'the hash',
      reason: 'WorkerPodRefused' as const,
      message: '',
      attempt: 9,
      untilMs: startMs + 300_000,
    }
    const caches = fillCaches({ namespaces: [namespace], nodeModulesConfigs: [buildNodeConfig()] })
    const refusals = new Map([
      ['n1 strict/mod', refusal],
      ['n1 other/mod', { ...refusal, podNamespace: 'other' }],
    ])
    const sources = {
      caches,
      resolver: createMappingResolver(),
      lost: noLostConfigs,
      departed: noDepartedWorkers,
      hashKey: Buffer.alloc(32),
      operatorNamespace: 'kmm',
      imageSource: 'worker' as const,
      refusals,
      madeAtMs: new Map(),
    }
    const woken: string[] = []
    createWorkController(sources, { ...makeTools(), refusals }).watch(
      (key) => woken.push(key),
      () => undefined,
    )
    caches.namespaces.written({ metadata: { ...namespace.metadata, resourceVersion: '2', labels: enforce } })
    expect([...refusals.keys()]).toEqual(['n1 other/mod'])
    expect(woken).toEqual(['n1'])
  })
})

describe('a worker pod that is made', () => {
  it("gets the Module's pull secret, then those of the account", async () => {
    await makeNamespace('secrets')
    await makeAccount('secrets', { imagePullSecrets: [{ name: 'of-account' }, { name: 'own' }] })
    const intent = loadIntent({ namespace: 'secrets', serviceAccountName: 'loader', imageRepoSecret: { name: 'own' } })
    const tools = makeTools()
    await execute(createAction(intent), tools, { signal, nowMs: startMs })
    const [pod] = (await sandbox.client.list(pods, { namespace: 'secrets' })).items
    expect(pod?.spec?.imagePullSecrets).toEqual([{ name: 'own' }, { name: 'of-account' }])
    expect(tools.caches.pods.list().map(({ name }) => name)).toEqual(['kmm-worker-n1-mod'])
  })

  it('is made once, and a second time only under another name for other work', async () => {
    await makeNamespace('twice')
    await makeAccount('twice')
    const tools = makeTools()
    const make = (action: Action) => execute(action, tools, { signal, nowMs: startMs })
    await make(createAction(intentIn('twice')))
    await make(createAction(intentIn('twice')))
    expect((await sandbox.client.list(pods, { namespace: 'twice' })).items).toHaveLength(1)
    await make(createAction(intentIn('twice'), 0, 'another hash'))
    const names = (await sandbox.client.list(pods, { namespace: 'twice' })).items.map(({ metadata }) => metadata?.name)
    expect(names).toEqual(['kmm-worker-n1-mod', expect.stringMatching(/^kmm-worker-n1-mod-[0-9a-f]{8}$/)])
  })

  it('waits where another worker of the Module is there that has not been seen yet', async () => {
    await makeNamespace('unseen')
    await makeAccount('unseen')
    const make = (hash: string) =>
      execute(createAction(intentIn('unseen'), 0, hash), makeTools(), { signal, nowMs: startMs })
    await make('the hash')
    const error: unknown = await make('another hash').catch((reason: unknown) => reason)
    expect(hasCode(error, 'Conflict')).toBe(true)
    expect((await sandbox.client.list(pods, { namespace: 'unseen' })).items).toHaveLength(1)
  })

  it("is as old as the operator's own clock says", async () => {
    await makeNamespace('late')
    await makeAccount('late')
    const tools = makeTools()
    await execute(createAction(intentIn('late')), tools, { signal, nowMs: startMs })
    expect([...tools.madeAtMs]).toEqual([[tools.caches.pods.list()[0]?.uid, startMs]])
  })

  it('comes after the one of that name that is still being deleted', async () => {
    await makeNamespace('leaving')
    await makeAccount('leaving')
    const tools = makeTools()
    const context = { signal, nowMs: startMs }
    await execute(createAction(intentIn('leaving')), tools, context)
    const [pod] = tools.caches.pods.list()
    await execute(
      { type: 'deletePod', namespace: 'leaving', name: pod?.name ?? '', uid: pod?.uid ?? '' },
      tools,
      context,
    )
    expect(tools.caches.pods.list(), 'a pod that still runs stays in sight').toMatchObject([{ deleting: true }])
    const next = unloadIntent({ namespace: 'leaving', serviceAccountName: 'loader' })
    const error: unknown = await execute(createAction(next, 0, 'next'), tools, context).catch(
      (reason: unknown) => reason,
    )
    expect(hasCode(error, 'Conflict')).toBe(true)
    expect(tools.refusals.size).toBe(0)
  })
})
