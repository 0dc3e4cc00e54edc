import type { Pod } from 'kubernetes-types/core/v1.js'
import { jobAttemptAnnotation, jobHashAnnotation, jobImageAnnotation } from '../../../api/annotations.ts'
import { resourceTypeLabel } from '../../../api/labels.ts'
import { describeError, hasCode, KmmError } from '../../../errors/error.ts'
import type { KubeClient } from '../../../kube/client.ts'
import { pods } from '../../../kube/core-resources.ts'
import type { ExecuteContext } from '../../../runtime/reconciler.ts'
import type { Caches } from '../../cluster/caches.ts'
import { explainRefusal } from '../../cluster/explain-refusal.ts'
import { listPullSecrets } from '../../cluster/pull-secrets.ts'
import type { ImageAction } from '../action.ts'
import { buildBuildPod } from './build-pod.ts'
import type { JobSettings } from './job-pod.ts'
import { findJobSources, type JobSources } from './job-sources.ts'
import type { JobRefusal } from './job.ts'
import { buildSignPod } from './sign-pod.ts'

type CreateJob = Extract<ImageAction, { type: 'createJob' }>

/** What jobs are made with. */
export interface JobTools {
  client: KubeClient
  caches: Pick<Caches, 'modules' | 'nodes' | 'pods'>
  jobSettings: JobSettings
  /** Refused pods of the ModuleImagesConfig, by image; written here, read by `observe`. */
  refusals: Map<string, JobRefusal>
}

const firstRefusalDelayMs = 5_000
const longestRefusalDelayMs = 300_000
const quotaAdvice = 'by what one build or sign pod needs'

/** What tells an attempt from every other: whose it is, of which kind, from which inputs, for which image, and its number. */
function describeAttempt({ metadata = {} }: Pod): string {
  const { labels = {}, annotations = {}, ownerReferences = [] } = metadata
  const owner = ownerReferences.find(({ controller }) => controller)?.uid ?? ''
  const named = [jobHashAnnotation, jobImageAnnotation, jobAttemptAnnotation].map((key) => annotations[key] ?? '')
  return JSON.stringify([owner, labels[resourceTypeLabel] ?? '', ...named])
}

async function createOrFind(pod: Pod, { client }: JobTools, signal: AbortSignal): Promise<Pod> {
  try {
    return await client.create(pods, pod, { signal })
  } catch (error) {
    if (!hasCode(error, 'AlreadyExists')) throw error
    return findMade(pod, error, client, signal)
  }
}

/** The pod that is there, where it is the one that was to be made. */
async function findMade(pod: Pod, cause: KmmError, client: KubeClient, signal: AbortSignal): Promise<Pod> {
  const { namespace = '', name = '' } = pod.metadata ?? {}
  const found = await client.get(pods, { namespace, name }, signal).catch((error: unknown) => {
    if (hasCode(error, 'NotFound')) return undefined
    throw error
  })
  if (found === undefined || found.metadata?.deletionTimestamp !== undefined) {
    const message = `pod ${name} is still being deleted; its successor is made when it is gone`
    throw new KmmError(message, { code: 'Conflict', cause })
  }
  if (describeAttempt(found) === describeAttempt(pod)) return found
  const message = `pod ${namespace}/${name} has the name that a pod of the operator needs, and is another: delete it`
  throw new KmmError(message, { code: 'Invalid', fate: 'terminal' })
}

function buildPod(
  { config, image: spec, job }: CreateJob,
  { module, architecture }: JobSources,
  settings: JobSettings,
  pullSecrets: readonly string[],
): Pod {
  const { hash, attempt, source } = job
  const common = { config, spec, module, architecture, hash, attempt }
  const isPushed = config.spec?.pushBuiltImage !== false
  if (job.type === 'BuildImage') {
    const target = isPushed ? job.target : undefined
    return buildBuildPod({ ...common, type: job.type, target, dockerfile: job.dockerfile }, settings, pullSecrets)
  }
  if (source === undefined) throw new KmmError(`nothing to sign for ${spec.image}`, { code: 'Internal' })
  const tls = source.isOwn ? spec.registryTLS : spec.sign?.unsignedImageRegistryTLS
  return buildSignPod({ ...common, type: job.type, source: { ...source, tls }, isPushed }, settings, pullSecrets)
}

type Refused = Pick<JobRefusal, 'reason' | 'message'>

function rememberRefusal({ image, job }: CreateJob, refused: Refused, { refusals }: JobTools, nowMs: number): void {
  const before = refusals.get(image.image)
  const attempts = (before?.hash === job.hash ? before.attempts : 0) + 1
  const delayMs = Math.min(firstRefusalDelayMs * 2 ** Math.min(attempts - 1, 10), longestRefusalDelayMs)
  refusals.set(image.image, { ...refused, hash: job.hash, attempts, untilMs: nowMs + delayMs })
}

/** Makes the pod, or finds it made; answers why it could not be had. */
async function makeOrExplain(action: CreateJob, tools: JobTools, signal: AbortSignal): Promise<Refused | undefined> {
  const sources = findJobSources(action.config, action.image, tools.caches)
  try {
    const pullSecrets = await listPullSecrets(sources, tools.client, signal)
    const pod = buildPod(action, sources, tools.jobSettings, pullSecrets)
    const made = await createOrFind(pod, tools, signal)
    tools.refusals.delete(action.image.image)
    tools.caches.pods.written(made)
    return undefined
  } catch (error) {
    if (hasCode(error, 'ConfigurationInvalid')) return { reason: 'BuilderUnavailable', message: describeError(error) }
    if (hasCode(error, 'ReferenceInvalid')) return { reason: 'JobPodRefused', message: describeError(error) }
    if (!hasCode(error, 'Forbidden', 'Invalid', 'NotFound')) throw error
    return { reason: 'JobPodRefused', message: explainRefusal(sources.namespace, error, quotaAdvice) }
  }
}

/**
 * Creates the pod of one attempt. The same attempt twice is the same pod; one that the API server refuses, or that cannot be
 * made at all, is remembered for the next pass, which reports it. Throws Forbidden then, to end the pass.
 */
export async function createJob(action: CreateJob, tools: JobTools, { signal, nowMs }: ExecuteContext): Promise<void> {
  const refused = await makeOrExplain(action, tools, signal)
  if (refused === undefined) return
  rememberRefusal(action, refused, tools, nowMs)
  const noun = action.job.type === 'BuildImage' ? 'build' : 'sign'
  throw new KmmError(`the ${noun} pod for image ${action.image.image} was refused: ${refused.message}`, {
    code: 'Forbidden',
  })
}
