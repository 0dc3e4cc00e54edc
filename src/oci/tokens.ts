import { hasCode, KmmError } from '../errors/error.ts'
import type { Challenge } from './challenge.ts'
import type { Credential } from './credentials.ts'
import { exchange, type ExchangeRequest, type HttpResponse } from './exchange.ts'
import type { Reach } from './guard.ts'
import { readBody } from './read-body.ts'
import { type Asked, explainResponse } from './response-error.ts'
import type { Clock } from './retry.ts'
import type { RegistryTls } from './settings.ts'
import { isRecord, quoteUntrusted } from './text.ts'
import type { Transport } from './transport.ts'

/** A value for the Authorization header and the time, in milliseconds since 1970, from which it is not used any more. */
export interface Authorization {
  header: string
  expiresAt: number
}

/** An Authorization, or why there is none. */
export type AuthorizationOutcome =
  | { type: 'authorization'; authorization: Authorization }
  | { type: 'failure'; error: KmmError; isTransient: boolean; retryAfterMs?: number }

/** What is needed to answer a registry's challenge. */
export interface TokenRequest {
  transport: Transport
  tls: RegistryTls
  clock: Clock
  credential: Credential | undefined
  /** Such as `repository:a/b:pull`; what the challenge asks for is added. */
  scopes: readonly string[]
  /** How far the registry that named the token service is trusted. */
  reach: Reach
  /** The host of the registry's URL: a token service on it is the registry itself. */
  registryHost: string
  userAgent: string
  asked: Asked
}

const maximumBytes = 262_144
const maximumTokenLength = 65_536
const maximumScopes = 8
const defaultLifetimeSeconds = 60
const maximumLifetimeSeconds = 3600
const marginMs = 10_000

function fail(error: KmmError, isTransient = false): AuthorizationOutcome {
  return { type: 'failure', error, isTransient }
}

function refuse(asked: Asked, why: string): AuthorizationOutcome {
  const message = `registry ${asked.registry} does not let ${asked.subject} be read: ${why}`
  return fail(new KmmError(message, { code: 'RegistryUnauthorized' }))
}

function parseRealm(challenge: Challenge): URL | undefined {
  const text = challenge.parameters['realm'] ?? ''
  return text.length <= 4096 && URL.canParse(text) ? new URL(text) : undefined
}

function listScopes(request: TokenRequest, challenge: Challenge): string[] {
  const asked = (challenge.parameters['scope'] ?? '').split(' ').filter((scope) => scope !== '')
  return [...new Set([...request.scopes, ...asked])].slice(0, maximumScopes)
}

function encodeBasic(username: string, password: string): string {
  return `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`
}

/** GET with Basic credentials or none; an identity token is exchanged by POST (the OAuth form of the distribution token API). */
function buildTokenExchange(request: TokenRequest, challenge: Challenge, realm: URL): ExchangeRequest {
  const { credential } = request
  const service = challenge.parameters['service']
  const scopes = listScopes(request, challenge)
  const base = { role: 'token service' as const, reach: request.reach, tls: request.tls }
  const headers = { accept: 'application/json', 'user-agent': request.userAgent }
  const url = new URL(realm)
  if (credential?.kind === 'identityToken') {
    const form = new URLSearchParams({ grant_type: 'refresh_token', refresh_token: credential.token, client_id: 'kmm' })
    if (service !== undefined) form.set('service', service)
    form.set('scope', scopes.join(' '))
    const type = { 'content-type': 'application/x-www-form-urlencoded' }
    return { ...base, method: 'POST', url, headers: { ...headers, ...type }, body: () => form.toString() }
  }
  if (service !== undefined) url.searchParams.set('service', service)
  for (const scope of scopes) url.searchParams.append('scope', scope)
  if (credential?.kind !== 'basic') return { ...base, method: 'GET', url, headers }
  url.searchParams.set('account', credential.username)
  return { ...base, method: 'GET', url, headers, authorization: encodeBasic(credential.username, credential.password) }
}

