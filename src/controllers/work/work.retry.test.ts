import { describe, expect, it } from 'vitest'
import { buildItem, buildLoaded } from '../../../test/builders/node-modules-config.ts'
import { hashKey } from '../../../test/builders/pod.ts'
import {
  buildFailure,
  buildReported,
  buildWorkerState,
  decideWork,
  findAction,
  loadIntent,
  otherImage,
  startMs,
  typesOf,
  unloadIntent,
  type WorkParts,
} from '../../../test/builders/work.ts'
import type { WorkerStatus } from '../../api/node-modules-config.ts'
import type { Refusal } from './observed.ts'
import { hashIntent } from './worker-intent.ts'
import type { WorkerState } from './worker-state.ts'

const entry = buildItem()
const reportedBy = (parts: WorkParts, afterMs = 0): readonly WorkerStatus[] =>
  findAction(decideWork(parts, afterMs).actions, 'writeStatus').workers
const load = (state: WorkerState) => buildWorkerState(loadIntent(), state)
const minute = 60_000

describe('a worker that fails', () => {
  const worker = load({ kind: 'failed', failed: { ...buildFailure(), attempt: 3 } })

  it('is reported with its reason, message and attempt, and left to the kubelet', () => {
    const { actions } = decideWork({ entry, workers: [worker] })
    expect(typesOf(actions)).toEqual(['writeStatus'])
    expect(findAction(actions, 'writeStatus').workers).toEqual([buildReported({ attempt: 3 })])
  })

  it('is not written about again while nothing changes', () => {
    expect(decideWork({ entry, workers: [worker], reported: buildReported({ attempt: 3 }) }, minute).actions).toEqual(
      [],
    )
  })

  it('keeps its since while the reason stays, and gets a new one with a new reason', () => {
    const since = '2029-12-31T23:00:00Z'
    expect(reportedBy({ entry, workers: [worker], reported: buildReported({ since }) })[0]?.since).toBe(since)
    const other = buildReported({ since, reason: 'ImageNotFound' })
    expect(reportedBy({ entry, workers: [worker], reported: other })[0]?.since).toBe('2030-01-01T00:00:00Z')
  })

  it('is told of while its next attempt runs', () => {
    expect(reportedBy({ entry, workers: [load({ kind: 'running', failed: buildFailure() })] })).toEqual([
      buildReported(),
    ])
  })

  it('is replaced after a quarter of an hour, for one that sees what changed around it', () => {
    const parts = { entry, workers: [worker], reported: buildReported({ attempt: 3 }) }
    expect(decideWork(parts, 15 * minute - 1).actions).toEqual([])
    expect(typesOf(decideWork(parts, 15 * minute).actions)).toEqual(['deletePod'])
    expect(decideWork(parts).waits).toEqual([expect.objectContaining({ untilMs: startMs + 15 * minute })])
  })

  const rows: [string, Partial<ReturnType<typeof buildFailure>>, string][] = [
    ['words', { text: 'panic!' }, 'the worker ended with exit code 1 (Error): panic!'],
    [
      'nothing',
      { text: '' },
      'the worker ended with exit code 1 (Error) and left no report; see its log with kubectl logs',
    ],
    [
      'no memory',
      { text: '', exitCode: 137, exitReason: 'OOMKilled' },
      'the worker was killed because it ran out of memory',
    ],
  ]
  it.each(rows)('is Unknown without a report: %s', (_title, changes, message) => {
    const { report: _none, ...failure } = buildFailure()
    const [reported] = reportedBy({ entry, workers: [load({ kind: 'failed', failed: { ...failure, ...changes } })] })
    expect(reported).toMatchObject({ reason: 'Unknown', message })
  })

  it('is not reported at any length', () => {
    const failed = buildFailure({ message: 'x'.repeat(5_000) })
    expect(reportedBy({ entry, workers: [load({ kind: 'failed', failed })] })[0]?.message).toHaveLength(1_024)
  })
})

describe('a worker pod that is pending', () => {
  const pulling = load({ kind: 'pending', reason: 'ImagePullBackOff', message: 'back-off', started: false })
  const creating = load({ kind: 'pending', reason: 'ContainerCreating', message: '', started: false })

  it('is reported at once when its image cannot be had', () => {
    expect(reportedBy({ entry, workers: [pulling] })).toEqual([
      buildReported({ reason: 'WorkerImageUnavailable', message: 'ImagePullBackOff back-off' }),
    ])
  })

  it('is reported after a minute for any other cause', () => {
    expect(decideWork({ entry, workers: [creating] }, minute - 1)).toEqual({
      actions: [],
      waits: [expect.objectContaining({ reason: 'WorkerPodPending', untilMs: startMs + minute })],
    })
    expect(reportedBy({ entry, workers: [creating] }, minute)[0]?.reason).toBe('WorkerPodPending')
  })

  it('is replaced after a quarter of an hour', () => {
    expect(typesOf(decideWork({ entry, workers: [pulling] }, 15 * minute).actions)).toContain('deletePod')
  })

  it.each(['WorkerPodRefused', 'WorkerImageUnavailable', 'DevicePluginStillRunning'])(
    'is %s no more once it runs',
    (reason) => {
      expect(reportedBy({ entry, workers: [load({ kind: 'running' })], reported: buildReported({ reason }) })).toEqual(
        [],
      )
    },
  )
})

