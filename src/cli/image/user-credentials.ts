import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describeError, KmmError } from '../../errors/error.ts'
import { type CredentialStore, mergeCredentials, parseDockerConfig } from '../../oci/credentials.ts'
import { dockerHub } from '../../oci/reference.ts'
import { isRecord } from '../../oci/text.ts'
import { askCredentialHelper, type HelperEnvironment } from './credential-helper.ts'

/** Where a user's credentials are looked for. */
export interface UserCredentialOptions {
  environment: HelperEnvironment
  home: string
  /** The registries of the images at hand: helpers are asked for these alone. */
  registries: readonly string[]
  warn: (line: string) => void
  signal: AbortSignal
}

/**
 * The credentials that docker or podman keep for this user, credential helpers included. The first file that is there counts:
 * `$REGISTRY_AUTH_FILE`, `$DOCKER_CONFIG/config.json`, podman's `auth.json`, `~/.docker/config.json`. Without any, none.
 */
export async function loadUserCredentials(options: UserCredentialOptions): Promise<CredentialStore> {
  for (const path of listFiles(options)) {
    const text = await readIfThere(path)
    if (text !== undefined) return readCredentials(path, text, options)
  }
  return mergeCredentials([])
}

function listFiles({ environment, home }: UserCredentialOptions): string[] {
  const from = (name: string, file: string): string[] => {
    const folder = environment[name] ?? ''
    return folder === '' ? [] : [join(folder, file)]
  }
  return [
    ...from('REGISTRY_AUTH_FILE', ''),
    ...from('DOCKER_CONFIG', 'config.json'),
    ...from('XDG_RUNTIME_DIR', 'containers/auth.json'),
    join(home, '.config/containers/auth.json'),
    join(home, '.docker/config.json'),
  ]
}

async function readIfThere(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8')
  } catch (error) {
    if (['ENOENT', 'ENOTDIR'].includes((error as NodeJS.ErrnoException).code ?? '')) return undefined
    throw new KmmError(`the credentials in ${path} cannot be read`, { code: 'ConfigurationInvalid', cause: error })
  }
}

async function readCredentials(path: string, text: string, options: UserCredentialOptions): Promise<CredentialStore> {
  const document = parseObject(path, text)
  const { credHelpers, credsStore, ...plain } = document
  const { credentials, warnings } = parseDockerConfig(JSON.stringify(plain), 'dockerconfigjson')
  for (const warning of warnings) options.warn(`${path}: ${warning}`)
  const stores: CredentialStore[] = []
  for (const registry of new Set(options.registries)) {
    const helper = findHelper(credHelpers, registry) ?? credsStore
    if (typeof helper === 'string' && helper !== '') stores.push(await ask(helper, registry, options))
  }
  return mergeCredentials([...stores, credentials])
}

function parseObject(path: string, text: string): Record<string, unknown> {
  try {
    const document: unknown = JSON.parse(text)
    if (isRecord(document)) return document
  } catch {
    // The parser's words quote the text, and with it a password.
  }
  throw new KmmError(`${path} is not a JSON object: log in again with docker or podman`, {
    code: 'ConfigurationInvalid',
    fate: 'terminal',
  })
}

function findHelper(helpers: unknown, registry: string): string | undefined {
  if (!isRecord(helpers)) return undefined
  const names = registry === dockerHub ? [hubAddress, 'index.docker.io', dockerHub] : [registry, `https://${registry}`]
  const found = names.map((name) => (Object.hasOwn(helpers, name) ? helpers[name] : undefined))
  return found.find((value): value is string => typeof value === 'string')
}

/** The name under which Docker Hub's credentials are kept. */
const hubAddress = 'https://index.docker.io/v1/'

async function ask(helper: string, registry: string, options: UserCredentialOptions): Promise<CredentialStore> {
  const { environment, signal, warn } = options
  const address = registry === dockerHub ? hubAddress : registry
  try {
    const entry = await askCredentialHelper(helper, address, { environment, signal })
    const auths = entry === undefined ? {} : { [registry]: entry }
    return parseDockerConfig(JSON.stringify({ auths }), 'dockerconfigjson').credentials
  } catch (error) {
    // A helper that fails stands in the way of private images only, and those then say so.
    warn(`the credential helper "${helper}" gave nothing for ${registry}: ${describeError(error)}`)
    return mergeCredentials([])
  }
}
