import type { Hash } from 'node:crypto'
import { Readable } from 'node:stream'
import { hasCode, KmmError } from '../errors/error.ts'
import { createDigestHash } from './digest.ts'
import type { HttpResponse } from './exchange.ts'
import { type Descriptor, refuseImage } from './manifest.ts'
import { explainNetworkError } from './network-failure.ts'
import { type Clock, createAborted, type RetryPolicy, waitToRetry } from './retry.ts'
import type { Session } from './session.ts'
import type { TimeLimits } from './transport.ts'

/** One blob to stream from one endpoint. */
export interface BlobRequest {
  session: Session
  descriptor: Descriptor
  /** Such as `layer sha256:… of image …`. */
  subject: string
  retries: RetryPolicy
  limits: TimeLimits
  signal: AbortSignal | undefined
  /** Called when the endpoint's bytes are not what the digest promises. */
  onInvalid(): void
}

const maximumResumes = 50
const paceWindowMs = 300_000
const minimumBytesPerSecond = 1024

/** What is known of the bytes that went out. */
interface Progress {
  received: number
  hash: Hash
}

function checkLength(request: BlobRequest, response: HttpResponse, from: number): void {
  const stated = Number(response.headers['content-length'] ?? Number.NaN)
  const expected = request.descriptor.size - (response.status === 206 ? from : 0)
  if (Number.isNaN(stated) || stated === expected) return
  response.body.destroy()
  refuseImage(
    request.subject,
    `the registry holds ${stated} bytes where the manifest says ${expected}; push the image again, or delete the damaged copy in the mirror or proxy`,
  )
}

/** Asks for the blob from byte `from` on. A server that does not know ranges sends all of it (status 200). */
function requestBlob(request: BlobRequest, from: number): Promise<HttpResponse> {
  const { session, descriptor, subject, signal } = request
  return session.send({
    method: 'GET',
    target: `blobs/${descriptor.digest}`,
    headers: { 'accept-encoding': 'identity', ...(from === 0 ? {} : { range: `bytes=${from}-` }) },
    actions: 'pull',
    accept: from === 0 ? [200] : [200, 206],
    subject,
    signal,
    consume: (response) => {
      if (response.status === 206 && !`${response.headers['content-range']}`.startsWith(`bytes ${from}-`)) {
        response.body.destroy()
        throw new KmmError(`the registry answered with another range than asked for (${subject})`, {
          code: 'RegistryUnreachable',
        })
      }
      checkLength(request, response, from)
      return Promise.resolve(response)
    },
  })
}

/**
 * Reads a body and fails when, over five minutes of waiting for it, it brought less than 1 KiB a second: a server that drips never
 * stalls. The time that the reader takes does not count.
 */
async function* readPaced(body: AsyncIterable<Buffer>, clock: Clock): AsyncGenerator<Buffer, void, undefined> {
  const iterator = body[Symbol.asyncIterator]()
  let [waitedMs, bytes] = [0, 0]
  for (;;) {
    const before = clock.now()
    const { done, value } = await iterator.next()
    if (done) return
    waitedMs += clock.now() - before
    bytes += value.length
    yield value
    if (waitedMs < paceWindowMs) continue
    if (bytes < (minimumBytesPerSecond * waitedMs) / 1000)
      throw Object.assign(new Error('the answer is too slow'), { code: 'UND_ERR_BODY_TIMEOUT' })
    waitedMs = 0
    bytes = 0
  }
}

/** Passes bytes on, leaving out the first `skip`, and never more than the manifest promises. */
async function* passBytes(
  request: BlobRequest,
  response: HttpResponse,
  progress: Progress,
): AsyncGenerator<Buffer, void, undefined> {
  let skip = response.status === 206 ? 0 : progress.received
  for await (const whole of readPaced(response.body, request.retries.clock)) {
    const chunk = whole.subarray(skip)
    skip = Math.max(0, skip - whole.length)
    if (chunk.length === 0) continue
    if (progress.received + chunk.length > request.descriptor.size)
      refuseImage(request.subject, `it is larger than the ${request.descriptor.size} bytes that the manifest says`)
    progress.received += chunk.length
    progress.hash.update(chunk)
    yield chunk
  }
  if (progress.received < request.descriptor.size)
    throw Object.assign(new Error('the answer ended early'), { code: 'ECONNRESET' })
}

