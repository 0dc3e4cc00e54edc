import { isAbsolute, normalize } from 'node:path'
import { parseArgs } from 'node:util'
import { describeError, KmmError } from '../../errors/error.ts'
import type { RegistryTls } from '../../oci/settings.ts'
import { quoteUntrusted } from '../../oci/text.ts'

/** What a build pod was started for. */
export interface BuildCommand {
  /** Path of the Dockerfile, below the host's root. */
  dockerfile: string
  /** Where the image goes; undefined where it is only built, to see that it can be. */
  to: string | undefined
  toTls: RegistryTls
  /** How the registries of base images are talked to. */
  baseTls: RegistryTls
  /** `NAME=VALUE` each. */
  buildArgs: string[]
  labels: string[]
  /** Folders, below the host's root, that the steps see at the same paths and cannot write. */
  volumes: string[]
  /** As image indexes name it; undefined for that of the node. */
  architecture: string | undefined
}

const usage =
  'Usage: worker image build --dockerfile PATH (--to IMAGE [--to-insecure] [--to-skip-tls-verify] | --no-push) [--base-insecure] [--base-skip-tls-verify] [--build-arg NAME=VALUE]… [--label NAME=VALUE]… [--volume PATH]… [--architecture A]'

const options = {
  dockerfile: { type: 'string' },
  to: { type: 'string' },
  'no-push': { type: 'boolean', default: false },
  'to-insecure': { type: 'boolean', default: false },
  'to-skip-tls-verify': { type: 'boolean', default: false },
  'base-insecure': { type: 'boolean', default: false },
  'base-skip-tls-verify': { type: 'boolean', default: false },
  'build-arg': { type: 'string', multiple: true },
  label: { type: 'string', multiple: true },
  volume: { type: 'string', multiple: true },
  architecture: { type: 'string' },
} as const

const refuse = (what: string): KmmError =>
  new KmmError(`${what}. ${usage}`, { code: 'ConfigurationInvalid', fate: 'terminal' })

/** Parses what stands behind `worker image build`. Throws ConfigurationInvalid, with the usage. */
export function parseBuildCommand(argv: readonly string[]): BuildCommand {
  const values = parseFlags(argv)
  const { dockerfile, to, architecture, label = [], volume = [], 'build-arg': buildArgs = [] } = values
  if (dockerfile === undefined) throw refuse('--dockerfile has to name a file')
  if ((to === undefined) !== values['no-push']) throw refuse('Either --to or --no-push has to be given')
  return {
    dockerfile,
    to,
    toTls: { insecure: values['to-insecure'], insecureSkipTLSVerify: values['to-skip-tls-verify'] },
    baseTls: { insecure: values['base-insecure'], insecureSkipTLSVerify: values['base-skip-tls-verify'] },
    buildArgs: buildArgs.map((text) => checkPair(text, '--build-arg')),
    labels: label.map((text) => checkPair(text, '--label')),
    volumes: [...new Set(volume.map(checkVolume))],
    architecture: architecture === undefined ? undefined : checkArchitecture(architecture),
  }
}

function parseFlags(argv: readonly string[]) {
  try {
    return parseArgs({ args: [...argv], options }).values
  } catch (error) {
    throw refuse(describeError(error))
  }
}

/** A name without a value would be taken from the environment of the builder. */
function checkPair(text: string, flag: string): string {
  if (/^[^=\s]+=/.test(text)) return text
  throw refuse(`${flag} needs NAME=VALUE, not ${JSON.stringify(quoteUntrusted(text, 60))}`)
}

/** The builder's own syntax separates paths and options with colons and commas. */
function checkVolume(path: string): string {
  if (isAbsolute(path) && normalize(path) === path && path !== '/' && /^[\w./+@~-]+$/.test(path)) return path
  throw refuse(`--volume needs an absolute path of plain characters, not ${JSON.stringify(quoteUntrusted(path, 100))}`)
}

function checkArchitecture(text: string): string {
  if (/^[a-z0-9_]{1,32}$/.test(text)) return text
  throw refuse(`--architecture needs a name such as amd64, not ${JSON.stringify(quoteUntrusted(text, 40))}`)
}
