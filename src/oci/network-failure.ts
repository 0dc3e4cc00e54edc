import { KmmError } from '../errors/error.ts'
import { refusedAddressCode } from './guard.ts'
import { createAborted } from './retry.ts'
import { quoteUntrusted } from './text.ts'
import type { TimeLimits } from './transport.ts'

/**
 * What kept an answer from arriving: the server talks plain HTTP, its certificate is not trusted, a rule of KMM refuses the
 * destination, the caller gave up, or anything else on the way.
 */
export type FailureKind = 'plain-http' | 'certificate' | 'refused' | 'aborted' | 'network'

/** A request without an answer. `isTransient`: trying again soon may help. */
export interface NetworkFailure {
  kind: FailureKind
  isTransient: boolean
  error: KmmError
}

interface Finding {
  kind: FailureKind
  isTransient: boolean
  why: string
}

const plainHttpCodes = ['ERR_SSL_WRONG_VERSION_NUMBER', 'ERR_SSL_HTTP_REQUEST', 'ERR_SSL_PACKET_LENGTH_TOO_LONG']
const expiredCodes = ['CERT_HAS_EXPIRED', 'CERT_NOT_YET_VALID']
const untrustedPattern = /^(?:DEPTH_ZERO_SELF_SIGNED_CERT|SELF_SIGNED_CERT_IN_CHAIN|UNABLE_TO_|CERT_)/
const trustAdvice =
  'add the certificate authority to caBundle of the operator configuration, or set registryTLS.insecureSkipTLSVerify: true'

/** The codes of an error, of its causes and of the single errors of an AggregateError. */
function listCodes(error: unknown, depth = 0): string[] {
  if (!(error instanceof Error) || depth > 4) return []
  const own = 'code' in error && typeof error.code === 'string' ? [error.code] : []
  const inner = error instanceof AggregateError ? error.errors : [error.cause]
  return [...own, ...inner.flatMap((each) => listCodes(each, depth + 1))]
}

function isPlainHttp(codes: readonly string[], error: unknown): boolean {
  if (codes.some((code) => plainHttpCodes.includes(code))) return true
  return codes.includes('EPROTO') && /wrong version number|http request/.test(String(error))
}

function findTlsProblem(codes: readonly string[], error: unknown): Finding | undefined {
  if (isPlainHttp(codes, error))
    return {
      kind: 'plain-http',
      isTransient: false,
      why: 'it talks plain HTTP where HTTPS was expected; if that is intended, set registryTLS.insecure: true, else correct the port',
    }
  const trouble = (why: string): Finding => ({ kind: 'certificate', isTransient: false, why })
  if (codes.includes('ERR_TLS_CERT_ALTNAME_INVALID'))
    return trouble(
      'its certificate is for another host name; correct the name, or set registryTLS.insecureSkipTLSVerify: true',
    )
  const expired = codes.find((code) => expiredCodes.includes(code))
  if (expired) return trouble(`its certificate is not valid now (${expired}); renew it, and check the node's clock`)
  const untrusted = codes.find((code) => untrustedPattern.test(code))
  if (untrusted) return trouble(`its certificate is not trusted (${untrusted}); ${trustAdvice}`)
  const other = codes.find((code) => code.startsWith('ERR_SSL_') || code.startsWith('ERR_TLS_') || code === 'EPROTO')
  return other
    ? trouble(`the TLS handshake failed (${other}); check that the port is right and which TLS versions it takes`)
    : undefined
}

function describeTimeLimit(code: string, limits: TimeLimits): string | undefined {
  const seconds = (ms: number): string => `${ms / 1000} s`
  if (code === 'UND_ERR_CONNECT_TIMEOUT' || code === 'ETIMEDOUT')
    return `no connection within ${seconds(limits.connectMs)}; check firewalls, the name and the proxy settings`
  if (code === 'UND_ERR_HEADERS_TIMEOUT')
    return `no answer within ${seconds(limits.headersMs)}; check the registry's health`
  if (code === 'UND_ERR_BODY_TIMEOUT')
    return `its answer stalled for ${seconds(limits.stallMs)}; check the registry and the network`
  return undefined
}

const timeoutCodes = ['UND_ERR_CONNECT_TIMEOUT', 'UND_ERR_HEADERS_TIMEOUT', 'UND_ERR_BODY_TIMEOUT', 'ETIMEDOUT']

/** True for what was thrown because nobody answered in time. */
export const isTimeout = (error: unknown): boolean => listCodes(error).some((code) => timeoutCodes.includes(code))

const transientWords: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'nothing listens there; check the name and port, and that the registry runs',
  ECONNRESET: 'it closed the connection; check the registry, and proxies on the way',
  EPIPE: 'it closed the connection; check the registry, and proxies on the way',
  UND_ERR_SOCKET: 'it closed the connection; check the registry, and proxies on the way',
  EAI_AGAIN: 'DNS did not answer for its name; check the DNS of the cluster',
  EHOSTUNREACH: 'there is no route to it; check the network of the node',
  ENETUNREACH: 'there is no route to it; check the network of the node',
}

function findNetworkProblem(codes: readonly string[], error: unknown, limits: TimeLimits): Finding {
  for (const code of codes) {
    const why = describeTimeLimit(code, limits) ?? transientWords[code]
    if (why !== undefined) return { kind: 'network', isTransient: true, why }
  }
  if (codes.includes('ENOTFOUND'))
    return {
      kind: 'network',
      isTransient: false,
      why: 'DNS does not know its name; check the image name and the DNS of the cluster',
    }
  const proxy = /Proxy (?:response|Authentication)[^:]*/.exec(String(error))?.[0]
  if (proxy !== undefined)
    return {
      kind: 'network',
      isTransient: false,
      why: `the proxy refused (${proxy}); check proxy of the operator configuration`,
    }
  const words = quoteUntrusted(error instanceof Error ? error.message : String(error))
  return { kind: 'network', isTransient: true, why: `the connection failed (${words})` }
}

function findRefusedAddress(codes: readonly string[], error: unknown): Finding | undefined {
  if (!codes.includes(refusedAddressCode)) return undefined
  return { kind: 'refused', isTransient: false, why: error instanceof Error ? quoteUntrusted(error.message, 300) : '' }
}

/** Turns what undici threw into words: `where` is the host, as in `registry x` or `registry x, which redirected to y`. */
export function explainNetworkError(
  error: unknown,
  where: string,
  limits: TimeLimits,
  signal: AbortSignal | undefined,
): NetworkFailure {
  if (signal?.aborted) return { kind: 'aborted', isTransient: false, error: createAborted(signal.reason) }
  // What was to be sent could not be read: that is not the fault of the one to whom it was sent.
  if (error instanceof KmmError) return { kind: 'refused', isTransient: false, error }
  const codes = listCodes(error)
  if (codes.includes('UND_ERR_DESTROYED') || codes.includes('UND_ERR_CLOSED'))
    return { kind: 'aborted', isTransient: false, error: createAborted(error) }
  const finding =
    findRefusedAddress(codes, error) ?? findTlsProblem(codes, error) ?? findNetworkProblem(codes, error, limits)
  return createFailure(finding.kind, finding.isTransient, `${where} cannot be reached: ${finding.why}`, error)
}

/** A failure with the code RegistryUnreachable. */
export function createFailure(
  kind: FailureKind,
  isTransient: boolean,
  message: string,
  cause?: unknown,
): NetworkFailure {
  return {
    kind,
    isTransient,
    error: new KmmError(message, { code: 'RegistryUnreachable', ...(cause ? { cause } : {}) }),
  }
}
