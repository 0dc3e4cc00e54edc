import type { ServedResource } from '../registry.ts'
import { readLog, writePodSubresource } from '../rest/pod-subresources.ts'
import { answerReview, reviewResources, type ReviewResource } from '../rest/reviews.ts'
import type { Rendering } from '../rest/render.ts'
import type { WriteOutcome, WriteRequestInput } from '../rest/write.ts'
import type { Service } from '../service.ts'
import { methodNotAllowed, noSuchResource, notImitated } from '../status-error.ts'
import type { TableOptions } from '../table/table.ts'
import { json, type Answer } from './answer.ts'
import { parseBody } from './body.ts'
import { negotiate } from './negotiate.ts'
import type { ResourceCall, Served } from './call.ts'

/** Serves a call for a resource. */
export async function serveResource(service: Service, call: ResourceCall): Promise<Served> {
  const { group, version, plural } = call.target
  const review = reviewResources.find(
    (each) => each.group === group && each.version === version && each.plural === plural,
  )
  if (review) return serveReview(review, call)
  const resource = service.registry.find(group, version, plural)
  if (resource.deprecation !== undefined) call.warn(resource.deprecation)
  checkScope(resource, call)
  checkSubresource(resource, call)
  const isRead = call.verb === 'get' || call.verb === 'list' || call.verb === 'watch'
  const format = negotiate(call.request.headers.accept)
  const rendering: Rendering = { resource, format, table: readTableOptions(call.query) }
  if (isRead) return { answer: await read(service, call, rendering) }
  return write(service, call, rendering)
}

function readTableOptions(query: URLSearchParams): TableOptions {
  const value = query.get('includeObject')
  return { includeObject: value === 'None' || value === 'Object' ? value : 'Metadata' }
}

function serveReview(review: ReviewResource, call: ResourceCall): Served {
  if (call.verb !== 'create') throw methodNotAllowed()
  const body = parseBody(call.body, call.request.headers['content-type'])
  return { answer: json(answerReview(review, body, call.user), 201) }
}

function checkScope(resource: ServedResource, { target, verb }: ResourceCall): void {
  const { namespace, name } = target
  if (namespace !== undefined && !resource.namespaced) throw noSuchResource()
  if (namespace !== undefined || !resource.namespaced) return
  if (name !== undefined) throw noSuchResource()
  if (verb === 'create' || verb === 'deletecollection') throw methodNotAllowed()
}

/** Subresources that a real cluster serves and the sandbox does not. */
const missingSubresources = [
  'attach',
  'ephemeralcontainers',
  'exec',
  'portforward',
  'proxy',
  'resize',
  'scale',
  'token',
  'approval',
]

function checkSubresource(resource: ServedResource, { target }: ResourceCall): void {
  const { subresource } = target
  if (subresource === undefined || resource.subresources.includes(subresource)) return
  if (subresource === 'status' && resource.hasStatus) return
  if (missingSubresources.includes(subresource)) throw notImitated(`${resource.plural}/${subresource}`)
  throw noSuchResource()
}

async function read(service: Service, call: ResourceCall, rendering: Rendering): Promise<Answer> {
  const { target, query, verb } = call
  const request = { target, query, rendering }
  if (target.subresource === 'log') return readLog(service, request)
  if (target.subresource !== undefined && target.subresource !== 'status') throw methodNotAllowed()
  if (verb === 'watch') return service.reads.watch(request)
  return verb === 'list' ? service.reads.list(request) : service.reads.get(request)
}

async function write(service: Service, call: ResourceCall, rendering: Rendering): Promise<WriteOutcome> {
  const { target, query, user, userAgent, body, request } = call
  const contentType = request.headers['content-type']
  const warn = (message: string): void => call.warn(message)
  const input: WriteRequestInput = { target, query, rendering, user, userAgent, body, contentType, warn }
  if (rendering.resource.plural === 'limitranges') throw notImitated('limit ranges')
  if (target.subresource !== undefined) return writeSubresource(service, call, input)
  switch (call.verb) {
    case 'create':
      if (target.name !== undefined) throw methodNotAllowed()
      return service.writes.create(input)
    case 'delete':
      return service.writes.delete(input)
    case 'deletecollection':
      if (rendering.resource.kind === 'Namespace') throw methodNotAllowed()
      return service.writes.deleteCollection(input)
    default:
      return change(service, call, input)
  }
}

function change(service: Service, call: ResourceCall, input: WriteRequestInput): Promise<WriteOutcome> {
  if (call.target.name === undefined) throw methodNotAllowed()
  return call.verb === 'patch' ? service.writes.patch(input) : service.writes.update(input)
}

function writeSubresource(service: Service, call: ResourceCall, input: WriteRequestInput): Promise<WriteOutcome> {
  const { subresource } = call.target
  if (subresource === 'binding' || subresource === 'eviction') {
    return writePodSubresource(service, input, call.request.method ?? '')
  }
  if (call.verb === 'delete') return service.writes.delete(input)
  const allowed = subresource === 'status' ? ['update', 'patch'] : subresource === 'finalize' ? ['update'] : []
  if (!allowed.includes(call.verb)) throw methodNotAllowed()
  return change(service, call, input)
}
