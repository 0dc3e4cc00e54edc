import { expect, it } from 'vitest'
import { fillCaches } from '../../../test/builders/caches.ts'
import { buildModule, buildPluginModule } from '../../../test/builders/module.ts'
import type { Module } from '../../api/module.ts'
import type { KubeClient } from '../../kube/client.ts'
import { KmmError } from '../../errors/error.ts'
import { createWorkloadRefusals } from '../cluster/refusals.ts'
import { createWorkloadsController } from './controller.ts'
import { type Action, decide } from './decide.ts'
import { execute } from './execute.ts'
import { observe } from './observe.ts'

const module = buildPluginModule()
const refusing = (code: 'Invalid' | 'Forbidden' | 'Conflict') => ({
  create: () => Promise.reject(new KmmError('the API server says no', { code })),
})

function open(of: Module, code: 'Invalid' | 'Forbidden' | 'Conflict' = 'Invalid') {
  const caches = fillCaches({ modules: [of] })
  const refusals = createWorkloadRefusals()
  const tools = { caches, refusals, client: refusing(code) as Partial<KubeClient> as KubeClient }
  const look = (nowMs: number) => decide(observe('ns/mod', { caches, refusals }), nowMs)
  const act = (action: Action | undefined): Promise<void> => {
    if (action === undefined) throw new Error('nothing is done')
    return execute(action, tools, { signal: AbortSignal.timeout(5_000), nowMs: 0 })
  }
  const find = (type: Action['type']) => look(0).actions.find((action) => action.type === type)
  return { tools, refusals, look, act, find, caches }
}
const typesOf = ({ actions }: { actions: readonly Action[] }): string[] => actions.map(({ type }) => type)

it('leaves a DaemonSet that was refused alone for a while, and says so', async () => {
  const { look, act, find } = open(module)
  await act(find('createDaemonSet'))
  expect(look(1)).toMatchObject({
    actions: [],
    waits: [{ reason: 'DaemonSetRefused', message: 'the API server says no', untilMs: 300_000 }],
  })
  expect(typesOf(look(300_000))).toEqual(['createServiceAccount', 'createDaemonSet'])
})

it('tries at once when the Module changes, and forgets what it no longer asks for', async () => {
  const { refusals, act, find } = open(module)
  await act(find('createDaemonSet'))
  const changed = { ...module, metadata: { ...module.metadata, generation: 7 } }
  const lookAt = (of: Module) => decide(observe('ns/mod', { caches: fillCaches({ modules: [of] }), refusals }), 1)
  expect(typesOf(lookAt(changed))).toContain('createDaemonSet')
  expect(lookAt(buildModule())).toEqual({ actions: [], waits: [] })
})

it('tells of a service account that is refused, and makes no DaemonSet without it', async () => {
  const { look, act, find } = open(module, 'Forbidden')
  await expect(act(find('createServiceAccount'))).rejects.toThrow('says no')
  expect(look(1).waits).toMatchObject([{ reason: 'DaemonSetRefused' }])
})

it('does not take for a refusal what goes well the next time', async () => {
  const { look, act, find } = open(module, 'Conflict')
  await expect(act(find('createDaemonSet'))).rejects.toThrow('says no')
  expect(look(1).waits).toEqual([])
})

it('is woken by a refusal: nothing else may ever wake it', () => {
  const { tools, refusals } = open(module)
  const nudged: string[] = []
  createWorkloadsController(tools).watch(
    () => undefined,
    (key) => void nudged.push(key),
  )
  const refusal = { message: 'no', untilMs: 1 }
  refusals.daemonSets.set('ns/mod', 'dra', { ...refusal, module: {} })
  refusals.deviceClasses.set('ns/other', 'gpu', { ...refusal, wanted: {} })
  expect(nudged).toEqual(['ns/mod', 'ns/other'])
})
