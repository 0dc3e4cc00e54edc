import { setTimeout as sleep } from 'node:timers/promises'
import type { ServerResponse } from 'node:http'
import { RegistryRefusal, sendEmpty, sendError } from './respond.ts'
import type { Fault, FaultAction, RegistryRequest } from './types.ts'

/** A fault that has struck a request: what it does, and when it is lifted. */
export interface Strike {
  action: FaultAction
  lifted: Promise<void>
}

interface ActiveFault {
  fault: Fault
  left: number
  lifted: Promise<void>
  lift: () => void
}

const matches = (fault: Fault, request: RegistryRequest): boolean =>
  (fault.kind === undefined || fault.kind === request.kind) &&
  (fault.method === undefined || fault.method === request.method) &&
  (fault.repository === undefined || fault.repository === request.repository) &&
  (fault.reference === undefined || fault.reference === request.reference)

/** The faults in force, in the order in which they were added; the first that matches strikes. */
export class Faults {
  #active: ActiveFault[] = []

  /** Puts a fault in force; the answer lifts it. */
  add(fault: Fault): () => void {
    let lift = (): void => {}
    const lifted = new Promise<void>((resolve) => {
      lift = resolve
    })
    const active = { fault, left: fault.times ?? Number.POSITIVE_INFINITY, lifted, lift }
    this.#active.push(active)
    return () => {
      this.#active = this.#active.filter((each) => each !== active)
      lift()
    }
  }

  /** Lifts all faults, and lets go of every request that hangs. */
  clear(): void {
    for (const active of this.#active) active.lift()
    this.#active = []
  }

  /** The fault that strikes this request, if any; counts it. */
  strike(request: RegistryRequest): Strike | undefined {
    const active = this.#active.find((each) => each.left > 0 && matches(each.fault, request))
    if (active === undefined) return undefined
    active.left -= 1
    return { action: active.fault.action, lifted: active.lifted }
  }
}

const retryHeader = (retryAfter: string | undefined): Record<string, string> =>
  retryAfter === undefined ? {} : { 'retry-after': retryAfter }

/** Answers in the place of the registry where the fault does that; false where it only spoils the body. */
export function answerFault(action: FaultAction, request: RegistryRequest, response: ServerResponse): boolean {
  switch (action.do) {
    case 'unavailable':
      sendError(response, { status: 503, code: 'UNAVAILABLE', message: 'service unavailable' })
      return true
    case 'tooManyRequests': {
      const headers = retryHeader(action.retryAfter)
      sendError(response, { status: 429, code: 'TOOMANYREQUESTS', message: 'too many requests', headers })
      return true
    }
    case 'answer': {
      const headers = retryHeader(action.retryAfter)
      sendError(response, { status: action.status, code: action.code ?? 'UNKNOWN', message: 'as configured', headers })
      return true
    }
    case 'missing':
      if (request.kind === 'manifest') throw new RegistryRefusal('MANIFEST_UNKNOWN', 'manifest unknown')
      throw new RegistryRefusal('BLOB_UNKNOWN', 'blob unknown to registry')
    case 'redirect':
      sendEmpty(response, 307, { location: action.location.replaceAll('{path}', request.path) })
      return true
    case 'reset':
      response.destroy()
      return true
    default:
      return false
  }
}

function corrupt(chunk: Buffer, at: number): Buffer {
  if (at < 0 || at >= chunk.length) return chunk
  const spoilt = Buffer.from(chunk)
  spoilt.writeUInt8((spoilt.readUInt8(at) ^ 0xff) & 0xff, at)
  return spoilt
}

async function* cutAfter(
  source: AsyncIterable<Buffer>,
  bytes: number,
  then: () => Promise<void>,
): AsyncGenerator<Buffer> {
  let left = bytes
  for await (const chunk of source) {
    if (chunk.length <= left) {
      left -= chunk.length
      yield chunk
      continue
    }
    if (left > 0) yield chunk.subarray(0, left)
    await then()
    yield chunk.subarray(left)
    left = Number.POSITIVE_INFINITY
  }
}

async function* atSpeed(
  source: AsyncIterable<Buffer>,
  bytesPerSecond: number,
  signal: AbortSignal,
): AsyncGenerator<Buffer> {
  const step = Math.max(1, Math.floor(bytesPerSecond / 20))
  for await (const chunk of source) {
    for (let at = 0; at < chunk.length; at += step) {
      yield chunk.subarray(at, at + step)
      await sleep(50, undefined, { signal })
    }
  }
}

async function* corruptAt(source: AsyncIterable<Buffer>, at: number): AsyncGenerator<Buffer> {
  let seen = 0
  for await (const chunk of source) {
    yield corrupt(chunk, at - seen)
    seen += chunk.length
  }
}

/** Passes a body on, spoilt as the fault says. `signal` ends waiting when the client has gone. */
export function spoilBody(
  source: AsyncIterable<Buffer>,
  strike: Strike | undefined,
  signal: AbortSignal,
): AsyncIterable<Buffer> {
  const action = strike?.action
  const gone = new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }))
  switch (action?.do) {
    case 'hang':
      return cutAfter(source, action.afterBytes ?? 0, () => Promise.race([strike?.lifted, gone]))
    case 'truncate':
      return cutAfter(source, action.afterBytes, () => Promise.reject(new Error('the body is cut here on purpose')))
    case 'slow':
      return atSpeed(source, action.bytesPerSecond, signal)
    case 'corrupt':
      return corruptAt(source, action.atByte ?? 0)
    default:
      return source
  }
}
