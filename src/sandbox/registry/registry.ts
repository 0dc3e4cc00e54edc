import { mkdtemp, rm } from 'node:fs/promises'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Authorizer } from './auth.ts'
import { BlobStore } from './blob-store.ts'
import { answerFault, Faults } from './faults.ts'
import { handle, type RegistryState } from './handlers.ts'
import { pushImage, pushIndex } from './push.ts'
import { Repositories } from './repositories.ts'
import { RegistryRefusal, sendError } from './respond.ts'
import { recordRequest } from './route.ts'
import { stopperOf } from '../server-stop.ts'
import type { Fault, PushedImage, PushImage, PushIndex, RegistryAuth, RegistryRequest } from './types.ts'

export interface RegistryOptions {
  /** Default `none`. */
  auth?: RegistryAuth
  /** PEM certificate and key: the registry then speaks HTTPS. */
  tls?: { cert: string; key: string }
  /** Where blobs are kept; default a temporary folder that goes with the registry. */
  folder?: string
  /** Default a free one. */
  port?: number
  /** Milliseconds since the epoch, for the lifetime of tokens. */
  now?: () => number
}

/** A running OCI registry (distribution specification 1.1) on 127.0.0.1, with ways to fill it and to make it fail. */
export interface SandboxRegistry {
  /** `127.0.0.1:port`, as image references name it. */
  readonly address: string
  readonly url: string
  /** Every request so far, in order of arrival. */
  readonly requests: readonly RegistryRequest[]
  /** Resolves with the first request, past or future, that the predicate accepts. */
  waitForRequest(accepts: (request: RegistryRequest) => boolean): Promise<RegistryRequest>
  push(image: PushImage): Promise<PushedImage>
  pushIndex(index: PushIndex): { image: string; digest: string }
  /** Loses a tag, or a digest with its tags; blobs stay. False when there is neither. */
  lose(repository: string, reference: string): boolean
  /** Puts a fault in force; the answer lifts it. */
  fail(fault: Fault): () => void
  clearFaults(): void
  setAuth(auth: RegistryAuth): void
  stop(): Promise<void>
}

class RunningRegistry implements SandboxRegistry {
  readonly requests: RegistryRequest[] = []
  readonly state: RegistryState
  readonly #server: Server
  readonly #stopServer: () => Promise<void>
  readonly #scheme: string
  readonly #folder: string
  readonly #ownsFolder: boolean
  readonly #faults = new Faults()
  readonly #auth: Authorizer
  #waiting: { accepts: (request: RegistryRequest) => boolean; resolve: (request: RegistryRequest) => void }[] = []

  constructor(options: RegistryOptions, folder: string) {
    this.#folder = folder
    this.#ownsFolder = options.folder === undefined
    this.#scheme = options.tls === undefined ? 'http' : 'https'
    this.state = { blobs: new BlobStore(folder), repositories: new Repositories() }
    this.#auth = new Authorizer(options.auth ?? { kind: 'none' }, () => this.url, options.now ?? Date.now)
    const listener = (request: IncomingMessage, response: ServerResponse): void => {
      this.#serve(request, response).catch(() => response.destroy())
    }
    this.#server = options.tls === undefined ? createServer(listener) : createTlsServer(options.tls, listener)
    this.#stopServer = stopperOf(this.#server)
  }

  get address(): string {
    const address: AddressInfo | string | null = this.#server.address()
    return typeof address === 'object' && address !== null ? `127.0.0.1:${address.port}` : ''
  }

  get url(): string {
    return `${this.#scheme}://${this.address}`
  }

  async start(port: number): Promise<void> {
    await this.state.blobs.open()
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', reject)
      this.#server.listen(port, '127.0.0.1', resolve)
    })
  }

  waitForRequest(accepts: (request: RegistryRequest) => boolean): Promise<RegistryRequest> {
    const past = this.requests.find(accepts)
    if (past !== undefined) return Promise.resolve(past)
    return new Promise((resolve) => this.#waiting.push({ accepts, resolve }))
  }

  push(image: PushImage): Promise<PushedImage> {
    return pushImage(this.state, this.address, image)
  }

  pushIndex(index: PushIndex): { image: string; digest: string } {
    return pushIndex(this.state, this.address, index)
  }

  lose(repository: string, reference: string): boolean {
    return this.state.repositories.remove(repository, reference)
  }

  fail(fault: Fault): () => void {
    return this.#faults.add(fault)
  }

  clearFaults(): void {
    this.#faults.clear()
  }

  setAuth(auth: RegistryAuth): void {
    this.#auth.rules = auth
  }

  async stop(): Promise<void> {
    this.#faults.clear()
    await this.#stopServer()
    if (this.#ownsFolder) await rm(this.#folder, { recursive: true, force: true, maxRetries: 5 })
  }

  #note(record: RegistryRequest): void {
    this.requests.push(record)
    for (const { accepts, resolve } of this.#waiting) if (accepts(record)) resolve(record)
    this.#waiting = this.#waiting.filter(({ accepts }) => !accepts(record))
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    // Its own address is nowhere when it is about to stop.
    const url = new URL(request.url ?? '/', `${this.#scheme}://registry`)
    const record = recordRequest(request, response, url)
    this.#note(record)
    response.setHeader('docker-distribution-api-version', 'registry/2.0')
    try {
      await this.#answer({ request, response, record, url })
    } catch (error) {
      if (!response.headersSent && error instanceof RegistryRefusal) sendError(response, error)
      else response.destroy()
    }
    request.resume()
  }

  async #answer(exchange: {
    request: IncomingMessage
    response: ServerResponse
    record: RegistryRequest
    url: URL
  }): Promise<void> {
    const { record, response } = exchange
    const strike = this.#faults.strike(record)
    if (strike !== undefined && answerFault(strike.action, record, response)) return
    if (record.kind === 'token') return this.#auth.answerToken(exchange, response)
    this.#auth.check(exchange)
    await handle({ ...exchange, strike, state: this.state })
  }
}

/** Starts a registry; it listens when the promise resolves. */
export async function startRegistry(options: RegistryOptions = {}): Promise<SandboxRegistry> {
  const folder = options.folder ?? (await mkdtemp(join(tmpdir(), 'kmm-registry-')))
  const registry = new RunningRegistry(options, folder)
  await registry.start(options.port ?? 0)
  return registry
}
