import type { Pod } from 'kubernetes-types/core/v1.js'
import { describe, expect, it } from 'vitest'
import { makeBuildPod, makeSignPod, viewJob } from '../../../../test/builders/job.ts'
import { buildNode } from '../../../../test/builders/node.ts'
import { noState, runningState, terminated, waiting } from '../../../../test/builders/pod.ts'
import { describeBuilt, formatBuildReport } from '../../../image/build-report.ts'
import { formatSignReport } from '../../../image/sign-report.ts'
import { type ContainerStateView, type PodView, trimPod } from '../../cluster/pod-view.ts'
import { jobOfPod } from './job-of-pod.ts'
import type { JobState } from './job.ts'

const digest = `sha256:${'d'.repeat(64)}`
const build = makeBuildPod()
const sign = makeSignPod()

const viewState = (pod: Pod, state: ContainerStateView, changes: Partial<PodView> = {}): PodView => {
  const view = viewJob(pod, { phase: 'Running', ...changes })
  return { ...view, container: { ...view.container, state } }
}

const stateOf = (pod: Pod, state: ContainerStateView, changes: Partial<PodView> = {}): JobState | undefined =>
  jobOfPod(viewState(pod, state, changes), buildNode())?.state

/** A report that says that the program failed. */
const failure = (reason: string, more: object = {}): string =>
  JSON.stringify({ v: 1, outcome: 'failed', reason, message: 'the words', files: [], ...more })

const built = formatBuildReport(describeBuilt('built', digest))
const signed = formatSignReport({ v: 1, outcome: 'ok', reason: 'Signed', message: 'signed', digest, files: [] })

describe('a pod that makes an image', () => {
  it('is known by its label and says what it is for', () => {
    expect(jobOfPod(viewJob(makeBuildPod({ attempt: 3 })), buildNode())).toMatchObject({
      type: 'BuildImage',
      image: 'registry.test/mod:v1',
      hash: 'h'.repeat(64),
      attempt: 3,
      name: expect.stringMatching(/^mod-build-/),
      uid: 'uid-pod',
      createdAtMs: Date.parse('2030-01-01T00:00:00Z'),
      deleting: false,
      lost: false,
      finalizers: [],
    })
    expect(jobOfPod(viewJob(sign), buildNode())?.type).toBe('SignImage')
  })

  it('says whether it pushes what it makes', () => {
    const pods = [build, makeBuildPod({ target: undefined }), sign, makeSignPod({ isPushed: false })]
    expect(pods.map((pod) => jobOfPod(viewJob(pod), buildNode())?.isPushed)).toEqual([true, false, true, false])
  })

  it('is no other pod of a Module', () => {
    expect(jobOfPod(viewJob(build, { labels: {} }), buildNode())).toBeUndefined()
    const label = { 'kmm.node.kubernetes.io/resource-type': 'PullImage' }
    expect(jobOfPod(viewJob(build, { labels: label }), buildNode())).toBeUndefined()
  })

  it('may be an upstream operator’s, whose hash says nothing and whose finalizers somebody has to take off', () => {
    const upstream = viewJob(build, {
      annotations: { 'kmm.node.kubernetes.io/last-hash': '1234567890' },
      ownerKinds: ['ModuleBuildSignConfig'],
      finalizers: [
        'kmm.node.kubernetes.io/gc-delay',
        'example.com/other',
        'kmm.node.kubernetes.io/job-event-finalizer',
      ],
    })
    expect(jobOfPod(upstream, buildNode())).toMatchObject({
      hash: '',
      attempt: 0,
      image: '',
      finalizers: ['kmm.node.kubernetes.io/gc-delay', 'kmm.node.kubernetes.io/job-event-finalizer'],
    })
  })

  it.each(['0', '-1', '1.5', 'x', '99999999999'])('has no attempt "%s"', (attempt) => {
    const annotations = { ...viewJob(build).annotations, 'kmm.node.kubernetes.io/job-attempt': attempt }
    expect(jobOfPod(viewJob(build, { annotations }), buildNode())).toMatchObject({ hash: '', attempt: 0 })
  })
})

describe('a pod whose node', () => {
  it('is gone is lost', () => {
    expect(jobOfPod(viewState(build, runningState), undefined)?.lost).toBe(true)
  })

  it('is not known yet is not lost before it runs', () => {
    expect(jobOfPod(viewState(build, waiting('ContainerCreating')), undefined)?.lost).toBe(false)
  })

  it('does not answer is lost when it is deleted, and waited for before', () => {
    const node = buildNode({ ready: false })
    expect(jobOfPod(viewJob(build), node)?.lost).toBe(false)
    expect(jobOfPod(viewJob(build, { deleting: true }), node)?.lost).toBe(true)
    expect(jobOfPod(viewJob(build, { deleting: true }), buildNode())?.lost).toBe(false)
  })

  it('is not chosen yet is not lost', () => {
    expect(jobOfPod(viewJob(build, { nodeName: '' }), undefined)?.lost).toBe(false)
  })
})

