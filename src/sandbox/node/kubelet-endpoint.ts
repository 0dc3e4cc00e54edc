import type { IncomingMessage, ServerResponse } from 'node:http'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import type { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import type { TLSSocket } from 'node:tls'
import type { Pod } from 'kubernetes-types/core/v1.js'
import { describeError } from '../../errors/error.ts'
import type { CertificateAuthority } from '../../kube/certificate.ts'
import { isTrue } from '../apiserver/http/target.ts'
import { stopperOf } from '../server-stop.ts'
import type { LogSelection } from './container-log.ts'
import type { FindKubelets, Kubelet } from './kubelet.ts'

/** What the kubelets' server needs. */
export interface KubeletEndpointOptions {
  /** Signs the server's certificate and those of its clients. */
  authority: CertificateAuthority
  /** The only user who may ask. */
  clientName: string
  findKubelets: FindKubelets
}

/** The server by which an API server reaches the kubelets of all virtual nodes of a process. */
export interface KubeletEndpoint {
  port: number
  stop(): Promise<void>
}

/** An answer of the kubelet that is no log. */
class Refusal extends Error {
  readonly status: number

  constructor(status: number, message: string) {
    super(message)
    this.status = status
  }
}

interface LogTarget {
  namespace: string
  pod: string
  container: string
}

function parseTarget(path: string): LogTarget {
  const [, root, namespace = '', pod = '', container = '', ...more] = path.split('/').map(decodeURIComponent)
  if (root !== 'containerLogs' || container === '' || more.length > 0)
    throw new Refusal(501, `the virtual node's kubelet serves logs alone, not ${path}`)
  return { namespace, pod, container }
}

function count(query: URLSearchParams, name: 'tailLines' | 'sinceSeconds' | 'limitBytes'): Partial<LogSelection> {
  const text = query.get(name)
  if (text === null || text === '') return {}
  if (!/^\d+$/.test(text)) throw new Refusal(400, `${name} must be a number`)
  return { [name]: Number(text) }
}

const flag = (query: URLSearchParams, name: string): boolean => query.has(name) && isTrue(query.get(name))

const readSelection = (query: URLSearchParams): LogSelection => ({
  follow: flag(query, 'follow'),
  timestamps: flag(query, 'timestamps'),
  ...count(query, 'tailLines'),
  ...count(query, 'sinceSeconds'),
  ...count(query, 'limitBytes'),
})

/** Why a container has no log, in the words of a kubelet. */
function explainNoLog(kubelet: Kubelet, { namespace, pod, container }: LogTarget, previous: boolean): Refusal {
  if (previous)
    return new Refusal(400, `previous terminated container ${JSON.stringify(container)} in pod "${pod}" not found`)
  const statuses = kubelet.findPod(namespace, pod)?.status?.containerStatuses ?? []
  const reason = statuses.find(({ name }) => name === container)?.state?.waiting?.reason ?? 'ContainerCreating'
  return new Refusal(400, `container "${container}" in pod "${pod}" is waiting to start: ${reason}`)
}

const hasContainer = ({ spec }: Pod, name: string): boolean =>
  [...(spec?.containers ?? []), ...(spec?.initContainers ?? [])].some((each) => each.name === name)

async function readLog(findKubelets: FindKubelets, path: string, query: URLSearchParams): Promise<string | Readable> {
  const target = parseTarget(path)
  const { namespace, pod: name, container } = target
  const kubelet = findKubelets().find((each) => each.findPod(namespace, name) !== undefined)
  const pod = kubelet?.findPod(namespace, name)
  if (kubelet === undefined || pod === undefined) throw new Refusal(404, `pod "${name}" not found`)
  if (!hasContainer(pod, container)) throw new Refusal(404, `container "${container}" not found in pod "${name}"`)
  const previous = flag(query, 'previous')
  const log = await kubelet.readLog({ uid: pod.metadata?.uid ?? '', container, previous }, readSelection(query))
  if (log === undefined) throw explainNoLog(kubelet, target, previous)
  return log
}

async function answer(
  options: KubeletEndpointOptions,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const { pathname, searchParams } = new URL(request.url ?? '/', 'https://localhost')
  const client = (request.socket as TLSSocket).getPeerCertificate().subject?.CN
  if (client !== options.clientName) throw new Refusal(403, 'only the API server may ask the kubelet')
  const log = await readLog(options.findKubelets, pathname, searchParams)
  response.writeHead(200, { 'Content-Type': 'text/plain' })
  if (typeof log === 'string') {
    response.end(log)
    return
  }
  response.flushHeaders()
  // Who goes away ends the log; that is no error.
  await pipeline(log, response).catch(() => log.destroy())
}

/** Starts the kubelets' server on 127.0.0.1. It knows the API server by its certificate, and serves logs. */
export async function startKubeletEndpoint(options: KubeletEndpointOptions): Promise<KubeletEndpoint> {
  const { authority } = options
  const { key, certificate } = authority.issue({ commonName: 'kubelet', uses: ['server'], hosts: ['127.0.0.1'] })
  const tls = { key, cert: certificate, ca: authority.certificate, requestCert: true }
  const server = createServer(tls, (request, response) => {
    answer(options, request, response).catch((error: unknown) => {
      const status = error instanceof Refusal ? error.status : 500
      response.writeHead(status, { 'Content-Type': 'text/plain' }).end(describeError(error))
    })
  })
  const stop = stopperOf(server)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  return { port, stop }
}
