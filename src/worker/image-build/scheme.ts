import { KmmError } from '../../errors/error.ts'
import { discardBody, exchange, type Outcome } from '../../oci/exchange.ts'
import { dockerHub } from '../../oci/reference.ts'
import type { RegistrySettings, RegistryTls } from '../../oci/settings.ts'
import { createTransport } from '../../oci/transport.ts'

/** Answers whether the builder may drop its guard for a registry: see `createSchemeFinder`. */
export interface SchemeFinder {
  /** True when the builder has to be told to be insecure, false when it is to verify as usual. */
  needsInsecure(host: string, tls: RegistryTls): Promise<boolean>
  close(): Promise<void>
}

/**
 * The builder knows only one switch, "insecure", which allows plain HTTP and forgoes verifying certificates, both. KMM allows
 * each for itself. So a registry for which one of the two is allowed is asked first, without credentials, how it talks, and the
 * switch is used only where what it allows is allowed: for plain HTTP where `insecure` is set, for HTTPS where certificates are
 * not to be verified. Throws RegistryUnreachable for plain HTTP that is not allowed, and where nobody answers.
 */
export function createSchemeFinder(settings: RegistrySettings, signal: AbortSignal): SchemeFinder {
  const transport = createTransport({ settings })
  const ask = async (scheme: 'https' | 'http', host: string, tls: RegistryTls): Promise<Outcome> => {
    const url = new URL(`${scheme}://${host === dockerHub ? 'registry-1.docker.io' : host}/v2/`)
    const headers = { 'user-agent': 'kmm-worker' }
    const outcome = await exchange(transport, {
      method: 'GET',
      role: 'registry',
      url,
      headers,
      reach: 'direct',
      tls,
      signal,
    })
    if (outcome.type === 'response') await discardBody(outcome.response)
    return outcome
  }
  return {
    needsInsecure: async (host, tls) => {
      if (!tls.insecure && !tls.insecureSkipTLSVerify) return false
      const secure = await ask('https', host, tls)
      if (secure.type === 'response') return tls.insecureSkipTLSVerify
      const { kind, error } = secure.failure
      if (!tls.insecure || (kind !== 'plain-http' && kind !== 'network')) throw asUnreachable(error)
      const plain = await ask('http', host, tls)
      // A server of HTTPS answers 400 to plain HTTP.
      if (plain.type === 'response' && plain.response.status !== 400) return true
      throw asUnreachable(plain.type === 'failure' ? plain.failure.error : error)
    },
    close: () => transport.close(),
  }
}

function asUnreachable(error: KmmError): KmmError {
  return error.code === 'Aborted'
    ? error
    : new KmmError(error.message, { code: 'RegistryUnreachable', cause: error.cause })
}