describe('a job that does not run yet', () => {
  it('says nothing while all goes its way', () => {
    expect(stateOf(build, noState, { phase: 'Pending' })).toEqual({ kind: 'pending', message: '' })
    expect(stateOf(build, waiting('ContainerCreating'))).toEqual({ kind: 'pending', message: '' })
  })

  it('says why no node takes it', () => {
    const conditions = [
      {
        type: 'PodScheduled',
        status: 'False',
        reason: 'Unschedulable',
        message: '0/3 nodes are available: 3 Insufficient memory.',
      },
    ]
    const pod = { ...trimPod({ ...build, status: { phase: 'Pending', conditions } }), nodeName: '' }
    expect(jobOfPod(pod, undefined)?.state).toEqual({
      kind: 'pending',
      message:
        "no node takes the build pod (0/3 nodes are available: 3 Insufficient memory.): see build.selector, tolerations of the Module and job.build.resources in the operator's configuration; after a change of the latter, delete the pod",
    })
  })

  it.each(['ErrImagePull', 'ImagePullBackOff', 'InvalidImageName'])('says what to do about %s', (reason) => {
    expect(stateOf(build, waiting(reason, 'no such image'))).toMatchObject({
      message: expect.stringMatching(
        /^the builder image builder:test cannot be pulled .*no such image.*job\.build\.image/,
      ),
    })
    expect(stateOf(sign, waiting(reason, 'no such image'))).toMatchObject({
      message: expect.stringMatching(/^the worker image worker:test.*RELATED_IMAGE_WORKER/),
    })
  })

  it('says what its container lacks', () => {
    expect(stateOf(sign, waiting('CreateContainerConfigError', 'secret "x" not found'))).toMatchObject({
      message:
        'the sign pod cannot start (CreateContainerConfigError: secret "x" not found): see that the secrets which the Module names exist',
    })
  })

  it('runs when its container does', () => {
    expect(stateOf(build, runningState)).toEqual({ kind: 'running' })
  })
})

