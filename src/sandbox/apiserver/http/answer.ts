import type { ServerResponse } from 'node:http'
import { stringify } from 'yaml'
import { StatusError, toStatus } from '../status-error.ts'

/** What a handler gives back: a whole body, or a stream that writes to the response by itself. */
export type Answer =
  | { kind: 'body'; status: number; contentType: string; body: string | Buffer; retryAfterSeconds?: number }
  | { kind: 'stream'; start(response: ServerResponse): void | Promise<void> }

/** A JSON answer of text that is JSON already. */
export function jsonText(body: string, status = 200): Answer {
  return { kind: 'body', status, contentType: 'application/json', body }
}

/** A JSON answer. */
export function json(value: unknown, status = 200): Answer {
  return jsonText(JSON.stringify(value), status)
}

/** An answer of text for people. */
export function plainText(body: string, status = 200): Answer {
  return { kind: 'body', status, contentType: 'text/plain; charset=utf-8', body }
}

/** The same answer in YAML. */
export function asYaml(answer: Answer): Answer {
  if (answer.kind !== 'body' || answer.contentType !== 'application/json') return answer
  return { ...answer, contentType: 'application/yaml', body: stringify(JSON.parse(answer.body.toString())) }
}

/** The Status object that an error is answered with; anything unexpected is a 500. */
export function errorAnswer(error: unknown): Answer {
  if (error instanceof StatusError) return statusAnswer(error)
  const why = error instanceof Error ? error.message : String(error)
  const internal = new StatusError(`Internal error occurred: ${why}`, { status: 500, reason: 'InternalError' })
  return json(toStatus(internal), 500)
}

function statusAnswer(error: StatusError): Answer {
  const { retryAfterSeconds } = error.details ?? {}
  const answer = json(toStatus(error), error.status)
  return retryAfterSeconds === undefined || answer.kind !== 'body' ? answer : { ...answer, retryAfterSeconds }
}

/** Writes an answer. `warnings` become Warning headers. */
export async function writeAnswer(
  response: ServerResponse,
  answer: Answer,
  warnings: readonly string[] = [],
): Promise<void> {
  if (warnings.length > 0) {
    response.setHeader(
      'Warning',
      warnings.map((text) => `299 - ${JSON.stringify(text)}`),
    )
  }
  if (answer.kind === 'stream') {
    await answer.start(response)
    return
  }
  const body = typeof answer.body === 'string' ? Buffer.from(answer.body) : answer.body
  if (answer.retryAfterSeconds !== undefined) response.setHeader('Retry-After', answer.retryAfterSeconds)
  response.writeHead(answer.status, { 'Content-Type': answer.contentType, 'Content-Length': body.length })
  response.end(body)
}
