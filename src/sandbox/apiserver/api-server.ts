import { randomBytes } from 'node:crypto'
import { createServer as createHttpServer, type RequestListener, type Server } from 'node:http'
import { createServer as createHttpsServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { makeLoopbackCertificate } from '../../kube/certificate.ts'
import type { RequestHook, WriteRecord } from './faults.ts'
import type { User } from './hooks.ts'
import { FrontDoor } from './http/front-door.ts'
import { adminUser, Identities, makeKubeconfig, type Endpoint, type Identity } from './identity.ts'
import type { OpenWatch } from './rest/watch-stream.ts'
import type { WritePipeline } from './pipeline.ts'
import type { Registry } from './registry.ts'
import { createService, type ServiceOptions } from './service.ts'
import type { Store } from './store.ts'
import { stopperOf } from '../server-stop.ts'

/** How the API server is started. */
export interface ApiServerOptions extends ServiceOptions {
  /** 0, the default, lets the system choose. */
  port?: number
  /** HTTPS with a certificate made for the occasion (the default), or plain HTTP. */
  tls?: boolean
  /** Users with tokens besides the administrator. */
  identities?: readonly Identity[]
}

/** An API server that runs in this process, on 127.0.0.1 alone. */
export interface ApiServer {
  url: string
  port: number
  /** PEM of the server's certificate, which is its own authority; absent for plain HTTP. */
  certificate: string | undefined
  /** The administrator's token. */
  token: string
  /** The administrator's kubeconfig. */
  kubeconfig: string
  store: Store
  registry: Registry
  /** Writes with admission and validation from inside the process, as the emulated controllers do. */
  pipeline: WritePipeline
  /** Every write that was served, in order. */
  writes: readonly WriteRecord[]
  /** The watches that are open now, to end, cut or fail them. */
  readonly watches: readonly OpenWatch[]
  /** Lets a test see, delay or spoil requests for resources. Answers with the function that removes the hook. */
  onRequest(hook: RequestHook): () => void
  /** Gives a user a token. */
  addIdentity(user: User): Identity
  kubeconfigFor(identity: Identity): string
  /** Becomes another release of Kubernetes, as `v1.36.2`: built-in kinds that it has are served, others are not. */
  becomeRelease(gitVersion: string): void
  /** Makes every `continue` token answer 410. */
  expireLists(): void
  stop(): Promise<void>
}

/** Starts the API server. */
export async function startApiServer(options: ApiServerOptions = {}): Promise<ApiServer> {
  const service = createService(options)
  const identities = new Identities()
  const addIdentity = (user: User): Identity => {
    const identity = { token: randomBytes(24).toString('base64url'), user }
    identities.add(identity)
    return identity
  }
  const admin = addIdentity(adminUser)
  for (const identity of options.identities ?? []) identities.add(identity)
  const frontDoor = new FrontDoor(service, identities)
  const { server, certificate } = createServer(options.tls !== false, service.now(), frontDoor.listener)
  const stopServer = stopperOf(server)
  const port = await listen(server, options.port ?? 0)
  const endpoint = {
    url: `${certificate === undefined ? 'http' : 'https'}://127.0.0.1:${port}`,
    ...optional(certificate),
  }
  const kubeconfigFor = (identity: Identity): string => makeKubeconfig(endpoint, identity.user.name, identity)
  return {
    url: endpoint.url,
    port,
    certificate,
    token: admin.token,
    kubeconfig: kubeconfigFor(admin),
    store: service.store,
    registry: service.registry,
    pipeline: service.pipeline,
    writes: frontDoor.writes,
    get watches() {
      return service.watches.open
    },
    onRequest: (hook) => frontDoor.addHook(hook),
    addIdentity,
    kubeconfigFor,
    becomeRelease: (gitVersion) => service.becomeRelease(gitVersion),
    expireLists: () => service.pages.expireAll(),
    stop: () => {
      for (const watch of service.watches.open) watch.end()
      return stopServer()
    },
  }
}

const optional = (certificate: string | undefined): Pick<Endpoint, 'certificate'> =>
  certificate === undefined ? {} : { certificate }

function createServer(
  tls: boolean,
  nowMs: number,
  listener: RequestListener,
): { server: Server; certificate: string | undefined } {
  // Idle connections stay open as with the real server, so that clients can reuse them.
  const settings = { keepAliveTimeout: 65_000, requestTimeout: 0 }
  if (!tls) return { server: createHttpServer(settings, listener), certificate: undefined }
  const { key, certificate } = makeLoopbackCertificate(nowMs)
  return { server: createHttpsServer({ ...settings, key, cert: certificate }, listener), certificate }
}

function listen(server: Server, port: number): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen(port, '127.0.0.1', () => {
      server.off('error', reject)
      resolve((server.address() as AddressInfo).port)
    })
  })
}