describe('a job that ended', () => {
  it('has succeeded with the digest that it reported, before its phase says so', () => {
    const finishedAtMs = Date.parse('2030-01-01T00:00:10Z')
    expect(stateOf(build, terminated(0, built))).toEqual({ kind: 'succeeded', digest, finishedAtMs })
    expect(stateOf(sign, terminated(0, signed))).toEqual({ kind: 'succeeded', digest, finishedAtMs })
  })

  it('has succeeded although its pod was evicted afterwards', () => {
    const evicted = { phase: 'Failed', reason: 'Evicted', message: 'The node was low on resource: memory.' }
    expect(stateOf(build, terminated(0, built), evicted)).toMatchObject({ kind: 'succeeded', digest })
  })

  it('has succeeded without a digest only where it was to push nothing', () => {
    const silent = formatBuildReport(describeBuilt('built', undefined))
    expect(stateOf(makeBuildPod({ target: undefined }), terminated(0, silent))).toMatchObject({
      kind: 'succeeded',
      digest: '',
    })
    expect(stateOf(build, terminated(0, silent))).toMatchObject({ kind: 'failed', reason: 'BuildFailed' })
    const unpushed = formatSignReport({ v: 1, outcome: 'ok', reason: 'Signed', message: 'signed', files: [] })
    expect(stateOf(makeSignPod({ isPushed: false }), terminated(0, unpushed))).toMatchObject({ kind: 'succeeded' })
    expect(stateOf(sign, terminated(0, unpushed))).toMatchObject({ kind: 'failed', reason: 'SignFailed' })
  })

  it.each([
    ['nothing', ''],
    ['something else', 'hello'],
    ['another program’s report', JSON.stringify({ v: 2, outcome: 'ok', digest })],
    [
      'a digest that is none',
      JSON.stringify({ v: 1, outcome: 'ok', reason: 'Signed', message: '', digest: 'sha256:1' }),
    ],
  ])('is not believed when it ends well and says %s', (_what, message) => {
    expect(stateOf(build, terminated(0, message))).toMatchObject({ kind: 'failed', reason: 'BuildFailed' })
    expect(stateOf(sign, terminated(0, message))).toMatchObject({
      kind: 'failed',
      reason: 'SignFailed',
      message: expect.stringContaining('without saying which image it made'),
    })
  })

  it('is not believed when it failed and its log reads like a report of success', () => {
    expect(stateOf(build, terminated(1, built))).toMatchObject({ kind: 'failed', reason: 'BuildFailed' })
    expect(stateOf(sign, terminated(1, signed))).toMatchObject({ kind: 'failed', reason: 'SignFailed' })
  })

  it.each([
    ['BuildFailed', 'BuildFailed'],
    ['BuilderUnavailable', 'BuilderUnavailable'],
    ['ImageNotFound', 'BuildFailed'],
    ['RegistryUnauthorized', 'RegistryUnauthorized'],
    ['RegistryUnreachable', 'RegistryUnreachable'],
    ['ImageInvalid', 'ImageInvalid'],
    ['ConfigurationInvalid', 'BuildFailed'],
    ['OutOfSpace', 'OutOfSpace'],
    ['Aborted', 'JobPodLost'],
    ['Surprise', 'BuildFailed'],
  ])('and built says %s: %s', (reported, reason) => {
    const text = failure(reported, { log: 'STEP 1\nmake: *** error' })
    expect(stateOf(build, terminated(1, text))).toMatchObject({
      kind: 'failed',
      reason,
      message: 'the words',
      log: 'STEP 1\nmake: *** error',
    })
  })

  it.each([
    ['SigningKeyInvalid', 'SigningKeyInvalid'],
    ['FilesToSignInvalid', 'FilesToSignInvalid'],
    ['ModuleFileInvalid', 'ImageInvalid'],
    ['ImageNotFound', 'UnsignedImageMissing'],
    ['LimitExceeded', 'ImageInvalid'],
    ['RegistryUnauthorized', 'RegistryUnauthorized'],
    ['ReferenceInvalid', 'SignFailed'],
    ['Aborted', 'JobPodLost'],
    ['Unknown', 'SignFailed'],
  ])('and signed says %s: %s', (reported, reason) => {
    expect(stateOf(sign, terminated(1, failure(reported)))).toMatchObject({ reason, message: 'the words', log: '' })
  })

  it('without a report shows the end of its log, without control characters', () => {
    const log = `${'x'.repeat(5000)}\nSTEP 2\n\u001b[31mgcc: not found\u001b[0m\n`
    const state = stateOf(build, terminated(127, log))
    expect(state).toMatchObject({
      reason: 'BuildFailed',
      message: 'the build pod ended with exit status 127: [31mgcc: not found [0m; see its log',
      log: expect.stringMatching(/STEP 2\n \[31mgcc: not found \[0m$/),
    })
    expect(Buffer.byteLength(state?.kind === 'failed' ? state.log : '')).toBeLessThanOrEqual(2048)
  })

  it('for want of memory says which setting to raise', () => {
    expect(stateOf(build, terminated(137, '', 'OOMKilled'))).toMatchObject({
      reason: 'BuildFailed',
      message: expect.stringContaining('raise job.build.resources.limits.memory'),
    })
    // The kernel may have killed only what the program had started.
    expect(stateOf(build, terminated(1, failure('BuildFailed'), 'OOMKilled'))).toMatchObject({
      message: expect.stringMatching(/ran out of memory: .*; the words$/),
    })
    expect(stateOf(sign, terminated(137, '', 'OOMKilled'))).toMatchObject({
      reason: 'SignFailed',
      message: expect.stringContaining('job.sign.resources.limits.memory'),
    })
  })
})

describe('a job whose pod came to its end before its work', () => {
  const endedAt = '2030-01-01T00:02:00Z'
  const end = (reason: string, message = ''): Partial<PodView> => ({ phase: 'Failed', reason, message, endedAt })

  it('is lost, with advice', () => {
    const disk = end('Evicted', 'The node was low on resource: ephemeral-storage.')
    expect(stateOf(build, noState, disk)).toEqual({
      kind: 'failed',
      reason: 'JobPodLost',
      message:
        "the build pod on node n1 came to its end before its work was done (Evicted: The node was low on resource: ephemeral-storage.); give nodes more disk, or raise job.build.resources.requests.ephemeral-storage in the operator's configuration",
      log: '',
      finishedAtMs: Date.parse(endedAt),
    })
    expect(stateOf(sign, noState, end('Evicted', 'low on resource: memory'))).toMatchObject({
      message: expect.stringContaining('raise job.sign.resources.requests.memory'),
    })
  })

  it.each(['NodeLost', 'DeadlineExceeded', 'OutOfcpu', 'UnexpectedAdmissionError', ''])('is lost by %s', (reason) => {
    expect(stateOf(build, noState, end(reason))).toMatchObject({ kind: 'failed', reason: 'JobPodLost' })
  })

  it('is lost although its container was killed with it', () => {
    const evicted = end('Evicted', 'The node was low on resource: memory.')
    expect(stateOf(build, terminated(137, 'STEP 1', 'Error'), evicted)).toMatchObject({
      reason: 'JobPodLost',
      log: 'STEP 1',
    })
    const gone = terminated(
      137,
      'The container could not be located when the pod was terminated',
      'ContainerStatusUnknown',
    )
    expect(stateOf(build, gone, end(''))).toMatchObject({ reason: 'JobPodLost' })
  })

  it('has failed by itself where it said so in time', () => {
    const evicted = end('Evicted', 'The node was low on resource: memory.')
    expect(stateOf(build, terminated(1, failure('BuildFailed')), evicted)).toMatchObject({ reason: 'BuildFailed' })
  })

  it('ended when its conditions last changed', () => {
    const conditions = [
      { type: 'Ready', status: 'False', lastTransitionTime: '2030-01-01T00:03:00Z' },
      { type: 'PodScheduled', status: 'True', lastTransitionTime: '2030-01-01T00:00:01Z' },
    ]
    const pod = trimPod({ ...build, status: { phase: 'Failed', conditions } })
    expect(jobOfPod(pod, buildNode())?.state).toMatchObject({ finishedAtMs: Date.parse('2030-01-01T00:03:00Z') })
  })
})
