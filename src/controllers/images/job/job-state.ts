import { jobNoPushAnnotation } from '../../../api/annotations.ts'
import type { Reason } from '../../../errors/reason.ts'
import { type BuildReason, cutLog, parseBuildReport } from '../../../image/build-report.ts'
import { parseSignReport, type SignReason } from '../../../image/sign-report.ts'
import { cleanText } from '../../../kmod/clean-text.ts'
import type { ContainerStateView, PodView } from '../../cluster/pod-view.ts'
import { findPending } from './job-pending.ts'
import type { JobState, JobType } from './job.ts'

type Terminated = Extract<ContainerStateView, { kind: 'terminated' }>
type Failed = Extract<JobState, { kind: 'failed' }>

/** What the program in a pod says that it did, whichever program. */
interface Report {
  outcome: 'ok' | 'failed'
  reason: Reason
  message: string
  digest: string
  log: string
}

/** The reasons of both programs, and what the Module says of them. */
const reasons: Readonly<Record<BuildReason | SignReason, Reason | 'job'>> = {
  Built: 'job',
  Signed: 'job',
  BuildFailed: 'BuildFailed',
  BuilderUnavailable: 'BuilderUnavailable',
  SigningKeyInvalid: 'SigningKeyInvalid',
  FilesToSignInvalid: 'FilesToSignInvalid',
  ModuleFileInvalid: 'ImageInvalid',
  ImageNotFound: 'job',
  ImageInvalid: 'ImageInvalid',
  LimitExceeded: 'ImageInvalid',
  ReferenceInvalid: 'job',
  RegistryUnauthorized: 'RegistryUnauthorized',
  RegistryUnreachable: 'RegistryUnreachable',
  ConfigurationInvalid: 'job',
  OutOfSpace: 'OutOfSpace',
  // It was told to stop: the pod was deleted, or its node went down.
  Aborted: 'JobPodLost',
  Unknown: 'job',
}

const ownReasons: Readonly<Record<JobType, Reason>> = { BuildImage: 'BuildFailed', SignImage: 'SignFailed' }
const nouns: Readonly<Record<JobType, string>> = { BuildImage: 'build', SignImage: 'sign' }
const mostMessage = 2000

function mapReason(type: JobType, reason: BuildReason | SignReason): Reason {
  // What a build starts from it does not find: that is the Dockerfile's fault. What is to be signed is missing by itself.
  if (type === 'SignImage' && reason === 'ImageNotFound') return 'UnsignedImageMissing'
  const mapped = reasons[reason]
  return mapped === 'job' ? ownReasons[type] : mapped
}

function readReport(type: JobType, text: string): Report | undefined {
  if (type === 'BuildImage') {
    const report = parseBuildReport(text)
    if (report === undefined) return undefined
    const { outcome, message, digest = '', log = '' } = report
    return { outcome, reason: mapReason(type, report.reason), message, digest, log }
  }
  const report = parseSignReport(text)
  if (report === undefined) return undefined
  const { outcome, message, digest = '' } = report
  return { outcome, reason: mapReason(type, report.reason), message, digest, log: '' }
}

/** Memory ran out: the kernel killed the program, or something that it ran. */
function explainMemory(type: JobType): string {
  const key = `job.${nouns[type]}.resources`
  return `the ${nouns[type]} ran out of memory: raise ${key}.limits.memory in the operator's configuration, or, where it sets no limit, ${key}.requests.memory, so that a node with more of it is chosen`
}

/** Ends of pods that say nothing of what the pod did (kubelet, node lifecycle controller, garbage collector of pods). */
const losses: ReadonlySet<string> = new Set([
  'Evicted',
  'Preempting',
  'NodeLost',
  'NodeShutdown',
  'Terminated',
  'Shutdown',
  'ContainerStatusUnknown',
  'UnexpectedAdmissionError',
  'NodeAffinity',
  'DeadlineExceeded',
])

const isLoss = (reason: string): boolean => losses.has(reason) || reason.startsWith('OutOf')

