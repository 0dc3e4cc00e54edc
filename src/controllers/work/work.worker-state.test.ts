import { describe, expect, it } from 'vitest'
import {
  buildContainer,
  noState,
  reportText,
  runningState,
  terminated,
  viewWorker,
  waiting,
} from '../../../test/builders/pod.ts'
import { loadIntent, unloadIntent } from '../../../test/builders/work.ts'
import type { PodView } from '../cluster/pod-view.ts'
import { readWorkerState, type WorkerState } from './worker-state.ts'

const view = (phase: string, container = buildContainer(noState), changes: Partial<PodView> = {}): PodView =>
  viewWorker(loadIntent(), { phase, container, ...changes })

const failedText = reportText({ outcome: 'failed', reason: 'ModuleInUse', message: 'busy' })

function summarise(state: WorkerState): string {
  if (state.kind === 'pending') return `pending ${state.reason}${state.started ? ' started' : ''}`
  const failed = 'failed' in state ? state.failed : undefined
  const attempt = failed ? ` attempt ${failed.attempt} ${failed.report?.reason ?? `exit ${failed.exitCode}`}` : ''
  if (state.kind === 'lost') return `lost (${state.message})${attempt}${state.started ? ' started' : ''}`
  if (state.kind === 'succeeded') return `succeeded ${state.report?.reason ?? 'without a report'}`
  return `${state.kind}${attempt}`
}

describe('the state of a worker pod, as the kubelet shows it', () => {
  const evicted = { reason: 'Evicted', message: 'The node was low on resource: memory.' }
  const rows: [string, PodView, string][] = [
    ['not seen by the kubelet yet', view('Pending'), 'pending '],
    ['being set up', view('Pending', buildContainer(waiting('ContainerCreating'))), 'pending ContainerCreating'],
    [
      'an image that cannot be pulled',
      view('Pending', buildContainer(waiting('ErrImagePull', 'no such host'))),
      'pending ErrImagePull',
    ],
    ['waiting to pull again', view('Pending', buildContainer(waiting('ImagePullBackOff'))), 'pending ImagePullBackOff'],
    ['running', view('Running', buildContainer(runningState)), 'running'],
    [
      'ended well, the phase not there yet',
      view('Running', buildContainer(terminated(0, reportText()))),
      'succeeded Loaded',
    ],
    ['ended well', view('Succeeded', buildContainer(terminated(0, reportText()))), 'succeeded Loaded'],
    ['failed once', view('Running', buildContainer(terminated(1, failedText))), 'failed attempt 1 ModuleInUse'],
    [
      'waiting after a failure',
      view('Running', buildContainer(waiting('CrashLoopBackOff'), terminated(1, failedText), 3)),
      'failed attempt 4 ModuleInUse',
    ],
    [
      'running again after a failure',
      view('Running', buildContainer(runningState, terminated(1, failedText), 3)),
      'running attempt 3 ModuleInUse',
    ],
    [
      'running again, the count not there yet',
      view('Running', buildContainer(runningState, terminated(1, failedText), 0)),
      'running attempt 1 ModuleInUse',
    ],
    ['out of memory', view('Running', buildContainer(terminated(137, '', 'OOMKilled'))), 'failed attempt 1 exit 137'],
    [
      'a report that is garbage',
      view('Running', buildContainer(terminated(1, '{"v":1,"boot'))),
      'failed attempt 1 Unknown',
    ],
    ['words that are no report', view('Running', buildContainer(terminated(1, 'panic!'))), 'failed attempt 1 exit 1'],
    [
      'started anew after the node went down',
      view('Running', buildContainer(waiting('ContainerCreating'), noState, 1)),
      'pending ContainerCreating started',
    ],
    [
      'refused by the kubelet',
      view('Failed', buildContainer(noState), { reason: 'OutOfcpu', message: 'no' }),
      'lost (OutOfcpu no)',
    ],
    [
      'evicted before it ran',
      view('Failed', buildContainer(noState), evicted),
      'lost (Evicted The node was low on resource: memory.)',
    ],
    [
      'evicted while it ran',
      view('Failed', buildContainer(terminated(137, ''), noState), evicted),
      'lost (Evicted The node was low on resource: memory.) started',
    ],
    [
      'failed as a whole, its container not told of',
      view('Failed', buildContainer(runningState), evicted),
      'lost (Evicted The node was low on resource: memory.) started',
    ],
    [
      'evicted between two attempts',
      view('Failed', buildContainer(terminated(1, failedText), noState, 2), evicted),
      'lost (Evicted The node was low on resource: memory.) attempt 3 ModuleInUse started',
    ],
    [
      'evicted after it had ended well',
      view('Failed', buildContainer(terminated(0, reportText())), evicted),
      'succeeded Loaded',
    ],
    ['its node unreachable', view('Unknown', buildContainer(runningState)), 'running'],
  ]
  it.each(rows)('%s', (_title, pod, expected) => {
    expect(summarise(readWorkerState(pod, 'own'))).toBe(expected)
  })
})

describe('a pod that ended without an error, but not with a report of its work', () => {
  const rows: [string, PodView, string][] = [
    ['nothing', view('Succeeded', buildContainer(terminated(0, ''))), 'exit 0'],
    ['words', view('Succeeded', buildContainer(terminated(0, 'done'))), 'exit 0'],
    ['a report that is cut', view('Succeeded', buildContainer(terminated(0, reportText().slice(0, 40)))), 'Unknown'],
    [
      'a report of a later version',
      view('Succeeded', buildContainer(terminated(0, '{"v":2,"outcome":"ok","action":"load"}'))),
      'Unknown',
    ],
    ['a report of a failure', view('Succeeded', buildContainer(terminated(0, failedText))), 'ModuleInUse'],
    [
      'a report of other work',
      view('Succeeded', buildContainer(terminated(0, reportText({ action: 'unload' })))),
      'exit 0',
    ],
  ]
  it.each(rows)('is lost when we made it: %s', (_title, pod, reason) => {
    expect(summarise(readWorkerState(pod, 'own'))).toBe(
      `lost (the worker ended without an error, and left no report of what it did) attempt 1 ${reason} started`,
    )
  })

  it.each(rows)('has done its work when upstream made it, whose workers report nothing: %s', (_title, pod) => {
    expect(readWorkerState(pod, 'upstream')).toEqual({ kind: 'succeeded' })
  })

  it('is told by its phase where its container is not shown', () => {
    expect(readWorkerState(view('Succeeded'), 'upstream')).toEqual({ kind: 'succeeded' })
    expect(summarise(readWorkerState(view('Succeeded'), 'own'))).toBe(
      'lost (the pod succeeded, and its container left no report) started',
    )
  })
})

it('takes a report of an unload from a pod that unloads', () => {
  const container = buildContainer(terminated(0, reportText({ action: 'unload', reason: 'Unloaded' })))
  expect(summarise(readWorkerState(viewWorker(unloadIntent(), { container }), 'own'))).toBe('succeeded Unloaded')
})
