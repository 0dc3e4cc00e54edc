import { Agent, type Dispatcher, ProxyAgent } from 'undici'
import type { ConnectionSettings } from './connection.ts'

const connectTimeoutMs = 10_000
const keepAliveMs = 30_000

/** The one pool of connections to an API server; what finds none free waits for one. */
export function createDispatcher(connection: ConnectionSettings, mostConnections: number | undefined): Dispatcher {
  const { certificateAuthority, clientCertificate, insecureSkipTlsVerify, tlsServerName, proxyUrl } = connection
  const tls = {
    timeout: connectTimeoutMs,
    rejectUnauthorized: !insecureSkipTlsVerify,
    ...(certificateAuthority === undefined ? {} : { ca: certificateAuthority }),
    ...(clientCertificate ? { cert: clientCertificate.certificate, key: clientCertificate.key } : {}),
    ...(tlsServerName === undefined ? {} : { servername: tlsServerName }),
  }
  const pool = { keepAliveTimeout: keepAliveMs, connections: mostConnections ?? null }
  return proxyUrl === undefined
    ? new Agent({ ...pool, connect: tls })
    : new ProxyAgent({ ...pool, uri: proxyUrl, requestTls: tls })
}
