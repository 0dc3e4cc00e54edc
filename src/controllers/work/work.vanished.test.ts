import { describe, expect, it } from 'vitest'
import { buildItem, buildLoaded } from '../../../test/builders/node-modules-config.ts'
import {
  buildFailure,
  buildReported,
  buildWorkerState,
  decideWork,
  findAction,
  loadIntent,
  typesOf,
  unloadIntent,
} from '../../../test/builders/work.ts'
import { getKernelModuleReadyNodeLabel } from '../../api/labels.ts'

const entry = buildItem()
const node = { labels: { role: 'worker', [getKernelModuleReadyNodeLabel('ns', 'mod')]: '' } }
const loaded = { entry, loaded: buildLoaded(), node, vanished: true }
const told = buildReported({ reason: 'ModuleVanished', attempt: 0, message: 'what was said' })

describe('a Module that vanished from a node that has it', () => {
  it('is told of by an event, and then in the status, and stays loaded', () => {
    const { actions } = decideWork(loaded)
    expect(typesOf(actions)).toEqual(['recordVanished', 'writeStatus'])
    expect(findAction(actions, 'writeStatus')).toMatchObject({
      modules: [buildLoaded()],
      workers: [{ reason: 'ModuleVanished', message: expect.stringContaining('create it again') as string }],
    })
  })

  it('is told of once', () => {
    const { actions } = decideWork(loaded)
    const [reported] = findAction(actions, 'writeStatus').workers
    expect(decideWork({ ...loaded, reported }, 5_000).actions).toEqual([])
  })

  it('is told of no more when it is there again, or is not wanted there any more', () => {
    expect(
      findAction(decideWork({ ...loaded, vanished: false, reported: told }).actions, 'writeStatus').workers,
    ).toEqual([])
    const unload = buildWorkerState(unloadIntent(), { kind: 'running' })
    const going = { loaded: buildLoaded(), vanished: true, reported: told, workers: [unload] }
    expect(findAction(decideWork(going).actions, 'writeStatus').workers).toEqual([])
  })

  it('leaves the word to a worker that fails for it', () => {
    const failed = buildWorkerState(loadIntent(), { kind: 'failed', failed: buildFailure() })
    const { actions } = decideWork({ entry, vanished: true, reported: told, workers: [failed] })
    expect(findAction(actions, 'writeStatus').workers).toMatchObject([{ reason: 'UnknownSymbol' }])
    expect(typesOf(actions)).not.toContain('recordVanished')
  })
})
