import { randomUUID } from 'node:crypto'
import type { ServerResponse } from 'node:http'
import { parseBasic } from './route.ts'
import { RegistryRefusal, sendJson } from './respond.ts'
import type { RegistryAction, RegistryAuth, RegistryExchange, RegistryUser } from './types.ts'

interface Grant {
  repository: string
  actions: readonly RegistryAction[]
}

interface Token {
  grants: readonly Grant[]
  expiresAtMs: number
}

const covers = (list: readonly string[], repository: string): boolean =>
  list.some((each) => each === repository || (each.endsWith('/') && repository.startsWith(each)))

function userMay(user: RegistryUser | undefined, repository: string, action: RegistryAction): boolean {
  if (user === undefined) return false
  if (user.actions !== undefined && !user.actions.includes(action)) return false
  return user.repositories === undefined || covers(user.repositories, repository)
}

/** What a request does, as the registry's permissions name it. */
function actionOf(method: string): RegistryAction {
  if (method === 'GET' || method === 'HEAD') return 'pull'
  return method === 'DELETE' ? 'delete' : 'push'
}

function parseScope(scope: string): Grant | undefined {
  const match = /^repository:(.+):([a-z,*]+)$/.exec(scope)
  if (!match) return undefined
  const asked = (match[2] ?? '').split(',')
  const actions = (['pull', 'push', 'delete'] as const).filter((each) => asked.includes(each) || asked.includes('*'))
  return { repository: match[1] ?? '', actions }
}

/** Decides who may do what, and runs the token endpoint. The rules can be changed while the registry runs. */
export class Authorizer {
  rules: RegistryAuth
  readonly #origin: () => string
  readonly #now: () => number
  readonly #tokens = new Map<string, Token>()

  constructor(rules: RegistryAuth, origin: () => string, now: () => number) {
    this.rules = rules
    this.#origin = origin
    this.#now = now
  }

  /** Refuses a request with 401 and a challenge, or 403, unless its credentials are good for it. */
  check(exchange: RegistryExchange): void {
    const { rules } = this
    if (rules.kind === 'none') return
    const action = actionOf(exchange.request.method ?? '')
    const { repository } = exchange.record
    if (repository !== '' && action === 'pull' && covers(rules.anonymousPull ?? [], repository)) return
    if (rules.kind === 'basic') this.#checkBasic(exchange, action)
    else this.#checkToken(exchange, action)
  }

  /** Answers a request for a token: Basic credentials, or none for what is open to all. */
  answerToken(exchange: RegistryExchange, response: ServerResponse): void {
    const { rules } = this
    if (rules.kind !== 'token') throw new RegistryRefusal('NAME_UNKNOWN', 'this registry gives no tokens')
    const basic = parseBasic(exchange.request.headers.authorization)
    const user = this.#findUser(exchange.request.headers.authorization)
    if (basic !== undefined && user === undefined)
      throw new RegistryRefusal('UNAUTHORIZED', 'incorrect username or password')
    const asked = exchange.url.searchParams.getAll('scope').flatMap((text) => text.split(' '))
    const grants = asked.map(parseScope).filter((grant) => grant !== undefined)
    const allowed = grants.map((grant) => ({
      ...grant,
      actions: grant.actions.filter((a) => this.#may(user, grant.repository, a)),
    }))
    const token = randomUUID()
    const lifetime = rules.tokenLifetimeSeconds ?? 300
    this.#tokens.set(token, { grants: allowed, expiresAtMs: this.#now() + lifetime * 1000 })
    sendJson(response, 200, {
      token,
      access_token: token,
      expires_in: lifetime,
      issued_at: new Date(this.#now()).toISOString(),
    })
  }

  #may(user: RegistryUser | undefined, repository: string, action: RegistryAction): boolean {
    const open = this.rules.kind === 'none' ? [] : (this.rules.anonymousPull ?? [])
    return userMay(user, repository, action) || (action === 'pull' && covers(open, repository))
  }

  #findUser(header: string | undefined): RegistryUser | undefined {
    const basic = parseBasic(header)
    const users = this.rules.kind === 'none' ? [] : this.rules.users
    return users.find((user) => user.username === basic?.username && user.password === basic.password)
  }

  #checkBasic({ request, record }: RegistryExchange, action: RegistryAction): void {
    const user = this.#findUser(request.headers.authorization)
    if (user === undefined) throw this.#challenge('Basic realm="sandbox registry"', request.headers.authorization)
    if (record.repository !== '' && !userMay(user, record.repository, action))
      throw new RegistryRefusal('DENIED', 'requested access to the resource is denied')
  }

  #checkToken({ request, record }: RegistryExchange, action: RegistryAction): void {
    const grants = this.#liveGrants(request.headers.authorization ?? '')
    if (grants?.some((each) => each.repository === record.repository && each.actions.includes(action))) return
    if (grants !== undefined && record.repository === '') return
    const asked = action === 'push' ? 'pull,push' : action
    const scope = record.repository === '' ? '' : `,scope="repository:${record.repository}:${asked}"`
    const problem = grants === undefined ? '' : ',error="insufficient_scope"'
    const header = `Bearer realm="${this.#realm()}",service="sandbox-registry"${scope}${problem}`
    throw this.#challenge(header, request.headers.authorization)
  }

  /** What a token allows; undefined when there is no such token or its time is over. */
  #liveGrants(header: string): readonly Grant[] | undefined {
    const token = this.#tokens.get(/^bearer\s+(\S+)$/i.exec(header)?.[1] ?? '')
    return token !== undefined && token.expiresAtMs > this.#now() ? token.grants : undefined
  }

  #realm(): string {
    const configured = this.rules.kind === 'token' ? this.rules.realm : undefined
    return configured ?? `${this.#origin()}/token`
  }

  #challenge(header: string, given: string | undefined): RegistryRefusal {
    const message = given === undefined ? 'authentication required' : 'the credentials given are not good for this'
    return new RegistryRefusal('UNAUTHORIZED', message, { headers: { 'www-authenticate': header } })
  }
}