function parseToken(text: string, requestedAt: number): Authorization | undefined {
  let document: unknown
  try {
    document = JSON.parse(text)
  } catch {
    return undefined
  }
  if (!isRecord(document)) return undefined
  const token = document['token'] ?? document['access_token']
  if (typeof token !== 'string' || token.length > maximumTokenLength || !/^[\x21-\x7e]+$/.test(token)) return undefined
  const stated = document['expires_in']
  const seconds =
    typeof stated === 'number' && stated > 0 ? Math.min(stated, maximumLifetimeSeconds) : defaultLifetimeSeconds
  return { header: `Bearer ${token}`, expiresAt: requestedAt + seconds * 1000 - marginMs }
}

async function readToken(request: TokenRequest, response: HttpResponse, realm: URL): Promise<AuthorizationOutcome> {
  const { asked, clock, transport } = request
  const requestedAt = clock.now()
  try {
    const rules = { maximumBytes, limits: transport.limits, subject: asked.subject }
    const authorization = parseToken((await readBody(response, rules)).toString('utf8'), requestedAt)
    return authorization
      ? { type: 'authorization', authorization }
      : refuse(asked, `its token service ${realm.host} answered without a token`)
  } catch (error) {
    if (error instanceof KmmError) return fail(error, hasCode(error, 'RegistryUnreachable'))
    throw error
  }
}

async function explainTokenRefusal(
  request: TokenRequest,
  response: HttpResponse,
  realm: URL,
): Promise<AuthorizationOutcome> {
  const isOwnAnswer = response.status === 429 || response.status >= 500
  const failure = await explainResponse(response, request.asked)
  if (isOwnAnswer) return { type: 'failure', ...failure }
  const what = request.credential
    ? 'refuses the credentials of the pull secret; check user name, password and that they have not expired'
    : `gives no token without credentials; name a pull secret for ${request.asked.registry} in imageRepoSecret (or in the service account)`
  return refuse(request.asked, `its token service ${realm.host} answered ${response.status} and ${what}`)
}

async function fetchToken(request: TokenRequest, challenge: Challenge): Promise<AuthorizationOutcome> {
  const { asked } = request
  const realm = parseRealm(challenge)
  if (!realm) return refuse(asked, 'it asks for a token without saying from where; is the host a registry?')
  if (realm.protocol !== 'https:' && !request.tls.insecure)
    return refuse(
      asked,
      `its token service ${quoteUntrusted(realm.host)} is not HTTPS, which only registryTLS.insecure: true permits`,
    )
  // The registry's own host needs no more trust than the registry.
  const reach = realm.hostname === request.registryHost ? 'direct' : request.reach
  const outcome = await exchange(request.transport, buildTokenExchange({ ...request, reach }, challenge, realm))
  if (outcome.type === 'failure') return fail(outcome.failure.error, outcome.failure.isTransient)
  const { response } = outcome
  return response.status === 200 ? readToken(request, response, realm) : explainTokenRefusal(request, response, realm)
}

/** Undefined when the credential cannot answer a Basic challenge. */
function answerBasic(credential: Credential | undefined): AuthorizationOutcome | undefined {
  if (credential?.kind !== 'basic') return undefined
  const header = encodeBasic(credential.username, credential.password)
  return { type: 'authorization', authorization: { header, expiresAt: Number.POSITIVE_INFINITY } }
}

/**
 * Answers the challenges of a registry: Bearer by a token from the realm, Basic by the credentials themselves. Credentials reach
 * an HTTPS realm or the registry, never plain HTTP unless `tls.insecure`. Undefined when nothing can be answered.
 */
export async function answerChallenges(
  request: TokenRequest,
  challenges: readonly Challenge[],
): Promise<AuthorizationOutcome | undefined> {
  const { credential } = request
  const bearer = challenges.find((challenge) => challenge.scheme === 'bearer')
  if (bearer && credential?.kind === 'registryToken')
    return {
      type: 'authorization',
      authorization: { header: `Bearer ${credential.token}`, expiresAt: Number.POSITIVE_INFINITY },
    }
  if (bearer) return fetchToken(request, bearer)
  return challenges.some((challenge) => challenge.scheme === 'basic') ? answerBasic(credential) : undefined
}
