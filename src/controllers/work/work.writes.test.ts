import type { Node } from 'kubernetes-types/core/v1.js'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { fillCaches, noDepartedWorkers } from '../../../test/builders/caches.ts'
import { buildNode } from '../../../test/builders/node.ts'
import { buildLoaded, buildModuleConfig, buildNodeConfig } from '../../../test/builders/node-modules-config.ts'
import { workerSettings } from '../../../test/builders/pod.ts'
import { startMs } from '../../../test/builders/work.ts'
import { KmmError, type ErrorCode } from '../../errors/error.ts'
import type { KubeClient } from '../../kube/client.ts'
import { nodes } from '../../kube/core-resources.ts'
import { type Sandbox, startSandbox } from '../../sandbox/sandbox.ts'
import type { Action } from './action.ts'
import { execute, type WorkTools } from './execute.ts'

let sandbox: Sandbox
beforeAll(async () => {
  sandbox = await startSandbox()
})
afterAll(() => sandbox.stop())

const signal = new AbortController().signal
const context = { signal, nowMs: startMs }

function makeTools(changes: Partial<WorkTools>): WorkTools {
  const refusals: WorkTools['refusals'] = new Map()
  return {
    client: sandbox.client,
    caches: fillCaches({}),
    departed: noDepartedWorkers,
    settings: workerSettings,
    refusals,
    madeAtMs: new Map(),
    warn: (message) => {
      throw new Error(message)
    },
    ...changes,
  }
}

describe('a label of a node that had none when it was last seen', () => {
  async function makeNode(name: string, bootID: string): Promise<void> {
    await sandbox.client.create(nodes, { apiVersion: 'v1', kind: 'Node', metadata: { name } })
    const body = { status: { nodeInfo: { bootID } } }
    await sandbox.client.patch(nodes, { name }, { type: 'merge', body }, { subresource: 'status' })
  }

  async function label(name: string, changes: Partial<WorkTools> = {}): Promise<Node['metadata']> {
    const caches = fillCaches({ nodes: [buildNode({ name, labels: {} })] })
    const action: Action = { type: 'labelNode', node: name, labels: { ready: '' }, bootId: 'boot-1' }
    await execute(action, makeTools({ caches, ...changes }), context)
    return (await sandbox.client.get(nodes, { name })).metadata
  }

  const labelByOther = (name: string) =>
    sandbox.client.patch(nodes, { name }, { type: 'merge', body: { metadata: { labels: { role: 'worker' } } } })

  it('is set', async () => {
    await makeNode('bare', 'boot-1')
    expect((await label('bare'))?.labels).toEqual({ ready: '' })
  })

  it('takes nothing away that somebody else has set meanwhile', async () => {
    await makeNode('meanwhile', 'boot-1')
    await labelByOther('meanwhile')
    expect((await label('meanwhile'))?.labels).toEqual({ role: 'worker', ready: '' })
  })

  it('is not set where anything of the node changes meanwhile', async () => {
    await makeNode('racing', 'boot-1')
    const client: KubeClient = {
      ...sandbox.client,
      get: (...given) => sandbox.client.get(...given),
      patch: async (...given) => {
        await labelByOther('racing')
        return sandbox.client.patch(...given)
      },
    }
    await expect(label('racing', { client })).rejects.toMatchObject({ code: 'Conflict' })
    expect((await sandbox.client.get(nodes, { name: 'racing' })).metadata?.labels).toEqual({ role: 'worker' })
  })

  it('is not set in another boot', async () => {
    await makeNode('rebooted', 'boot-2')
    await expect(label('rebooted')).rejects.toMatchObject({ code: 'Conflict' })
    expect((await sandbox.client.get(nodes, { name: 'rebooted' })).metadata?.labels).toBeUndefined()
  })
})

describe('an event that the API server refuses', () => {
  const module = { namespace: 'ns', name: 'mod' }
  const node = buildNode()
  const config = buildNodeConfig()
  const actions: Action[] = [
    { type: 'recordEvent', node, podUid: 'uid', reason: 'ModuleLoaded', ...module },
    { type: 'recordVanished', node, config, message: 'words', ...module },
    { type: 'recordLeft', node, config, loaded: { ...buildLoaded(), config: buildModuleConfig() }, why: 'words' },
  ]
  const refusing = (code: ErrorCode): KubeClient => ({
    ...sandbox.client,
    create: () => Promise.reject(new KmmError('exceeded quota', { code })),
  })

  it.each(actions)('is written into the log, and the pass goes on: $type', async (action) => {
    for (const code of ['Forbidden', 'Invalid'] as const) {
      const said: string[] = []
      const warn = (message: string): number => said.push(message)
      await execute(action, makeTools({ client: refusing(code), warn }), context)
      expect(said).toEqual([expect.stringMatching(/^event Module\w+ of Node n1 was refused: .*exceeded quota/)])
    }
  })

  it.each(actions)('is tried again where the API server only failed: $type', async (action) => {
    const client = refusing('ServerError')
    await expect(execute(action, makeTools({ client }), context)).rejects.toThrow('exceeded quota')
  })
})
