import type { IncomingMessage } from 'node:http'
import { aggregatedDiscovery, plainDiscovery } from '../discovery/discovery.ts'
import { emptyOpenApiV2 } from '../discovery/openapi-v2.ts'
import type { Service } from '../service.ts'
import { methodNotAllowed, noSuchResource, notImitated } from '../status-error.ts'
import { json, jsonText, plainText, type Answer } from './answer.ts'
import type { Call } from './call.ts'
import { negotiate, parseMediaTypes } from './negotiate.ts'

const aggregatedType = 'application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList'

/** Paths that name no resource: version, health, discovery, OpenAPI. */
export function answerPlainPath(service: Service, { request, path }: Call): Answer {
  if (request.method !== 'GET') throw methodNotAllowed()
  if (isOpenPath(path)) return path.startsWith('/version') ? json(service.version) : plainText('ok')
  if (/^\/apis?(\/|$)/.test(path)) return answerDiscovery(service, request, path)
  if (path === '/openapi/v3') return json(service.openApi.index())
  if (path.startsWith('/openapi/v3/')) return answerOpenApi(service, path.slice('/openapi/v3/'.length))
  if (path === '/openapi/v2') return answerOpenApiV2(request.headers.accept)
  if (path === '/metrics') throw notImitated(path)
  return plainText('404 page not found\n', 404)
}

/** True for the paths that need no token: version and health. */
export function isOpenPath(path: string): boolean {
  return /^\/(healthz|readyz|livez)(\/|$)/.test(path) || /^\/version\/?$/.test(path)
}

function answerOpenApi(service: Service, path: string): Answer {
  const document = service.openApi.document(path)
  if (document === undefined) throw noSuchResource()
  return jsonText(document)
}

const openApiV2Type = 'application/com.github.proto-openapi.spec.v2@v1.0+protobuf'

/** Go refuses an `@` in the answer's type, although it asks with one. kubectl insists on the old form of OpenAPI where it looks for a kind that is not there: it gets one without kinds. */
function answerOpenApiV2(accept: string | undefined): Answer {
  const wanted = parseMediaTypes(accept).some(({ type }) => type === openApiV2Type)
  if (!wanted) throw notImitated('OpenAPI v2', 'ask for /openapi/v3')
  return { kind: 'body', status: 200, contentType: openApiV2Type.replace('@', '.'), body: emptyOpenApiV2() }
}

function answerDiscovery(service: Service, request: IncomingMessage, path: string): Answer {
  const root = path === '/api' || path === '/api/' ? 'api' : path === '/apis' || path === '/apis/' ? 'apis' : undefined
  if (root !== undefined && wantsAggregated(request.headers.accept)) {
    const body = JSON.stringify(aggregatedDiscovery(service.registry, root))
    return { kind: 'body', status: 200, contentType: aggregatedType, body }
  }
  negotiate(request.headers.accept)
  const found = plainDiscovery(service.registry, path)
  return found ? json(found) : plainText('404 page not found\n', 404)
}

function wantsAggregated(accept: string | undefined): boolean {
  return parseMediaTypes(accept).some(({ type, parameters }) => {
    const isAggregated = parameters.get('as') === 'APIGroupDiscoveryList' && parameters.get('v') === 'v2'
    return type === 'application/json' && isAggregated
  })
}
