import * as tls from 'node:tls'
import { splitCertificates } from './settings.ts'

// Newer Node.js can read the system's store; older ones know only what they carry.
type WithSystemStore = { getCACertificates?: (type: 'default' | 'system') => string[] }

function listTrustedRoots(): readonly string[] {
  const { getCACertificates } = tls as WithSystemStore
  return getCACertificates ? [...getCACertificates('default'), ...getCACertificates('system')] : tls.rootCertificates
}

/** A TLS context that trusts the usual roots and, besides them, a bundle in PEM; undefined when there is no bundle. */
export function createTrust(caBundle: string | undefined): tls.SecureContext | undefined {
  if (caBundle === undefined) return undefined
  return tls.createSecureContext({ ca: [...new Set([...listTrustedRoots(), ...splitCertificates(caBundle)])] })
}
