import { randomUUID } from 'node:crypto'
import { Agent, request as fetchJson } from 'undici'
import { describeError } from '../../../errors/error.ts'
import type { AdmissionPlugin, WriteRequest } from '../hooks.ts'
import { isRecord } from '../object.ts'
import { badRequest, notImitated, StatusError } from '../status-error.ts'
import type { Store } from '../store.ts'
import { isSameResource, validatingWebhooks } from './known-resources.ts'
import { matchesWebhook, type Webhook, type WebhookConfiguration } from './webhook-rules.ts'

/** What webhook admission needs from outside. */
export interface WebhookOptions {
  /** The address (`https://127.0.0.1:9443`) behind a Service; undefined when there is no such Service. */
  findService?: (service: { namespace: string; name: string; port: number }) => string | undefined
}

const answerLimitBytes = 3 * 1024 * 1024

function createReview(request: WriteRequest, uid: string): Record<string, unknown> {
  const { resource } = request
  const kind = { group: resource.group, version: resource.version, kind: resource.kind }
  const gvr = { group: resource.group, version: resource.version, resource: resource.plural }
  const options = { CREATE: 'CreateOptions', UPDATE: 'UpdateOptions', DELETE: 'DeleteOptions' }[request.operation]
  const review = {
    uid,
    kind,
    resource: gvr,
    subResource: request.subresource,
    requestKind: kind,
    requestResource: gvr,
    requestSubResource: request.subresource,
    name: request.name,
    namespace: request.namespace,
    operation: request.operation,
    userInfo: { username: request.user.name, uid: request.user.uid, groups: request.user.groups },
    object: request.object ?? null,
    oldObject: request.oldObject ?? null,
    dryRun: request.dryRun,
    options: { ...request.options, kind: options, apiVersion: 'meta.k8s.io/v1' },
  }
  return { kind: 'AdmissionReview', apiVersion: 'admission.k8s.io/v1', request: review }
}

function locate(webhook: Webhook, options: WebhookOptions): URL {
  const { url, service } = webhook.clientConfig ?? {}
  if (url !== undefined) return new URL(url)
  if (service === undefined) throw new Error('webhook configuration must have either service or URL')
  const port = service.port ?? 443
  const base = options.findService?.({ namespace: service.namespace, name: service.name, port })
  if (base === undefined) throw new Error(`service "${service.name}" not found`)
  return new URL(service.path ?? '/', base)
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

async function post(url: URL, webhook: Webhook, body: unknown): Promise<unknown> {
  const { caBundle } = webhook.clientConfig ?? {}
  const ca = caBundle === undefined ? undefined : Buffer.from(caBundle, 'base64').toString()
  const agent = new Agent({ maxResponseSize: answerLimitBytes, ...(ca === undefined ? {} : { connect: { ca } }) })
  const seconds = webhook.timeoutSeconds ?? 10
  url.searchParams.set('timeout', `${seconds}s`)
  try {
    const answer = await fetchJson(url, {
      method: 'POST',
      dispatcher: agent,
      headers: { 'content-type': 'application/json', accept: 'application/json' },
      body: JSON.stringify(body),
      signal: AbortSignal.timeout(seconds * 1000),
    })
    const text = await answer.body.text()
    if (answer.statusCode !== 200) throw new Error(`the server responded with the status code ${answer.statusCode}`)
    return JSON.parse(text)
  } catch (error) {
    const why =
      error instanceof Error && error.name === 'TimeoutError' ? 'context deadline exceeded' : describeError(error)
    throw new Error(`failed to call webhook: Post ${JSON.stringify(url.href)}: ${why}`, { cause: error })
  } finally {
    await agent.destroy()
  }
}

async function ask(webhook: Webhook, request: WriteRequest, options: WebhookOptions): Promise<Verdict> {
  const uid = randomUUID()
  const review = createReview(request, uid)
  return readVerdict(await post(locate(webhook, options), webhook, review), uid)
}

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
  webhook: Webhook,
  request: WriteRequest,
  options: WebhookOptions,
): Promise<StatusError | undefined> {
  const { sideEffects = 'Unknown' } = webhook
  if (request.dryRun && !['None', 'NoneOnDryRun'].includes(sideEffects))
    return badRequest(`admission webhook "${webhook.name}" does not support dry run`)
  try {
    const verdict = await ask(webhook, request, options)
    for (const warning of verdict.warnings) request.warn(warning)
    return verdict.allowed ? undefined : refuse(webhook, verdict.result)
  } catch (error) {
    if (webhook.failurePolicy === 'Ignore') return undefined
    // Only the outermost message: it already carries that of its cause.
    const why = error instanceof Error ? error.message : String(error)
    return internalError(`failed calling webhook "${webhook.name}": ${why}`)
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
      .filter((webhook) => matchesWebhook(webhook, request, store))
    const refusals = await Promise.all(webhooks.map((webhook) => consult(webhook, request, options)))
    const refusal = refusals.find((each) => each !== undefined)
    if (refusal !== undefined) throw refusal
  }
  return { name: 'ValidatingAdmissionWebhook', phase: 'validating', admit }
}