function adviseLoss(type: JobType, reason: string, text: string): string {
  const key = `job.${nouns[type]}.resources`
  if (reason === 'Evicted' && /ephemeral|disk|storage|imagefs|nodefs/i.test(text))
    return `; give nodes more disk, or raise ${key}.requests.ephemeral-storage in the operator's configuration`
  if (reason === 'Evicted' && /memory/i.test(text))
    return `; raise ${key}.requests.memory in the operator's configuration, so that a node with more of it is chosen`
  if (reason === 'DeadlineExceeded') return '; something gave the pod a deadline: look for activeDeadlineSeconds'
  return '; it is made anew'
}

function describeLoss(type: JobType, { reason, message, nodeName }: PodView, container: string): string {
  const where = nodeName === '' ? '' : ` on node ${nodeName}`
  const word = reason === '' ? container : reason
  const said = cleanText(message, 500)
  const why = [word, said].filter((part) => part !== '').join(': ')
  return `the ${nouns[type]} pod${where} came to its end before its work was done (${why})${adviseLoss(type, word, said)}`
}

const fail = (reason: Reason, message: string, log: string, at: string): Failed => ({
  kind: 'failed',
  reason,
  message: cleanText(message, mostMessage),
  log: cutLog(log),
  finishedAtMs: Date.parse(at) || 0,
})

function describeEnd(type: JobType, { exitCode, reason, message }: Terminated): string {
  const log = cutLog(message).split('\n').at(-1)?.trim() ?? ''
  const words = log === '' ? '' : `: ${log}`
  if (exitCode === 0) return `the ${nouns[type]} pod ended well without saying which image it made${words}; see its log`
  const aside = reason === '' || reason === 'Error' ? '' : ` (${reason})`
  return `the ${nouns[type]} pod ended with exit status ${exitCode}${aside}${words}; see its log`
}

/** A container that ended without a word that can be believed. */
function failWithoutReport(type: JobType, pod: PodView, terminated: Terminated, at: string): Failed {
  const { reason, message } = terminated
  const log = terminated.exitCode === 0 ? '' : message
  if (reason === 'OOMKilled') return fail(ownReasons[type], explainMemory(type), log, at)
  if (isLoss(pod.reason) || isLoss(reason)) return fail('JobPodLost', describeLoss(type, pod, reason), log, at)
  return fail(ownReasons[type], describeEnd(type, terminated), log, at)
}

const endOf = (pod: PodView, { finishedAt }: { finishedAt: string } = { finishedAt: '' }): string =>
  finishedAt || pod.endedAt || pod.createdAt

/** True for a pod that pushes what it makes: its success needs the digest of that. */
export const isPushing = (pod: Pick<PodView, 'annotations'>): boolean =>
  pod.annotations[jobNoPushAnnotation] === undefined

function readEnd(type: JobType, pod: PodView, terminated: Terminated): JobState {
  const at = endOf(pod, terminated)
  const report = readReport(type, terminated.message)
  if (report?.outcome === 'failed') {
    const isMemory = terminated.reason === 'OOMKilled'
    const message = isMemory ? `${explainMemory(type)}; ${report.message}` : report.message
    return fail(report.reason, message, report.log, at)
  }
  // Where a program fails without a report the kubelet takes its log for one, and in that anybody may have written anything.
  if (report === undefined || terminated.exitCode !== 0) return failWithoutReport(type, pod, terminated, at)
  if (isPushing(pod) && report.digest === '') return failWithoutReport(type, pod, terminated, at)
  return { kind: 'succeeded', digest: report.digest, finishedAtMs: Date.parse(at) || 0 }
}

/**
 * What has become of a build or sign pod: first what its container says, then the pod's phase, which lags behind it. Only a
 * container that ended with 0 and reported a digest, where it was to push, has succeeded. Everything that it says is hostile and comes out bounded.
 */
export function readJobState(type: JobType, pod: PodView): JobState {
  const { state } = pod.container
  if (state.kind === 'terminated') return readEnd(type, pod, state)
  if (pod.phase === 'Failed' || pod.phase === 'Succeeded')
    return fail('JobPodLost', describeLoss(type, pod, ''), '', endOf(pod))
  if (state.kind === 'running') return { kind: 'running' }
  return { kind: 'pending', message: findPending(type, pod) }
}
