import { readFile } from 'node:fs/promises'
import { type Command, Option } from 'commander'
import { hasCode, KmmError } from '../../errors/error.ts'
import type { ImagePlace } from '../../image/select-image.ts'
import type { Platform } from '../../oci/manifest.ts'
import { normalizeArchitecture } from '../../oci/platform.ts'
import { parseReference, type Reference } from '../../oci/reference.ts'
import { createRegistry, type Registry } from '../../oci/registry.ts'
import { parseRegistrySettings, type RegistrySettings } from '../../oci/settings.ts'
import type { HelperEnvironment } from './credential-helper.ts'
import { createProgress } from './progress.ts'
import { loadUserCredentials } from './user-credentials.ts'

/** What the commands work with. */
export interface ImageCommandOptions {
  environment: HelperEnvironment
  home: string
  temporaryFolder: string
  /** Go's name of this machine's architecture. */
  architecture: string
  /** Writes a line of the result. */
  write: (line: string) => void
  /** Writes text for the person who waits. */
  writeError: (text: string) => void
  /** True when that person sees it at once. */
  isTerminal: boolean
  createStopSignal: () => AbortSignal
}

/** The flags that all commands have. */
export interface CommonFlags {
  insecure?: boolean
  skipTlsVerify?: boolean
  registrySettings?: string
  architecture?: string
  json?: boolean
}

/** What a command does its work with. */
export interface CommandContext {
  place: (text: string) => ImagePlace
  platform: Platform
  signal: AbortSignal
  log: (line: string) => void
}

/** Adds the flags that all commands have. */
export function addCommonFlags(command: Command): Command {
  return command
    .option('--insecure', 'allow plain HTTP')
    .option('--skip-tls-verify', 'do not verify the certificates of registries')
    .option('--registry-settings <file>', 'mirrors, certificates and proxies, as in the configuration of the operator')
    .addOption(
      new Option('--architecture <name>', 'which image of several, such as arm64; that of this machine if absent'),
    )
    .option('--json', 'print one JSON object')
}

/** Runs the work of a command with a registry client that knows the user's credentials, and closes everything after it. */
export async function withContext<T>(
  options: ImageCommandOptions,
  flags: CommonFlags,
  images: readonly string[],
  work: (context: CommandContext) => Promise<T>,
): Promise<T> {
  const references = images.map(parseReference)
  const signal = options.createStopSignal()
  const progress = createProgress({ isTerminal: options.isTerminal, write: options.writeError, now: Date.now })
  const client = await openClient(options, flags, references, signal)
  const registry = progress.watch(client)
  try {
    return await work({
      place: (text) => ({ registry, reference: parseReference(text) }),
      platform: {
        os: 'linux',
        architecture: normalizeArchitecture(flags.architecture ?? options.architecture),
      },
      signal,
      log: (line) => {
        progress.end()
        if (options.isTerminal) options.writeError(`${line}\n`)
      },
    })
  } catch (error) {
    throw adviseUser(error)
  } finally {
    progress.end()
    await client.close()
  }
}

/** Errors advise whoever writes a Module: here the same is said by logging in and by flags. */
function adviseUser(error: unknown): unknown {
  if (!hasCode(error, 'RegistryUnauthorized', 'RegistryUnreachable')) return error
  const { message, code, fate, cause } = error
  const words = message
    .replaceAll(/\bset (?=registryTLS\.)/g, 'give ')
    .replaceAll('registryTLS.insecureSkipTLSVerify: true', '--skip-tls-verify')
    .replaceAll('registryTLS.insecure: true', '--insecure')
  const login = '; on the command line, "docker login" or "podman login" to that registry gives the credentials'
  return new KmmError(code === 'RegistryUnauthorized' ? `${words}${login}` : words, { code, fate, cause })
}

async function openClient(
  options: ImageCommandOptions,
  flags: CommonFlags,
  references: readonly Reference[],
  signal: AbortSignal,
): Promise<Registry> {
  const warn = (line: string): void => options.writeError(`${line}\n`)
  const registries = references.map(({ registry }) => registry)
  const { environment, home } = options
  return createRegistry({
    settings: { ...readProxy(environment), ...(await readSettings(flags.registrySettings)) },
    tls: { insecure: flags.insecure ?? false, insecureSkipTLSVerify: flags.skipTlsVerify ?? false },
    credentials: await loadUserCredentials({ environment, home, registries, warn, signal }),
    userAgent: 'kmm-cli',
  })
}

/** The proxy variables that command line tools go by. */
function readProxy(environment: HelperEnvironment): RegistrySettings {
  const find = (name: string): string | undefined => environment[name] ?? environment[name.toLowerCase()]
  const [httpProxy, httpsProxy, noProxy] = [find('HTTP_PROXY'), find('HTTPS_PROXY'), find('NO_PROXY')]
  return {
    proxy: {
      ...(httpProxy ? { httpProxy } : {}),
      ...(httpsProxy ? { httpsProxy } : {}),
      ...(noProxy ? { noProxy } : {}),
    },
  }
}

async function readSettings(path: string | undefined): Promise<RegistrySettings> {
  return path === undefined ? {} : parseRegistrySettings((await readUserFile(path)).toString('utf8'))
}

/** Reads a file that the user named. Throws ConfigurationInvalid. */
export async function readUserFile(path: string): Promise<Buffer> {
  return readFile(path).catch((error: unknown) => {
    throw new KmmError(`${path} cannot be read`, { code: 'ConfigurationInvalid', fate: 'terminal', cause: error })
  })
}
