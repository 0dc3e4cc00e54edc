import { existsSync, readFileSync } from 'node:fs'
import { delimiter, dirname, join, resolve } from 'node:path'
import type { ConnectionSettings } from './connection.ts'
import { findEnvironmentProxy } from './environment-proxy.ts'
import { readExecPlugin } from './exec-plugin.ts'
import {
  type KubeconfigEntry,
  kubeconfigInvalid,
  type KubeconfigFile,
  mergeKubeconfigs,
  parseKubeconfig,
  pathField,
  textField,
} from './kubeconfig-file.ts'

/** The process's environment variables. */
export type Environment = Readonly<Record<string, string | undefined>>

/** Where a kubeconfig comes from: `text`, else `path`, else KUBECONFIG (a list), else `.kube/config` of `homeFolder`. */
export interface KubeconfigSource {
  text?: string
  path?: string
  /** KUBECONFIG, and the proxy for a cluster that names none. */
  environment?: Environment
  homeFolder?: string
  /** Instead of the file's current context. */
  context?: string
}

function readFile(path: string, what: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    throw kubeconfigInvalid(`cannot read ${what} ${path}`, error)
  }
}

function readKubeconfigFile(path: string): KubeconfigFile {
  const absolute = resolve(path)
  return parseKubeconfig(readFile(absolute, 'the kubeconfig'), absolute, dirname(absolute))
}

function readSource(source: KubeconfigSource): KubeconfigFile {
  if (source.text !== undefined) return parseKubeconfig(source.text, 'text', '/')
  if (source.path !== undefined) return readKubeconfigFile(source.path)
  const listed = (source.environment?.['KUBECONFIG'] ?? '').split(delimiter).filter((path) => path !== '')
  const candidates = listed.length > 0 ? listed : [join(source.homeFolder ?? '/', '.kube', 'config')]
  // As kubectl: files of the list that do not exist are passed over.
  const present = candidates.filter((path) => existsSync(path))
  if (present.length === 0)
    throw kubeconfigInvalid(`no kubeconfig found at ${candidates.join(', ')}: set KUBECONFIG or pass --kubeconfig`)
  return mergeKubeconfigs(present.map((path) => readKubeconfigFile(path)))
}

/** PEM that an entry holds as base64 in `<name>-data`, or in the file that `<name>` names. */
function readPem(entry: KubeconfigEntry, name: string): string | undefined {
  const data = textField(entry, `${name}-data`)
  if (data !== undefined) return Buffer.from(data, 'base64').toString('utf8')
  const path = pathField(entry, name)
  return path === undefined ? undefined : readFile(path, name)
}

const unsupportedUserFields: Readonly<Record<string, string>> = {
  'auth-provider': 'an auth-provider',
  username: 'a user name and password',
  as: 'impersonation',
  'as-uid': 'impersonation',
  'as-groups': 'impersonation',
}

function refuseUnsupported(name: string, { fields }: KubeconfigEntry): void {
  const unsupported = Object.entries(unsupportedUserFields).find(([field]) => fields[field] !== undefined)
  if (unsupported)
    throw kubeconfigInvalid(
      `user ${name} of the kubeconfig uses ${unsupported[1]}, which KMM does not support yet: use a token, a token file or a client certificate, for example of a service account (kubectl create token)`,
    )
}

function readClientCertificate(name: string, entry: KubeconfigEntry): ConnectionSettings['clientCertificate'] {
  const certificate = readPem(entry, 'client-certificate')
  const key = readPem(entry, 'client-key')
  if ((certificate === undefined) !== (key === undefined))
    throw kubeconfigInvalid(`user ${name} of the kubeconfig needs both client-certificate and client-key`)
  return certificate !== undefined && key !== undefined ? { certificate, key } : undefined
}

function readUser(name: string, entry: KubeconfigEntry, cluster: Cluster): Partial<ConnectionSettings> {
  refuseUnsupported(name, entry)
  const clientCertificate = readClientCertificate(name, entry)
  const token = textField(entry, 'token')
  const tokenFile = pathField(entry, 'tokenFile')
  const plain = {
    ...(clientCertificate ? { clientCertificate } : {}),
    ...(token === undefined ? {} : { token }),
    ...(tokenFile === undefined ? {} : { tokenFile }),
  }
  // As kubectl: what stands in the file itself goes before a plugin.
  const hasPlugin = Object.keys(plain).length === 0 && (entry.fields['exec'] ?? undefined) !== undefined
  return hasPlugin ? { exec: readExecPlugin(name, entry, () => describeCluster(cluster)) } : plain
}