function explainBreak(request: BlobRequest, response: HttpResponse, error: unknown): KmmError {
  if (error instanceof KmmError) return error
  const where = `registry ${response.url.host}`
  return explainNetworkError(error, `${where}, while it sent ${request.subject},`, request.limits, request.signal).error
}

/** Streams, and after a break goes on from where it was, as long as attempts bring something new. */
async function* streamWithResume(
  request: BlobRequest,
  first: HttpResponse,
  progress: Progress,
): AsyncGenerator<Buffer, void, undefined> {
  let response = first
  let fruitless = 0
  for (let resumes = 0; ; resumes += 1) {
    const before = progress.received
    try {
      yield* passBytes(request, response, progress)
      return
    } catch (broken) {
      const error = explainBreak(request, response, broken)
      fruitless = progress.received > before ? 1 : fruitless + 1
      const isHopeless = fruitless >= request.retries.attempts || resumes >= maximumResumes
      if (!hasCode(error, 'RegistryUnreachable') || isHopeless) throw error
      if (progress.received === request.descriptor.size) return
      await waitToRetry(request.retries, fruitless, { error }, request.signal)
    } finally {
      response.body.destroy()
    }
    response = await requestBlob(request, progress.received)
  }
}

async function* streamVerified(request: BlobRequest, first: HttpResponse): AsyncGenerator<Buffer, void, undefined> {
  const { descriptor, subject } = request
  const progress: Progress = { received: 0, hash: createDigestHash(descriptor.digest) }
  try {
    yield* streamWithResume(request, first, progress)
    const digest = `${descriptor.digest.split(':')[0]}:${progress.hash.digest('hex')}`
    if (digest !== descriptor.digest)
      refuseImage(
        subject,
        `its bytes have the digest ${digest}; they were damaged on the way or in the registry: push the image again`,
      )
  } catch (error) {
    if (hasCode(error, 'ImageInvalid')) request.onInvalid()
    throw error
  }
}

/** Ends the request when the caller aborts or lets go of the stream, whichever is first. */
function createStop(signal: AbortSignal | undefined): AbortController {
  const stop = new AbortController()
  const onAbort = (): void => stop.abort(signal?.reason)
  if (signal?.aborted) onAbort()
  signal?.addEventListener('abort', onAbort, { once: true })
  stop.signal.addEventListener('abort', () => signal?.removeEventListener('abort', onAbort), { once: true })
  return stop
}

/**
 * Opens a blob as a stream that ends only when size and digest are right, and otherwise fails with ImageInvalid. A broken
 * connection is resumed. Rejects at once when the registry does not give the blob at all.
 */
export async function openVerifiedBlob(asked: BlobRequest): Promise<Readable> {
  const stop = createStop(asked.signal)
  const request = { ...asked, signal: stop.signal }
  const first = await requestBlob(request, 0).catch((error: unknown) => {
    stop.abort()
    if (hasCode(error, 'ImageInvalid')) request.onInvalid()
    throw error
  })
  const bytes = streamVerified(request, first)
  const stream = new Readable({
    highWaterMark: 256 * 1024,
    read() {
      bytes.next().then(
        ({ done, value }) => stream.push(done ? null : value),
        (error: unknown) => stream.destroy(error instanceof Error ? error : new Error(String(error))),
      )
    },
    destroy(error, callback) {
      stop.abort()
      callback(error)
    },
  })
  stop.signal.addEventListener('abort', () => stream.destroy(createAborted(asked.signal?.reason)), { once: true })
  return stream
}
