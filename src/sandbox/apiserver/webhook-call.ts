import { Agent, request as send } from 'undici'
import { describeError } from '../../errors/error.ts'

/** Where a webhook is asked, as a webhook configuration and the conversion of a definition say it. */
export interface WebhookClientConfig {
  url?: string
  /** Base64 of PEM. */
  caBundle?: string
  service?: { namespace: string; name: string; path?: string; port?: number }
}

/** What calls of webhooks need from outside. */
export interface WebhookOptions {
  /** The address (`https://127.0.0.1:9443`) behind a Service; undefined when there is no such Service. */
  findService?: (service: { namespace: string; name: string; port: number }) => string | undefined
}

/** One question to a webhook. */
export interface WebhookCall {
  config: WebhookClientConfig
  timeoutSeconds: number
  review: unknown
}

const answerLimitBytes = 3 * 1024 * 1024

/** The address that messages name, and the one behind it. */
function locate({ url, service }: WebhookClientConfig, options: WebhookOptions): { named: URL; base?: string } {
  if (url !== undefined) return { named: new URL(url) }
  if (service === undefined) throw new Error('webhook configuration must have either service or URL')
  const { namespace, name, path = '/', port = 443 } = service
  const named = new URL(path, `https://${name}.${namespace}.svc:${port}`)
  const base = options.findService?.({ namespace, name, port })
  return base === undefined ? { named } : { named, base }
}

/** The port of a Service is always shown. */
const show = ({ href }: URL, { service }: WebhookClientConfig): string =>
  service === undefined ? href : href.replace('.svc/', `.svc:${service.port ?? 443}/`)

/** Posts a review. Answers with what came back, parsed; fails with the words of the real server. */
export async function callWebhook(
  { config, timeoutSeconds, review }: WebhookCall,
  options: WebhookOptions,
): Promise<unknown> {
  const { named, base } = locate(config, options)
  named.searchParams.set('timeout', `${timeoutSeconds}s`)
  const failed = (why: string, cause?: unknown): Error =>
    new Error(`Post ${JSON.stringify(show(named, config))}: ${why}`, { cause })
  if (config.service !== undefined && base === undefined) throw failed(`service "${config.service.name}" not found`)
  const ca = config.caBundle === undefined ? {} : { ca: Buffer.from(config.caBundle, 'base64').toString() }
  const agent = new Agent({ maxResponseSize: answerLimitBytes, connect: ca })
  try {
    const { statusCode, body } = await send(
      base === undefined ? named : new URL(`${named.pathname}${named.search}`, base),
      {
        method: 'POST',
        dispatcher: agent,
        headers: { 'content-type': 'application/json', accept: 'application/json' },
        body: JSON.stringify(review),
        signal: AbortSignal.timeout(timeoutSeconds * 1000),
      },
    )
    const text = await body.text()
    if (statusCode !== 200) throw new RefusedCall()
    return JSON.parse(text)
  } catch (error) {
    if (error instanceof RefusedCall) throw error
    const isLate = error instanceof Error && error.name === 'TimeoutError'
    throw failed(isLate ? 'context deadline exceeded' : describeError(error), error)
  } finally {
    await agent.destroy()
  }
}

/** What the real server says of an answer that is no success, whatever it is. */
class RefusedCall extends Error {
  constructor() {
    super('an error on the server ("unknown") has prevented the request from succeeding')
  }
}
