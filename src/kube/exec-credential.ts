import { createSecureContext } from 'node:tls'
import { KmmError } from '../errors/error.ts'
import type { ExecPlugin } from './exec-plugin.ts'

/** What one request is made with. */
export interface Credentials {
  token?: string
  /** PEM. */
  clientCertificate?: { certificate: string; key: string }
}

/** Credentials as a plugin gives them. */
export interface ExecCredential extends Credentials {
  /** When to ask again (epoch); undefined: when the server refuses them. */
  expiresAtMs?: number
}

/** The error of a plugin that gives no credentials. */
export function pluginFailed({ command }: ExecPlugin, what: string, cause?: unknown): KmmError {
  return new KmmError(`the credential plugin ${command} of the kubeconfig ${what}`, { code: 'Unauthorized', cause })
}

/** What a plugin finds in the variable KUBERNETES_EXEC_INFO. */
export function formatExecInfo({ apiVersion, cluster }: ExecPlugin, interactive: boolean): string {
  return JSON.stringify({
    kind: 'ExecCredential',
    apiVersion,
    spec: { ...(cluster === undefined ? {} : { cluster }), interactive },
  })
}

const textOf = (value: unknown): string => (typeof value === 'string' ? value : '')

function parseStatus(text: string, plugin: ExecPlugin): Record<string, unknown> {
  let answer: Record<string, unknown> | null
  try {
    answer = JSON.parse(text) as Record<string, unknown> | null
  } catch {
    // What it printed may hold a secret: it is not shown.
    throw pluginFailed(plugin, 'printed something that is not JSON')
  }
  const { kind, apiVersion, status } = answer ?? {}
  if (kind !== 'ExecCredential') throw pluginFailed(plugin, 'printed no ExecCredential')
  if (apiVersion !== plugin.apiVersion)
    throw pluginFailed(plugin, `answered in ${textOf(apiVersion)}, and the kubeconfig says ${plugin.apiVersion}`)
  if (typeof status !== 'object' || status === null) throw pluginFailed(plugin, 'gave no status')
  return status as Record<string, unknown>
}

function readCertificate(status: Record<string, unknown>, plugin: ExecPlugin): Credentials['clientCertificate'] {
  const certificate = textOf(status['clientCertificateData'])
  const key = textOf(status['clientKeyData'])
  if (certificate === '' && key === '') return undefined
  if (certificate === '' || key === '') throw pluginFailed(plugin, 'gave only one of certificate and key')
  try {
    createSecureContext({ cert: certificate, key })
  } catch (error) {
    throw pluginFailed(plugin, 'gave a certificate and key that cannot be used together', error)
  }
  return { certificate, key }
}

function readExpiry(status: Record<string, unknown>, plugin: ExecPlugin): number | undefined {
  const { expirationTimestamp } = status
  if (expirationTimestamp === undefined || expirationTimestamp === null) return undefined
  const at = Date.parse(textOf(expirationTimestamp))
  if (Number.isNaN(at)) throw pluginFailed(plugin, 'gave an expirationTimestamp that is no time')
  return at
}

/** Parses what a plugin has printed. Throws `Unauthorized`, without any of it. */
export function parseExecCredential(text: string, plugin: ExecPlugin): ExecCredential {
  const status = parseStatus(text, plugin)
  const token = textOf(status['token'])
  const clientCertificate = readCertificate(status, plugin)
  const expiresAtMs = readExpiry(status, plugin)
  if (token === '' && clientCertificate === undefined)
    throw pluginFailed(plugin, 'gave neither a token nor a certificate')
  return {
    ...(token === '' ? {} : { token }),
    ...(clientCertificate === undefined ? {} : { clientCertificate }),
    ...(expiresAtMs === undefined ? {} : { expiresAtMs }),
  }
}
