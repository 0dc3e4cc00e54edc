import type { IncomingMessage, ServerResponse } from 'node:http'
import { faultError, type Fault, type RequestHook, type RequestInfo, type WriteRecord } from '../faults.ts'
import type { User } from '../hooks.ts'
import { adminUser, type Identities } from '../identity.ts'
import { errorLine } from '../rest/watch-stream.ts'
import type { Service } from '../service.ts'
import { methodNotAllowed } from '../status-error.ts'
import { errorAnswer, writeAnswer, type Answer } from './answer.ts'
import { readBody } from './body.ts'
import type { Call, ResourceCall } from './call.ts'
import { answerPlainPath, isOpenPath } from './plain-paths.ts'
import { serveResource } from './router.ts'
import { parseTarget, verbOf } from './target.ts'

/** What every request goes through: who is it, what does it want, do tests interfere, serve, answer, note. */
export class FrontDoor {
  readonly writes: WriteRecord[] = []
  readonly #service: Service
  readonly #identities: Identities
  readonly #hooks = new Set<RequestHook>()

  constructor(service: Service, identities: Identities) {
    this.#service = service
    this.#identities = identities
  }

  readonly listener = (request: IncomingMessage, response: ServerResponse): void => {
    // A client that goes away is no concern of the server.
    response.on('error', () => {})
    this.#handle(request, response).catch(() => response.destroy())
  }

  addHook(hook: RequestHook): () => void {
    this.#hooks.add(hook)
    return () => this.#hooks.delete(hook)
  }

  async #handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const warnings = new Set<string>()
    const warn = (message: string): void => void warnings.add(message)
    const answer = await this.#answer(request, response, warn)
    if (answer === undefined) response.destroy()
    else await this.#send(response, answer, [...warnings])
  }

  async #send(response: ServerResponse, answer: Answer, warnings: readonly string[]): Promise<void> {
    try {
      await writeAnswer(response, answer, warnings)
    } catch (error) {
      if (response.headersSent) response.destroy()
      else await writeAnswer(response, errorAnswer(error))
    }
  }

  /** Undefined means that the connection is to be cut. */
  async #answer(
    request: IncomingMessage,
    response: ServerResponse,
    warn: (message: string) => void,
  ): Promise<Answer | undefined> {
    try {
      const url = new URL(request.url ?? '/', 'http://localhost')
      if (isOpenPath(url.pathname)) return answerPlainPath(this.#service, this.#call(request, url, adminUser, warn))
      const user = this.#identities.authenticate(request.headers.authorization)
      const call = this.#call(request, url, user, warn)
      const target = parseTarget(url.pathname)
      if (!target) return answerPlainPath(this.#service, call)
      const verb = verbOf(request.method ?? '', target, url.searchParams)
      if (!verb) throw methodNotAllowed()
      call.body = await readBody(request)
      return await this.#interfere({ ...call, target, verb }, response)
    } catch (error) {
      return errorAnswer(error)
    }
  }

  #call(request: IncomingMessage, url: URL, user: User, warn: (message: string) => void): Call {
    const userAgent = request.headers['user-agent'] ?? ''
    return { request, path: url.pathname, query: url.searchParams, user, userAgent, body: Buffer.alloc(0), warn }
  }

  async #interfere(call: ResourceCall, response: ServerResponse): Promise<Answer | undefined> {
    const fault = await this.#askHooks(call)
    if (response.destroyed) return undefined
    switch (fault?.kind) {
      case undefined:
        return this.#serve(call)
      case 'drop':
        return undefined
      case 'dropAnswer':
        await this.#serve(call)
        return undefined
      case 'error':
        this.#note(call, fault.status, {})
        return errorAnswer(faultError(fault))
      case 'watchError':
        return watchErrorAnswer(fault)
    }
  }

  async #askHooks(call: ResourceCall): Promise<Fault | undefined> {
    const { target, verb, path, userAgent, user } = call
    const info: RequestInfo = { ...target, verb, path, userAgent, user }
    for (const hook of this.#hooks) {
      const fault = await hook(info)
      if (fault) return fault
    }
    return undefined
  }

  async #serve(call: ResourceCall): Promise<Answer> {
    try {
      const served = await serveResource(this.#service, call)
      this.#note(call, statusOf(served.answer), served)
      return served.answer
    } catch (error) {
      const answer = errorAnswer(error)
      this.#note(call, statusOf(answer), {})
      return answer
    }
  }

  #note(call: ResourceCall, status: number, served: { name?: string; dryRun?: boolean }): void {
    if (isQuestion(call)) return
    const { target, verb, userAgent, user } = call
    const { group, plural, namespace, subresource } = target
    const name = served.name ?? target.name
    this.writes.push({
      verb,
      group,
      resource: plural,
      ...(subresource === undefined ? {} : { subresource }),
      ...(namespace === undefined ? {} : { namespace }),
      ...(name === undefined || name === '' ? {} : { name }),
      userAgent,
      user: user.name,
      status,
      ...(served.dryRun === true ? { dryRun: true } : {}),
    })
  }
}

/** Reviews are posted, but they ask and store nothing, like reads. */
function isQuestion({ verb, target }: ResourceCall): boolean {
  return verb === 'get' || verb === 'list' || verb === 'watch' || target.plural.endsWith('reviews')
}

const statusOf = (answer: Answer): number => (answer.kind === 'body' ? answer.status : 200)

function watchErrorAnswer(fault: Extract<Fault, { kind: 'watchError' }>): Answer {
  return { kind: 'body', status: 200, contentType: 'application/json', body: errorLine(faultError(fault)) }
}
