import { hasCode, type KmmError } from '../errors/error.ts'
import { parseChallenges } from './challenge.ts'
import { type Credential, type CredentialStore, fingerprintCredential } from './credentials.ts'
import { discardBody, type HttpResponse, type Outcome } from './exchange.ts'
import { reachFrom } from './guard.ts'
import type { Endpoint } from './mirrors.ts'
import { type Asked, explainResponse } from './response-error.ts'
import { type Attempt, createAborted, type RetryPolicy, withRetries } from './retry.ts'
import { createRoute, type Route, type RouteContext, type RoutedRequest } from './route.ts'
import type { TokenCache } from './token-cache.ts'
import { answerChallenges, type AuthorizationOutcome } from './tokens.ts'

/** What all sessions of a client share. */
export interface SessionContext extends RouteContext {
  credentials: CredentialStore
  tokens: TokenCache
  retries: RetryPolicy
}

/** One request to the repository of an endpoint. */
export interface SessionRequest<T> extends RoutedRequest {
  actions: 'pull' | 'pull,push'
  /** A repository to read as well, for mounting a blob from it. */
  mountFrom?: string
  /** Finds the target of each attempt anew, where an attempt uses it up. */
  locate?: () => Promise<URL>
  /** The statuses that are a success. */
  accept: readonly number[]
  /** What is asked for, for messages. */
  subject: string
  consume(response: HttpResponse): Promise<T>
}

/** Talks to one registry about one repository: scheme, credentials, retries. */
export interface Session {
  readonly endpoint: Endpoint
  /** Throws the KmmErrors of a registry client, and Aborted. */
  send<T>(request: SessionRequest<T>): Promise<T>
}

interface State {
  context: SessionContext
  endpoint: Endpoint
  route: Route
}

type AnyRequest = SessionRequest<unknown>
type Denial = Extract<AuthorizationOutcome, { type: 'failure' }>
type Answer = Outcome | { type: 'denied'; denial: Denial }

/** Waits for work that others wait for too, so that one caller's abort does not end it. */
async function waitFor<T>(work: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (!signal) return work
  return new Promise<T>((resolve, reject) => {
    const onAbort = (): void => reject(createAborted(signal.reason))
    if (signal.aborted) onAbort()
    signal.addEventListener('abort', onAbort, { once: true })
    void work.then(resolve, reject).finally(() => signal.removeEventListener('abort', onAbort))
  })
}

function isRefused(answer: Answer): boolean {
  return answer.type === 'denied' || (answer.type === 'response' && [401, 403].includes(answer.response.status))
}

function listScopes(state: State, request: AnyRequest): string[] {
  const source = request.mountFrom === undefined ? [] : [`repository:${request.mountFrom}:pull`]
  return [`repository:${state.endpoint.reference.repository}:${request.actions}`, ...source]
}

function createAsked(state: State, request: AnyRequest): Asked {
  const { reference } = state.endpoint
  return {
    subject: request.subject,
    registry: reference.registry,
    hasCredentials: state.context.credentials.find(reference) !== undefined,
    now: state.context.retries.clock.now(),
  }
}

function createTokenKey(state: State, request: AnyRequest, credential: Credential | undefined): string {
  const { insecure, insecureSkipTLSVerify } = state.endpoint.tls
  const parts = [state.route.host, insecure, insecureSkipTLSVerify, ...listScopes(state, request)]
  return [...parts, fingerprintCredential(credential)].join(' ')
}

/** Gets what the refusing registry asks for; undefined when it asks for nothing that can be given. */
async function authorize(
  state: State,
  request: AnyRequest,
  refused: HttpResponse,
  credential: Credential | undefined,
): Promise<AuthorizationOutcome | undefined> {
  const challenges = refused.isOwnOrigin ? parseChallenges(refused.headers['www-authenticate']) : []
  if (challenges.length === 0) return undefined
  const { transport, tokens, retries, userAgent } = state.context
  const tokenRequest = {
    transport,
    tls: state.endpoint.tls,
    clock: retries.clock,
    credential,
    scopes: listScopes(state, request),
    reach: reachFrom(transport.classOf(refused.url)),
    registryHost: refused.url.hostname,
    userAgent,
    asked: createAsked(state, request),
  }
  const key = createTokenKey(state, request, credential)
  return waitFor(
    tokens.fetch(key, () => answerChallenges(tokenRequest, challenges)),
    request.signal,
  )
}