describe('a worker pod that is lost', () => {
  const lost: WorkerState = { kind: 'lost', message: 'Evicted', started: true }
  const doubt = buildLoaded({ bootId: '' })

  it('stays half a minute as evidence, and is made again', () => {
    const parts = { entry, workers: [load(lost)] }
    expect(reportedBy(parts)).toEqual([buildReported({ reason: 'WorkerLost', message: 'Evicted' })])
    const reported = buildReported({ reason: 'WorkerLost', message: 'Evicted' })
    expect(decideWork({ ...parts, reported, loaded: doubt }, 29_000).actions).toEqual([])
    expect(typesOf(decideWork({ ...parts, reported, loaded: doubt }, 30_000).actions)).toEqual([
      'writeStatus',
      'deletePod',
    ])
  })

  it('leaves the doubt that it earned, because nobody may ask for another one', () => {
    const modulesAfter = (state: WorkerState) =>
      findAction(decideWork({ entry, workers: [load(state)] }).actions, 'writeStatus').modules
    expect(modulesAfter(lost)).toEqual([doubt])
    expect(modulesAfter({ ...lost, started: false })).toEqual([])
  })

  it('is made again ever later when it is lost again and again, but within five minutes', () => {
    const delays = [1, 2, 3, 4, 5, 50].map((attempt) => {
      const reported = buildReported({
        reason: 'WorkerLost',
        message: 'Evicted',
        attempt,
        since: '2029-01-01T00:00:00Z',
      })
      const [wait] = decideWork({ entry, workers: [load(lost)], reported }).waits
      return ((wait?.untilMs ?? 0) - startMs) / 1_000
    })
    expect(delays).toEqual([30, 60, 120, 240, 300, 300])
  })

  it('counts its attempts', () => {
    const reported = buildReported({ reason: 'WorkerLost', message: 'Evicted', attempt: 2 })
    expect(reportedBy({ entry, workers: [load(lost)], reported }, 10 * minute)[0]?.attempt).toBe(3)
  })

  it('with a report that cannot be believed is reported in the words that it left', () => {
    const { report: _none, ...failed } = buildFailure()
    const garbage: WorkerState = {
      ...lost,
      failed: { ...failed, exitCode: 0, exitReason: 'Completed', text: 'what\u001b[2J?' },
    }
    expect(reportedBy({ entry, workers: [load(garbage)] })).toEqual([
      buildReported({ reason: 'Unknown', message: 'the worker ended with exit code 0 (Completed): what [2J?' }),
    ])
  })

  it('is made again at once when the plan has changed', () => {
    const parts = { entry: buildItem({ imageRepoSecret: { name: 'new' } }), workers: [load(lost)] }
    expect(typesOf(decideWork({ ...parts, loaded: doubt }).actions)).toEqual(['deletePod'])
  })

  it('without a trace is simply made again', () => {
    expect(typesOf(decideWork({ entry }).actions)).toEqual(['createPod'])
    expect(findAction(decideWork({ loaded: buildLoaded() }).actions, 'createPod').intent.action).toBe('Unload')
  })
})

describe('a worker pod that the API server refused', () => {
  const refusal: Refusal = {
    podNamespace: 'ns',
    hash: hashIntent(hashKey, 'uid-n1', loadIntent()),
    reason: 'WorkerPodRefused',
    message: 'violates PodSecurity',
    attempt: 2,
    untilMs: startMs + 10_000,
  }

  it('is reported, and tried again when its time has come', () => {
    expect(reportedBy({ entry, refusal })).toEqual([
      buildReported({ reason: 'WorkerPodRefused', attempt: 2, message: 'violates PodSecurity' }),
    ])
    expect(typesOf(decideWork({ entry, refusal }, 9_999).actions)).toEqual(['writeStatus'])
    expect(findAction(decideWork({ entry, refusal }, 10_000).actions, 'createPod').refusedAttempts).toBe(2)
  })

  it('holds up no other pod', () => {
    const { actions } = decideWork({ entry: buildItem(otherImage), refusal })
    expect(findAction(actions, 'createPod').refusedAttempts).toBe(0)
  })
})

describe('a namespace that is going away', () => {
  const terminating = { namespaceTerminating: true }

  it("has its modules unloaded from the operator's namespace", () => {
    const { intent } = findAction(decideWork({ ...terminating, loaded: buildLoaded() }).actions, 'createPod')
    expect(intent).toEqual({ ...unloadIntent(), podNamespace: 'kmm-operator-system' })
  })

  it('knows the pod there again', () => {
    const intent = { ...unloadIntent(), podNamespace: 'kmm-operator-system' }
    const worker = buildWorkerState(intent, { kind: 'failed', failed: buildFailure() })
    const { actions } = decideWork({ ...terminating, loaded: buildLoaded(), workers: [worker] })
    expect(typesOf(actions)).toEqual(['writeStatus'])
  })

  it("has nothing loaded from the operator's namespace", () => {
    expect(findAction(decideWork({ ...terminating, entry }).actions, 'createPod').intent.podNamespace).toBe('ns')
  })
})

it('starts nothing on a node that is not ready, and says so', () => {
  expect(decideWork({ entry, node: { ready: false } })).toEqual({
    actions: [],
    waits: [{ reason: 'NodeNotReady', message: expect.stringMatching(/^node n1 is not ready/) }],
  })
})

it('forgets a failure once the module is loaded', () => {
  expect(reportedBy({ entry, loaded: buildLoaded(), reported: buildReported() })).toEqual([])
})
