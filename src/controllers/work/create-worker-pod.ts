import type { Pod } from 'kubernetes-types/core/v1.js'
import { describeError, hasCode, KmmError } from '../../errors/error.ts'
import { pods, serviceAccounts } from '../../kube/core-resources.ts'
import type { ExecuteContext } from '../../runtime/reconciler.ts'
import type { Action } from './action.ts'
import type { WorkTools } from './execute.ts'
import { refusalKey } from './observe.ts'
import { buildWorkerPod } from './worker-pod.ts'
import { alternativeWorkerPodName, workerPodName } from './worker-name.ts'

type CreatePod = Extract<Action, { type: 'createPod' }>

const firstRefusalDelayMs = 5_000
const longestRefusalDelayMs = 300_000

/** The Module's pull secret and those of the service account, in this order; the pod's admission looks for the account itself. */
async function listPullSecrets(
  { intent, podNamespace }: CreatePod,
  tools: WorkTools,
  signal: AbortSignal,
): Promise<string[]> {
  // The Module's secrets are not in the operator's namespace, and those there are not the Module's.
  if (podNamespace !== intent.namespace) return []
  const names = intent.imageRepoSecret === '' ? [] : [intent.imageRepoSecret]
  try {
    const account = await tools.client.get(
      serviceAccounts,
      { namespace: podNamespace, name: intent.serviceAccountName },
      signal,
    )
    names.push(...(account.imagePullSecrets ?? []).flatMap(({ name }) => name ?? []))
  } catch (error) {
    if (!hasCode(error, 'NotFound')) throw error
  }
  return [...new Set(names)]
}

function isOurs(found: Pod, wanted: Pod): boolean {
  const [left, right] = [found.metadata, wanted.metadata]
  return (
    found.spec?.nodeName === wanted.spec?.nodeName &&
    left?.ownerReferences?.[0]?.uid === right?.ownerReferences?.[0]?.uid &&
    Object.entries(right?.labels ?? {}).every(([key, value]) => left?.labels?.[key] === value) &&
    Object.entries(right?.annotations ?? {}).every(([key, value]) => left?.annotations?.[key] === value)
  )
}

/** Creates the pod under its usual name, or under a hashed one where somebody else's pod has that name. */
async function createNamed(
  name: string,
  alternative: string | undefined,
  build: (name: string) => Pod,
  create: (pod: Pod) => Promise<Pod>,
  find: (name: string) => Promise<Pod>,
): Promise<Pod> {
  const pod = build(name)
  try {
    return await create(pod)
  } catch (error) {
    if (!hasCode(error, 'AlreadyExists')) throw error
    const found = await find(name)
    if (isOurs(found, pod)) return found
    if (found.metadata?.deletionTimestamp !== undefined)
      throw new KmmError(`pod ${name} is still being deleted; its successor is made when it is gone`, {
        code: 'Conflict',
        cause: error,
      })
    if (alternative === undefined) throw error
    return createNamed(alternative, undefined, build, create, find)
  }
}

/** What the administrator can do about a refusal, in words. */
function explainRefusal(namespace: string, error: unknown): string {
  const text = describeError(error)
  if (/PodSecurity/.test(text))
    return `${text}; allow privileged pods in the namespace: kubectl label --overwrite ns "${namespace}" pod-security.kubernetes.io/enforce=privileged`
  if (/serviceaccount/i.test(text))
    return `${text}; create the service account, or name another in spec.moduleLoader.serviceAccountName`
  if (/quota/i.test(text)) return `${text}; raise the quota of namespace ${namespace} by one pod for each node`
  return text
}

function rememberRefusal(action: CreatePod, error: unknown, tools: WorkTools, nowMs: number): void {
  const attempt = action.refusedAttempts + 1
  const delayMs = Math.min(firstRefusalDelayMs * 2 ** Math.min(attempt - 1, 10), longestRefusalDelayMs)
  tools.refusals.set(refusalKey(action.node.name, action.intent.namespace, action.intent.name), {
    message: explainRefusal(action.podNamespace, error),
    attempt,
    untilMs: nowMs + delayMs,
  })
}

/** Creates the worker pod of an action; a pod that the API server refuses is remembered for the next pass, which reports it. */
export async function createWorkerPod(
  action: CreatePod,
  tools: WorkTools,
  { signal, nowMs }: ExecuteContext,
): Promise<void> {
  const { intent, node, config, podNamespace, hash } = action
  const pullSecrets = await listPullSecrets(action, tools, signal)
  const owner = { name: config.metadata?.name ?? '', uid: config.metadata?.uid ?? '' }
  const build = (podName: string): Pod =>
    buildWorkerPod({ intent, podNamespace, podName, node, owner, hash, pullSecrets, settings: tools.settings })
  try {
    const created = await createNamed(
      workerPodName(node.name, intent.name),
      alternativeWorkerPodName(node.name, intent.namespace, intent.name),
      build,
      (pod) => tools.client.create(pods, pod, { signal }),
      (name) => tools.client.get(pods, { namespace: podNamespace, name }, signal),
    )
    tools.refusals.delete(refusalKey(node.name, intent.namespace, intent.name))
    tools.caches.pods.written(created)
  } catch (error) {
    if (!hasCode(error, 'Forbidden', 'Invalid', 'NotFound')) throw error
    rememberRefusal(action, error, tools, nowMs)
    // Ends the pass; the next one reports the refusal and waits.
    throw new KmmError(
      `the worker pod for Module ${intent.namespace}/${intent.name} on node ${node.name} was refused`,
      { code: 'Forbidden', cause: error },
    )
  }
}