/** Uses the token that is kept; what the registry does not take any more is forgotten. */
async function sendWithKnownToken(state: State, request: AnyRequest, key: string): Promise<Answer | undefined> {
  const { tokens, retries } = state.context
  const known = tokens.get(key, retries.clock.now())
  if (known === undefined) return undefined
  const outcome = await state.route.exchange(request, known)
  if (outcome.type === 'failure' || !isRefused(outcome)) return outcome
  tokens.delete(key)
  await discardBody(outcome.response)
  return undefined
}

async function sendAs(state: State, request: AnyRequest, credential: Credential | undefined): Promise<Answer> {
  const key = createTokenKey(state, request, credential)
  const known = await sendWithKnownToken(state, request, key)
  if (known) return known
  // Without credentials first: the refusal says what the registry wants.
  const first = await state.route.exchange(request, undefined)
  if (first.type === 'failure' || !isRefused(first)) return first
  const outcome = await authorize(state, request, first.response, credential)
  if (outcome === undefined) return first
  await discardBody(first.response)
  if (outcome.type === 'failure') return { type: 'denied', denial: outcome }
  const second = await state.route.exchange(request, outcome.authorization.header)
  if (isRefused(second)) state.context.tokens.delete(key)
  return second
}

/** The credentials that fit, those first that the registry took before. */
function listCandidates(state: State, request: AnyRequest): (Credential | undefined)[] {
  const { credentials, tokens, retries } = state.context
  const fitting = credentials.findAll(state.endpoint.reference)
  if (fitting.length === 0) return [undefined]
  const isKnown = (credential: Credential): boolean =>
    tokens.get(createTokenKey(state, request, credential), retries.clock.now()) !== undefined
  return [...fitting.filter(isKnown), ...fitting.filter((credential) => !isKnown(credential))]
}

/** Tries the fitting credentials in turn, as the kubelet does; without any, once without. */
async function sendAuthorized(state: State, request: AnyRequest): Promise<Answer> {
  const [first, ...others] = listCandidates(state, request)
  let answer = await sendAs(state, request, first)
  for (const credential of others) {
    if (!isRefused(answer) || (answer.type === 'denied' && answer.denial.isTransient)) break
    if (answer.type === 'response') await discardBody(answer.response)
    answer = await sendAs(state, request, credential)
  }
  return answer
}

/** A passing failure is tried again; any other is thrown. */
function toAttempt(failed: { error: KmmError; isTransient: boolean; retryAfterMs?: number }): Attempt<never> {
  if (!failed.isTransient) throw failed.error
  const wait = failed.retryAfterMs === undefined ? {} : { retryAfterMs: failed.retryAfterMs }
  return { type: 'retry', error: failed.error, ...wait }
}

async function attempt<T>(state: State, asked: SessionRequest<T>): Promise<Attempt<T>> {
  if (asked.signal?.aborted) throw createAborted(asked.signal.reason)
  const request = asked.locate === undefined ? asked : { ...asked, target: await asked.locate() }
  const answer = await sendAuthorized(state, request)
  if (answer.type === 'denied') return toAttempt(answer.denial)
  if (answer.type === 'failure') return toAttempt(answer.failure)
  const { response } = answer
  if (!request.accept.includes(response.status))
    return toAttempt(await explainResponse(response, createAsked(state, request)))
  try {
    return { type: 'done', value: await request.consume(response) }
  } catch (error) {
    if (!hasCode(error, 'RegistryUnreachable')) throw error
    return { type: 'retry', error }
  }
}

/** Makes the session of an endpoint. It holds no connection of its own: the transport does. */
export function createSession(context: SessionContext, endpoint: Endpoint): Session {
  const state: State = { context, endpoint, route: createRoute(context, endpoint) }
  return {
    endpoint,
    send: (request) => withRetries(context.retries, request.signal, () => attempt(state, request)),
  }
}
