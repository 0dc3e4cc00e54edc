import { randomUUID } from 'node:crypto'
import type { AdmissionPlugin, ApiResource, WriteRequest } from '../hooks.ts'
import { isRecord, type ApiObject } from '../object.ts'
import { badRequest, notImitated, StatusError } from '../status-error.ts'
import type { Store } from '../store.ts'
import { callWebhook, type WebhookOptions } from '../webhook-call.ts'
import { isSameResource, validatingWebhooks } from './known-resources.ts'
import { matchWebhook, type MatchedVersion, type Webhook, type WebhookConfiguration } from './webhook-rules.ts'

const kindOf = ({ group, version, kind }: ApiResource): object => ({ group, version, kind })
const resourceOf = ({ group, version, plural }: ApiResource): object => ({ group, version, resource: plural })

/** A webhook that wants to see a write, in the version in which it wants to. */
interface Matched {
  webhook: Webhook
  version: MatchedVersion
}

/** The review of a write, with the objects in the webhook's version. */
async function createReview(request: WriteRequest, version: MatchedVersion, uid: string): Promise<object> {
  const { resource } = request
  const show = async (object: ApiObject | undefined): Promise<ApiObject | null> =>
    object === undefined ? null : (version.convert?.(object) ?? object)
  const options = { CREATE: 'CreateOptions', UPDATE: 'UpdateOptions', DELETE: 'DeleteOptions' }[request.operation]
  const review = {
    uid,
    kind: kindOf(version.resource),
    resource: resourceOf(version.resource),
    subResource: request.subresource,
    requestKind: kindOf(resource),
    requestResource: resourceOf(resource),
    requestSubResource: request.subresource,
    name: request.name,
    namespace: request.namespace,
    operation: request.operation,
    userInfo: { username: request.user.name, uid: request.user.uid, groups: request.user.groups },
    object: await show(request.object),
    oldObject: await show(request.oldObject),
    dryRun: request.dryRun,
    options: { ...request.options, kind: options, apiVersion: 'meta.k8s.io/v1' },
  }
  return { kind: 'AdmissionReview', apiVersion: 'admission.k8s.io/v1', request: review }
}

/** What the server accepts as the answer of a webhook. */
interface Verdict {
  allowed: boolean
  warnings: string[]
  result: Record<string, unknown>
}

function readVerdict(answer: unknown, uid: string): Verdict {
  const response = isRecord(answer) && isRecord(answer['response']) ? answer['response'] : undefined
  if (response === undefined) throw new Error('received invalid webhook response: webhook response was absent')
  if (response['uid'] !== uid) {
    const got = JSON.stringify(response['uid'] ?? '')
    throw new Error(`received invalid webhook response: expected response.uid=${JSON.stringify(uid)}, got ${got}`)
  }
  const { warnings, status } = response
  return {
    allowed: response['allowed'] === true,
    warnings: Array.isArray(warnings) ? warnings.filter((each) => typeof each === 'string') : [],
    result: isRecord(status) ? status : {},
  }
}

async function ask(webhook: Webhook, review: object, uid: string, options: WebhookOptions): Promise<Verdict> {
  const call = { config: webhook.clientConfig ?? {}, timeoutSeconds: webhook.timeoutSeconds ?? 10, review }
  const answer = await callWebhook(call, options).catch((error: unknown) => {
    throw new Error(`failed to call webhook: ${wordsOf(error)}`, { cause: error })
  })
  return readVerdict(answer, uid)
}

/** Only the outermost message: it already carries that of its cause. */
const wordsOf = (error: unknown): string => (error instanceof Error ? error.message : String(error))

function internalError(message: string): StatusError {
  return new StatusError(`Internal error occurred: ${message}`, {
    status: 500,
    reason: 'InternalError',
    details: { causes: [{ message }] },
  })
}

function refuse(webhook: Webhook, result: Record<string, unknown>): StatusError {
  const denied = `admission webhook "${webhook.name}" denied the request`
  const { message, reason, code } = result
  const detail = [message, reason].find((text) => typeof text === 'string' && text !== '')
  const status = typeof code === 'number' && code >= 400 ? code : 400
  return new StatusError(typeof detail === 'string' ? `${denied}: ${detail}` : `${denied} without explanation`, {
    status,
    reason: typeof reason === 'string' ? reason : '',
    ...(isRecord(result['details']) ? { details: result['details'] } : {}),
  })
}

async function consult(
  { webhook, version }: Matched,
  request: WriteRequest,
  options: WebhookOptions,
): Promise<StatusError | undefined> {
  const { sideEffects = 'Unknown' } = webhook
  if (request.dryRun && !['None', 'NoneOnDryRun'].includes(sideEffects))
    return badRequest(`admission webhook "${webhook.name}" does not support dry run`)
  const uid = randomUUID()
  const review = await createReview(request, version, uid).catch((error: unknown) => {
    throw internalError(wordsOf(error))
  })
  try {
    const verdict = await ask(webhook, review, uid, options)
    for (const warning of verdict.warnings) request.warn(warning)
    return verdict.allowed ? undefined : refuse(webhook, verdict.result)
  } catch (error) {
    if (webhook.failurePolicy === 'Ignore') return undefined
    return internalError(`failed calling webhook "${webhook.name}": ${wordsOf(error)}`)
  }
}

function refuseConditions(configuration: WebhookConfiguration | undefined): void {
  if (configuration?.webhooks?.some(({ matchConditions = [] }) => matchConditions.length > 0) === true)
    throw notImitated('matchConditions of webhooks')
}

/** Asks the validating webhooks that a write concerns, all at once; the first refusal in their order is the answer. */
export function createValidatingWebhooks(store: Store, options: WebhookOptions = {}): AdmissionPlugin {
  const admit = async (request: WriteRequest): Promise<void> => {
    if (isSameResource(request.resource, validatingWebhooks))
      refuseConditions(request.object as WebhookConfiguration | undefined)
    const configurations = store.list(validatingWebhooks) as WebhookConfiguration[]
    const webhooks = configurations
      .flatMap((configuration) => configuration.webhooks ?? [])
      .flatMap((webhook): Matched[] => {
        const version = matchWebhook(webhook, request, store)
        return version === undefined ? [] : [{ webhook, version }]
      })
    const refusals = await Promise.all(webhooks.map((each) => consult(each, request, options)))
    const refusal = refusals.find((each) => each !== undefined)
    if (refusal !== undefined) throw refusal
  }
  return { name: 'ValidatingAdmissionWebhook', phase: 'validating', admit }
}
