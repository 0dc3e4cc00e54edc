import type { Dispatcher } from 'undici'
import { KmmError } from '../errors/error.ts'
import { formatSubject, toTransportError } from './api-error.ts'
import {
  buildCreateRequest,
  buildDeleteRequest,
  buildGetRequest,
  buildListRequest,
  buildPatchRequest,
  buildRawRequest,
  buildReplaceRequest,
  buildWatchRequest,
} from './api-request.ts'
import type { KubeClient, ListAnswer, WatchEvent } from './client.ts'
import { type Clock, realClock } from './clock.ts'
import type { ConnectionSettings } from './connection.ts'
import { readLines } from './json-lines.ts'
import { isDeparting, type KubeObject } from './object.ts'
import { apiVersionOf, type Resource } from './resource.ts'
import type { RunPlugin } from './plugin-process.ts'
import { type ApiRequest, createTransport, type RequestOutcome, type Transport } from './transport.ts'
import { parseWatchEvent } from './watch-event.ts'

/** How a client is made. */
export interface KubeClientOptions {
  connection: ConnectionSettings
  /** Sent with every request: `kmm-operator/0.1.0`. */
  userAgent: string
  clock?: Clock
  /** How long the server may be silent, except in a watch; 30 seconds by default. */
  timeoutMs?: number
  /** The longest event of a watch; 16 MiB by default. */
  maxWatchLineBytes?: number
  /** How many connections are open at once, each watch one of them; as many as are asked for unless given. */
  mostConnections?: number
  /** Starts the credential plugin of a kubeconfig; without it such a kubeconfig is refused. */
  runPlugin?: RunPlugin
  /** Told of every request, for metrics. */
  onRequest?: (outcome: RequestOutcome) => void
}

/** A KubeClient that owns its connections. */
export interface HttpKubeClient extends KubeClient {
  /** Ends all connections; what is under way fails with `Unreachable`. */
  close(): Promise<void>
}

/** The answer to a list, as far as it is read. */
interface ListBody<T> {
  items?: T[] | null
  metadata?: { resourceVersion?: string; continue?: string }
}

async function readText(body: Dispatcher.ResponseData['body'], request: ApiRequest): Promise<string> {
  try {
    return await body.text()
  } catch (error) {
    throw toTransportError(request.subject, error, request.signal)
  }
}

function parseAnswer(text: string, request: ApiRequest): unknown {
  try {
    return JSON.parse(text)
  } catch (error) {
    throw new KmmError(
      `cannot ${formatSubject(request.subject)}: the answer is not JSON; is the server of the kubeconfig a Kubernetes API?`,
      { code: 'ServerError', cause: error },
    )
  }
}

/** Lists of built-in kinds carry no apiVersion and kind in their items; events do. Objects must look the same either way. */
function readList<T extends KubeObject>(resource: Resource<T>, { items, metadata }: ListBody<T>): ListAnswer<T> {
  const apiVersion = apiVersionOf(resource)
  return {
    items: (items ?? []).map((item) => (item.kind === undefined ? { ...item, apiVersion, kind: resource.kind } : item)),
    resourceVersion: metadata?.resourceVersion ?? '',
    ...(metadata?.continue ? { continueToken: metadata.continue } : {}),
  }
}

/** What a DELETE left: a Status means nothing is, and so does an object that nothing holds any more. */
function readRemaining<T extends KubeObject>(answer: T): T | undefined {
  return answer.kind !== 'Status' && answer.metadata?.deletionTimestamp !== undefined && !isDeparting(answer)
    ? answer
    : undefined
}

async function* watchEvents<T extends KubeObject>(
  transport: Transport,
  request: ApiRequest,
  { maxLineBytes, onOpen }: { maxLineBytes: number; onOpen: (() => void) | undefined },
): AsyncGenerator<WatchEvent<T>, void, undefined> {
  const body = await transport.send(request)
  onOpen?.()
  try {
    for await (const line of readLines(body as AsyncIterable<Buffer>, maxLineBytes))
      yield parseWatchEvent<T>(line, request.subject)
  } catch (error) {
    throw toTransportError(request.subject, error, request.signal)
  } finally {
    body.destroy()
  }
}

/** A client of one API server over HTTP. */
export function createKubeClient(options: KubeClientOptions): HttpKubeClient {
  const {
    connection,
    userAgent,
    clock = realClock,
    timeoutMs = 30_000,
    mostConnections,
    runPlugin,
    onRequest,
  } = options
  const maxLineBytes = options.maxWatchLineBytes ?? 16 * 1_024 * 1_024
  const transport = createTransport({ connection, userAgent, clock, timeoutMs, mostConnections, runPlugin, onRequest })
  const sendForText = async (request: ApiRequest): Promise<string> => readText(await transport.send(request), request)
  const exchange = async <T>(request: ApiRequest): Promise<T> => parseAnswer(await sendForText(request), request) as T

  return {
    get: async (resource, key, signal) => exchange(buildGetRequest(resource, key, signal)),
    list: async (resource, listOptions = {}) =>
      readList(resource, await exchange(buildListRequest(resource, listOptions))),
    watch: (resource, watchOptions) =>
      watchEvents(transport, buildWatchRequest(resource, watchOptions), { maxLineBytes, onOpen: watchOptions.onOpen }),
    create: async (resource, object, writeOptions = {}) => exchange(buildCreateRequest(resource, object, writeOptions)),
    replace: async (resource, object, writeOptions = {}) =>
      exchange(buildReplaceRequest(resource, object, writeOptions)),
    patch: async (resource, key, patch, writeOptions = {}) =>
      exchange(buildPatchRequest(resource, key, patch, writeOptions)),
    delete: async (resource, key, deleteOptions = {}) =>
      readRemaining(await exchange(buildDeleteRequest(resource, key, deleteOptions))),
    getRaw: async (path, signal, accept) => sendForText(buildRawRequest(path, signal, accept)),
    close: () => transport.close(),
  }
}
