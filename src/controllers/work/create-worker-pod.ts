import type { Pod } from 'kubernetes-types/core/v1.js'
import { moduleNameLabel } from '../../api/labels.ts'
import { hasCode, KmmError } from '../../errors/error.ts'
import { pods } from '../../kube/core-resources.ts'
import type { ExecuteContext } from '../../runtime/reconciler.ts'
import { explainRefusal } from '../cluster/explain-refusal.ts'
import { listPullSecrets } from '../cluster/pull-secrets.ts'
import type { Action } from './action.ts'
import type { WorkTools } from './execute.ts'
import { isImageVolumeDropped } from './image-volume.ts'
import type { Refusal } from './observed.ts'
import { refusalKey } from './observe.ts'
import { refuseUnderPlugins } from './late-plugins.ts'
import { buildWorkerPod } from './worker-pod.ts'
import { alternativeWorkerPodName, workerPodName } from './worker-name.ts'

type CreatePod = Extract<Action, { type: 'createPod' }>

const firstRefusalDelayMs = 5_000
const longestRefusalDelayMs = 300_000
const quotaAdvice = 'by one pod for each node'

const includes = (found: Record<string, string> = {}, wanted: Record<string, string> = {}): boolean =>
  Object.entries(wanted).every(([key, value]) => found[key] === value)

const ownerUidOf = ({ metadata }: Pod): string | undefined => metadata?.ownerReferences?.[0]?.uid

/** The pod that is there is the one that was to be made: same node, module, owner and configuration. */
function isOurs(found: Pod, wanted: Pod): boolean {
  return (
    found.spec?.nodeName === wanted.spec?.nodeName &&
    ownerUidOf(found) === ownerUidOf(wanted) &&
    includes(found.metadata?.labels, wanted.metadata?.labels) &&
    includes(found.metadata?.annotations, wanted.metadata?.annotations)
  )
}

async function create(pod: Pod, tools: WorkTools, { signal, nowMs }: ExecuteContext): Promise<Pod> {
  const created = await tools.client.create(pods, pod, { signal })
  tools.madeAtMs.set(created.metadata?.uid ?? '', nowMs)
  return created
}

/** Why the pod of that name, which is not what was to be made, has to be waited for. */
function explainWait({ metadata }: Pod, { caches }: WorkTools): string | undefined {
  const { namespace = '', name = '', uid, labels, deletionTimestamp } = metadata ?? {}
  if (deletionTimestamp !== undefined)
    return `pod ${name} is still being deleted; its successor is made when it is gone`
  // Another worker of the Module may be at work there, made by the operator that led before.
  const isUnseen = labels?.[moduleNameLabel] !== undefined && caches.pods.get({ namespace, name })?.uid !== uid
  return isUnseen ? `pod ${name} is there, and has not been seen yet` : undefined
}

/** Creates the pod under the first name that nobody else's pod has. */
async function createNamed(
  names: readonly string[],
  build: (name: string) => Pod,
  tools: WorkTools,
  context: ExecuteContext,
): Promise<Pod> {
  const [name = '', ...alternatives] = names
  const pod = build(name)
  try {
    return await create(pod, tools, context)
  } catch (error) {
    if (!hasCode(error, 'AlreadyExists')) throw error
    const found = await tools.client.get(pods, { namespace: pod.metadata?.namespace ?? '', name }, context.signal)
    if (isOurs(found, pod)) return found
    const message = explainWait(found, tools)
    if (message !== undefined) throw new KmmError(message, { code: 'Conflict', cause: error })
    if (alternatives.length === 0) throw error
    return createNamed(alternatives, build, tools, context)
  }
}

type Refused = Pick<Refusal, 'reason' | 'message'>

function rememberRefusal(action: CreatePod, refused: Refused, tools: WorkTools, nowMs: number): void {
  const attempt = action.refusedAttempts + 1
  const delayMs = Math.min(firstRefusalDelayMs * 2 ** Math.min(attempt - 1, 10), longestRefusalDelayMs)
  tools.refusals.set(refusalKey(action.node.name, action.intent.namespace, action.intent.name), {
    podNamespace: action.intent.podNamespace,
    hash: action.hash,
    ...refused,
    attempt,
    untilMs: nowMs + delayMs,
  })
}

/**
 * Takes a pod that came out without its image volume away again: its worker would find nothing to load. An API server on
 * which image volumes are off leaves them out without a word.
 */
async function takeBack(created: Pod, { client }: WorkTools, signal: AbortSignal): Promise<Refused> {
  const { namespace = '', name = '', uid = '' } = created.metadata ?? {}
  await client.delete(pods, { namespace, name }, { preconditions: { uid }, signal }).catch((error: unknown) => {
    if (!hasCode(error, 'NotFound')) throw error
  })
  const message =
    "worker.imageSource is volume in the operator's configuration, and this cluster's API server leaves image volumes out of pods: they need Kubernetes 1.35, or 1.31 with the feature gate ImageVolume on API server and kubelets; set worker.imageSource to worker, which works everywhere"
  return { reason: 'ImageVolumeUnsupported', message }
}

/** Makes the pod; answers why it could not be had as it was to be. */
async function makeOrExplain(
  { intent, node }: CreatePod,
  build: (podName: string) => Pod,
  tools: WorkTools,
  context: ExecuteContext,
): Promise<Refused | undefined> {
  const first = workerPodName(node.name, intent.name)
  try {
    const names = [first, alternativeWorkerPodName(node.name, intent.namespace, intent.name)]
    const created = await createNamed(names, build, tools, context)
    if (isImageVolumeDropped(build(first), created)) return await takeBack(created, tools, context.signal)
    tools.refusals.delete(refusalKey(node.name, intent.namespace, intent.name))
    tools.caches.pods.written(created)
    return undefined
  } catch (error) {
    if (!hasCode(error, 'Forbidden', 'Invalid', 'NotFound')) throw error
    return { reason: 'WorkerPodRefused', message: explainRefusal(intent.podNamespace, error, quotaAdvice) }
  }
}

/** Creates the worker pod of an action; a pod that the API server refuses is remembered for the next pass, which reports it. */
export async function createWorkerPod(action: CreatePod, tools: WorkTools, context: ExecuteContext): Promise<void> {
  const { signal, nowMs } = context
  const { intent, node, config, hash } = action
  // The Module's secrets are not in the operator's namespace, and those there are not the Module's.
  const pullSecrets =
    intent.podNamespace === intent.namespace ? await listPullSecrets(intent, tools.client, signal) : []
  // Last of all: what it does not see is what comes between it and the pod.
  if (intent.action === 'Unload') await refuseUnderPlugins(action, tools, signal)
  const owner = { name: config.metadata?.name ?? '', uid: config.metadata?.uid ?? '' }
  const build = (podName: string): Pod =>
    buildWorkerPod({ intent, podName, node, owner, hash, pullSecrets, settings: tools.settings })
  const refused = await makeOrExplain(action, build, tools, context)
  if (refused === undefined) return
  rememberRefusal(action, refused, tools, nowMs)
  // Ends the pass; the next one reports the refusal and waits.
  throw new KmmError(
    `the worker pod for Module ${intent.namespace}/${intent.name} on node ${node.name} was refused: ${refused.message}`,
    { code: 'Forbidden' },
  )
}