interface Cluster {
  settings: ConnectionSettings
  entry: KubeconfigEntry
}

/** What the kubeconfig says of a cluster for plugins alone. */
function findExecConfig({ fields: { extensions } }: KubeconfigEntry): unknown {
  const list: unknown[] = Array.isArray(extensions) ? extensions : []
  const found = list.find((each) => (each as { name?: unknown } | null)?.name === 'client.authentication.k8s.io/exec')
  return (found as { extension?: unknown } | undefined)?.extension
}

/** What a plugin is told of the cluster, as ExecCredential spells it. */
function describeCluster({ settings, entry }: Cluster): Record<string, unknown> {
  const { server, certificateAuthority, insecureSkipTlsVerify, tlsServerName, proxyUrl } = settings
  const config = findExecConfig(entry)
  const authority = certificateAuthority === undefined ? undefined : Buffer.from(certificateAuthority)
  return {
    // As it is written: plugins compare it.
    server: textField(entry, 'server') ?? server,
    ...(tlsServerName === undefined ? {} : { 'tls-server-name': tlsServerName }),
    ...(insecureSkipTlsVerify ? { 'insecure-skip-tls-verify': true } : {}),
    ...(authority === undefined ? {} : { 'certificate-authority-data': authority.toString('base64') }),
    ...(proxyUrl === undefined ? {} : { 'proxy-url': proxyUrl }),
    ...(config === undefined ? {} : { config }),
  }
}

function parseUrl(text: string, field: string): URL {
  const url = URL.canParse(text) ? new URL(text) : undefined
  if (!url || !['http:', 'https:'].includes(url.protocol))
    throw kubeconfigInvalid(`${field} of the kubeconfig must be an http or https URL, not ${JSON.stringify(text)}`)
  return url
}

function readCluster(name: string, entry: KubeconfigEntry): ConnectionSettings {
  const server = textField(entry, 'server')
  if (server === undefined) throw kubeconfigInvalid(`cluster ${name} of the kubeconfig names no server`)
  const { origin, pathname } = parseUrl(server, 'server')
  const certificateAuthority = readPem(entry, 'certificate-authority')
  const insecureSkipTlsVerify = entry.fields['insecure-skip-tls-verify'] === true
  if (insecureSkipTlsVerify && certificateAuthority !== undefined)
    throw kubeconfigInvalid(
      `cluster ${name} of the kubeconfig has both a certificate authority and insecure-skip-tls-verify: remove one`,
    )
  const tlsServerName = textField(entry, 'tls-server-name')
  const proxyUrl = textField(entry, 'proxy-url')
  if (proxyUrl !== undefined) parseUrl(proxyUrl, 'proxy-url')
  return {
    server: origin + pathname.replace(/\/+$/, ''),
    insecureSkipTlsVerify,
    ...(certificateAuthority === undefined ? {} : { certificateAuthority }),
    ...(tlsServerName === undefined ? {} : { tlsServerName }),
    ...(proxyUrl === undefined ? {} : { proxyUrl }),
  }
}

function find(entries: Map<string, KubeconfigEntry>, kind: string, name: string): KubeconfigEntry {
  const entry = entries.get(name)
  if (entry) return entry
  const known = [...entries.keys()].join(', ') || 'none'
  throw kubeconfigInvalid(`the kubeconfig has no ${kind} ${JSON.stringify(name)}; it has: ${known}`)
}

/** Reads a kubeconfig. Throws KmmError `ConfigurationInvalid` with what to change. */
export function loadKubeconfig(source: KubeconfigSource): ConnectionSettings {
  const file = readSource(source)
  const contextName = source.context ?? file.currentContext
  if (contextName === '')
    throw kubeconfigInvalid('the kubeconfig sets no current-context: run kubectl config use-context, or pass --context')
  const context = find(file.contexts, 'context', contextName)
  const clusterName = textField(context, 'cluster') ?? ''
  const userName = textField(context, 'user')
  const namespace = textField(context, 'namespace')
  const entry = find(file.clusters, 'cluster', clusterName)
  const cluster = { settings: readCluster(clusterName, entry), entry }
  const proxyUrl = cluster.settings.proxyUrl ?? findEnvironmentProxy(cluster.settings.server, source.environment ?? {})
  return {
    ...cluster.settings,
    ...(proxyUrl === undefined ? {} : { proxyUrl }),
    ...(userName === undefined ? {} : readUser(userName, find(file.users, 'user', userName), cluster)),
    ...(namespace === undefined ? {} : { namespace }),
  }
}
