import { createHash } from 'node:crypto'
import { KmmError } from '../errors/error.ts'
import { compareSpecificity, type CredentialKey, matchesReference, parseCredentialKey } from './credential-key.ts'
import type { Reference } from './reference.ts'
import { isRecord, quoteUntrusted } from './text.ts'

/** What a pull secret holds for one registry. Never part of a message or a log. */
export type Credential =
  | { kind: 'basic'; username: string; password: string }
  /** An OAuth refresh token that the token service exchanges. */
  | { kind: 'identityToken'; token: string }
  /** A bearer token that the registry takes as it is. */
  | { kind: 'registryToken'; token: string }

/** The credentials of pull secrets, found by image. */
export interface CredentialStore {
  /** The most specific credential that covers the image. */
  find(reference: Pick<Reference, 'registry' | 'repository'>): Credential | undefined
  /** All that cover it, the most specific first; the kubelet tries each in turn. At most ten. */
  findAll(reference: Pick<Reference, 'registry' | 'repository'>): Credential[]
  readonly entries: readonly CredentialEntry[]
}

/** A credential and where it is valid. */
export interface CredentialEntry {
  key: CredentialKey
  credential: Credential
}

const maximumLength = 1_048_576
const maximumEntries = 1000
const maximumKeyLength = 1024
const maximumSecretLength = 65_536
const maximumTries = 10

function createStore(unsorted: readonly CredentialEntry[]): CredentialStore {
  const entries = unsorted.toSorted((a, b) => compareSpecificity(a.key, b.key))
  const findAll: CredentialStore['findAll'] = (reference) => {
    const fitting = entries.filter((entry) => matchesReference(entry.key, reference))
    const distinct = new Map(fitting.map(({ credential }) => [JSON.stringify(credential), credential]))
    return [...distinct.values()].slice(0, maximumTries)
  }
  return { entries, findAll, find: (reference) => findAll(reference)[0] }
}

/** A store without credentials. */
export function createEmptyCredentials(): CredentialStore {
  return createStore([])
}

/** One store of several; among equally specific credentials the earlier store's come first. */
export function mergeCredentials(stores: readonly CredentialStore[]): CredentialStore {
  return createStore(stores.flatMap((store) => store.entries))
}

/** A short one-way name of a credential, to tell cached tokens apart. */
export function fingerprintCredential(credential: Credential | undefined): string {
  if (!credential) return 'anonymous'
  return createHash('sha256').update(JSON.stringify(credential)).digest('base64url')
}

/** Either what was read or, in words without secrets, why it cannot be used. */
type Reading = { credential: Credential } | { problem: string } | undefined

function readBasic(username: string, password: string): Reading {
  if (username.includes(':')) return { problem: 'its user name holds ":"' }
  return { credential: { kind: 'basic', username, password } }
}

function readAuth(auth: string): Reading {
  if (!/^[A-Za-z0-9+/_-]*={0,2}$/.test(auth.trim())) return { problem: 'its "auth" is not base64' }
  const decoded = Buffer.from(auth.trim(), 'base64').toString('utf8')
  const at = decoded.indexOf(':')
  if (at < 0) return { problem: 'its "auth" is not base64 of user:password' }
  return readBasic(decoded.slice(0, at), decoded.slice(at + 1).replace(/\0+$/, ''))
}

function readToken(kind: 'identityToken' | 'registryToken', token: string): Reading {
  if (!/^[\x21-\x7e]+$/.test(token))
    return { problem: `its "${kind.toLowerCase()}" holds characters that no token has` }
  return { credential: { kind, token } }
}

const fields = ['auth', 'username', 'password', 'identitytoken', 'registrytoken'] as const

function readTexts(texts: Readonly<Record<(typeof fields)[number], string>>): Reading {
  const { auth, username, password, identitytoken: identityToken, registrytoken: registryToken } = texts
  if (registryToken !== '') return readToken('registryToken', registryToken)
  if (identityToken !== '') return readToken('identityToken', identityToken)
  if (auth !== '') return readAuth(auth)
  return username === '' && password === '' ? undefined : readBasic(username, password)
}

function readEntry(entry: unknown): Reading {
  if (!isRecord(entry)) return { problem: 'it is not an object' }
  const texts = { auth: '', username: '', password: '', identitytoken: '', registrytoken: '' }
  for (const field of fields) {
    const text = entry[field] ?? ''
    if (typeof text !== 'string') return { problem: `its "${field}" is not a text` }
    if (text.length > maximumSecretLength) return { problem: `its "${field}" is too long` }
    texts[field] = text
  }
  return readTexts(texts)
}

function parseJson(text: string, kind: string): Record<string, unknown> {
  const refuse = (why: string): never => {
    throw new KmmError(`the pull secret's ${kind} ${why}; make it with "kubectl create secret docker-registry"`, {
      code: 'ConfigurationInvalid',
    })
  }
  if (text.length > maximumLength) return refuse(`is longer than ${maximumLength} characters`)
  let document: unknown
  try {
    document = JSON.parse(text)
  } catch {
    // The parser's words quote the text, and with it a password: they go no further.
    return refuse('is not JSON')
  }
  return isRecord(document) ? document : refuse('is not a JSON object')
}

function warnOfHelpers(document: Record<string, unknown>): string[] {
  const present = ['credHelpers', 'credsStore'].filter((name) => {
    const value = document[name]
    return isRecord(value) ? Object.keys(value).length > 0 : value !== undefined && value !== '' && value !== null
  })
  return present.map(
    (name) =>
      `"${name}" of the pull secret is ignored: credential helpers do not run in a cluster; put the credentials in "auths"`,
  )
}

function readEntries(auths: Record<string, unknown>, warnings: string[]): CredentialEntry[] {
  const pairs = Object.entries(auths)
  if (pairs.length > maximumEntries)
    warnings.push(`only the first ${maximumEntries} entries of the pull secret are used, of ${pairs.length}`)
  const entries: CredentialEntry[] = []
  for (const [name, value] of pairs.slice(0, maximumEntries)) {
    const key = name.length > maximumKeyLength ? undefined : parseCredentialKey(name)
    const reading = key ? readEntry(value) : { problem: 'its name is no registry' }
    if (reading && 'problem' in reading)
      warnings.push(`the pull secret's entry "${quoteUntrusted(name, 100)}" is ignored: ${reading.problem}`)
    else if (reading && key) entries.push({ key, credential: reading.credential })
  }
  return entries
}

/**
 * Parses a pull secret: `.dockerconfigjson` (entries below `auths`) or the older `.dockercfg` (entries at the top). What cannot
 * be used is left out and named in `warnings` (at most twenty), never with its secrets. Throws ConfigurationInvalid when the text
 * is no JSON object.
 */
export function parseDockerConfig(
  text: string,
  kind: 'dockerconfigjson' | 'dockercfg',
): { credentials: CredentialStore; warnings: string[] } {
  const document = parseJson(text, kind)
  const warnings = kind === 'dockerconfigjson' ? warnOfHelpers(document) : []
  const auths = kind === 'dockerconfigjson' ? (document['auths'] ?? {}) : document
  if (!isRecord(auths)) warnings.push('"auths" of the pull secret is ignored: it is not an object')
  const entries = isRecord(auths) ? readEntries(auths, warnings) : []
  return { credentials: createStore(entries), warnings: warnings.slice(0, 20) }
}
