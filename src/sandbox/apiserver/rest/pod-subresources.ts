import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { parseBody } from '../http/body.ts'
import { json, plainText, type Answer } from '../http/answer.ts'
import { isTrue } from '../http/target.ts'
import { formatTime } from '../deletion.ts'
import { isRecord, type ApiObject } from '../object.ts'
import { badRequest, conflict, methodNotAllowed, notImitated } from '../status-error.ts'
import { digList, digText } from '../table/column.ts'
import type { WritePipeline } from '../pipeline.ts'
import { readDeleteOptions } from './options.ts'
import { keyOf, type ReadRequest } from './read.ts'
import { contextOf, type WriteOutcome, type WriteRequestInput } from './write.ts'
import type { Store } from '../store.ts'

/** Whose log is wanted, and which part of it. */
export interface LogRequest {
  namespace: string
  pod: string
  uid: string
  container: string
  previous: boolean
  follow: boolean
  timestamps: boolean
  tailLines?: number
  sinceSeconds?: number
  limitBytes?: number
}

/** Gives a container's log: text, or a stream that is sent as it comes; undefined when there is none (yet). */
export type LogSource = (request: LogRequest) => Promise<string | Readable | undefined> | string | Readable | undefined

/** What the subresources of pods need. */
export interface PodParts {
  store: Store
  pipeline: WritePipeline
  logSource: LogSource | undefined
  now(): number
}

const success = { kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Success' }

/** Answers `pods/…/log`. */
export async function readLog(parts: PodParts, { target, query, rendering }: ReadRequest): Promise<Answer> {
  const pod = parts.store.get(rendering.resource.storage, keyOf(target))
  const container = chooseContainer(pod, query.get('container') ?? '')
  if (!parts.logSource) throw notImitated('pods/log')
  const log = await parts.logSource({
    namespace: target.namespace ?? '',
    pod: pod.metadata.name,
    uid: pod.metadata.uid ?? '',
    container,
    previous: flag(query, 'previous'),
    follow: flag(query, 'follow'),
    timestamps: flag(query, 'timestamps'),
    ...count(query, 'tailLines'),
    ...count(query, 'sinceSeconds'),
    ...count(query, 'limitBytes'),
  })
  if (log === undefined) throw noLog(pod, container, flag(query, 'previous'))
  return log instanceof Readable ? streamText(log) : plainText(log)
}

const flag = (query: URLSearchParams, name: string): boolean => query.has(name) && isTrue(query.get(name))

function count(query: URLSearchParams, name: 'tailLines' | 'sinceSeconds' | 'limitBytes'): Partial<LogRequest> {
  const text = query.get(name)
  if (text === null || text === '') return {}
  if (!/^\d+$/.test(text)) throw badRequest(`${name}: Invalid value: ${JSON.stringify(text)}: must be a number`)
  return { [name]: Number(text) }
}

function chooseContainer(pod: ApiObject, wanted: string): string {
  const ordinary = digList(pod, 'spec', 'containers').map((each) => digText(each, 'name'))
  const all = [...ordinary, ...digList(pod, 'spec', 'initContainers').map((each) => digText(each, 'name'))]
  const { name } = pod.metadata
  if (wanted !== '') {
    if (!all.includes(wanted)) throw badRequest(`container ${wanted} is not valid for pod ${name}`)
    return wanted
  }
  const [only = ''] = ordinary
  if (all.length === 1) return only
  throw badRequest(`a container name must be specified for pod ${name}, choose one of: [${all.join(' ')}]`)
}

function noLog(pod: ApiObject, container: string, previous: boolean): Error {
  const { name, uid } = pod.metadata
  if (previous)
    return badRequest(
      `previous terminated container ${JSON.stringify(container)} in pod ${JSON.stringify(name)} not found`,
    )
  const statuses = [...digList(pod, 'status', 'containerStatuses'), ...digList(pod, 'status', 'initContainerStatuses')]
  const status = statuses.find((each) => each['name'] === container)
  const reason = digText(status, 'state', 'waiting', 'reason') || 'ContainerCreating'
  return badRequest(
    `container ${JSON.stringify(container)} in pod ${JSON.stringify(name)} is waiting to start: ${reason} (pod uid ${uid})`,
  )
}

function streamText(log: Readable): Answer {
  return {
    kind: 'stream',
    start: async (response) => {
      response.writeHead(200, { 'Content-Type': 'text/plain' })
      response.flushHeaders()
      // A client that goes away ends the log; that is no error.
      await pipeline(log, response).catch(() => log.destroy())
    },
  }
}

/** Binds a pod to a node, as the scheduler does. */
function bindPod(parts: PodParts, input: WriteRequestInput): WriteOutcome {
  const { target, rendering } = input
  const body = parseBody(input.body, input.contentType)
  const node = digText(body, 'target', 'name')
  if (node === '') throw badRequest('target.name: Required value')
  const context = contextOf(input, 'CreateOptions')
  const change = (pod: ApiObject): ApiObject => assignNode(pod, node, formatTime(parts.now()))
  const { storage } = rendering.resource
  const bound = change(parts.store.get(storage, keyOf(target)))
  if (!context.dryRun) parts.store.update(storage, bound, { subresource: 'binding' })
  return { answer: json(success, 201), name: target.name ?? '', dryRun: context.dryRun }
}

function assignNode(pod: ApiObject, node: string, time: string): ApiObject {
  const { name, deletionTimestamp } = pod.metadata
  const bound = digText(pod, 'spec', 'nodeName')
  const binding = { group: '', plural: 'pods/binding' }
  if (deletionTimestamp !== undefined)
    throw conflict(binding, name, `pod ${name} is being deleted, cannot be assigned to a host`)
  if (bound !== '') throw conflict(binding, name, `pod ${name} is already assigned to node ${JSON.stringify(bound)}`)
  const spec = isRecord(pod['spec']) ? pod['spec'] : {}
  const status = isRecord(pod['status']) ? pod['status'] : {}
  const others = digList(status, 'conditions').filter((condition) => condition['type'] !== 'PodScheduled')
  const scheduled = { type: 'PodScheduled', status: 'True', lastProbeTime: null, lastTransitionTime: time }
  return { ...pod, spec: { ...spec, nodeName: node }, status: { ...status, conditions: [...others, scheduled] } }
}

/** Evicts a pod: deletes it (disruption budgets are not imitated, so nothing protects it). */
async function evictPod(parts: PodParts, input: WriteRequestInput): Promise<WriteOutcome> {
  const body = parseBody(input.body, input.contentType)
  const context = contextOf(input, 'CreateOptions')
  const options = readDeleteOptions(new URLSearchParams(), isRecord(body) ? (body['deleteOptions'] ?? {}) : {})
  const dryRun = context.dryRun || options.dryRun
  const { resource } = input.rendering
  await parts.pipeline.delete(resource, keyOf(input.target), options.request, { ...context, dryRun })
  return { answer: json(success, 201), name: input.target.name ?? '', dryRun }
}

/** The writes below a pod other than its status. */
export async function writePodSubresource(
  parts: PodParts,
  input: WriteRequestInput,
  method: string,
): Promise<WriteOutcome> {
  if (method !== 'POST') throw methodNotAllowed()
  return input.target.subresource === 'binding' ? bindPod(parts, input) : evictPod(parts, input)
}
