import { isAbsolute, join } from 'node:path'
import { type KubeconfigEntry, kubeconfigInvalid, textField } from './kubeconfig-file.ts'

export const execApiVersions = ['client.authentication.k8s.io/v1', 'client.authentication.k8s.io/v1beta1'] as const

/** Whether a plugin may ask the person at the terminal. */
export const interactiveModes = ['Never', 'IfAvailable', 'Always'] as const

/** A program that gives credentials for a cluster (`users[].user.exec` of a kubeconfig). */
export interface ExecPlugin {
  apiVersion: (typeof execApiVersions)[number]
  /** A name to be found in PATH, or an absolute path. */
  command: string
  args: readonly string[]
  /** Besides the variables of this program. */
  environment: Readonly<Record<string, string>>
  interactiveMode: (typeof interactiveModes)[number]
  /** What to do when the command is not there. */
  installHint?: string
  /** What the plugin is told of the cluster, as ExecCredential spells it; only where the kubeconfig asks for it. */
  cluster?: Readonly<Record<string, unknown>>
}

type Fields = Record<string, unknown>

const isRecord = (value: unknown): value is Fields =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

function invalid(user: string, what: string): never {
  throw kubeconfigInvalid(`exec of user ${user} in the kubeconfig ${what}`)
}

/** Only a command with a slash is a file; a relative one starts from the kubeconfig's folder, as for kubectl. */
function readCommand(user: string, entry: KubeconfigEntry): string {
  const command = textField(entry, 'command') ?? invalid(user, 'names no command: say which program gives credentials')
  return command.includes('/') && !isAbsolute(command) ? join(entry.folder, command) : command
}

function readApiVersion(user: string, entry: KubeconfigEntry): ExecPlugin['apiVersion'] {
  const text = textField(entry, 'apiVersion') ?? ''
  const known = execApiVersions.find((version) => version === text)
  return (
    known ?? invalid(user, `has the apiVersion ${JSON.stringify(text)}: it must be ${execApiVersions.join(' or ')}`)
  )
}

function readInteractiveMode(
  user: string,
  entry: KubeconfigEntry,
  apiVersion: ExecPlugin['apiVersion'],
): ExecPlugin['interactiveMode'] {
  const text = textField(entry, 'interactiveMode') ?? (apiVersion.endsWith('v1beta1') ? 'IfAvailable' : '')
  const known = interactiveModes.find((mode) => mode === text)
  return known ?? invalid(user, `needs an interactiveMode: ${interactiveModes.join(', ')}`)
}

function readArguments(user: string, { fields: { args } }: KubeconfigEntry): string[] {
  if (args === undefined || args === null) return []
  if (Array.isArray(args) && args.every((each) => typeof each === 'string')) return args
  return invalid(user, 'has args that are no list of strings')
}

function readEnvironment(user: string, { fields: { env } }: KubeconfigEntry): Record<string, string> {
  if (env === undefined || env === null) return {}
  if (!Array.isArray(env)) return invalid(user, 'has an env that is no list of name and value')
  return Object.fromEntries(
    env.map((each: unknown) => {
      const { name, value = '' } = isRecord(each) ? each : {}
      if (typeof name !== 'string' || name === '' || typeof value !== 'string')
        return invalid(user, 'has an env entry without name or value')
      return [name, value]
    }),
  )
}

/** Reads `exec` of a user. Throws `ConfigurationInvalid`, saying what to change. */
export function readExecPlugin(
  user: string,
  entry: KubeconfigEntry,
  describeCluster: () => Record<string, unknown>,
): ExecPlugin {
  const { exec } = entry.fields
  if (!isRecord(exec)) return invalid(user, 'is no mapping')
  const own: KubeconfigEntry = { fields: exec, folder: entry.folder }
  const apiVersion = readApiVersion(user, own)
  const installHint = textField(own, 'installHint')
  return {
    apiVersion,
    command: readCommand(user, own),
    args: readArguments(user, own),
    environment: readEnvironment(user, own),
    interactiveMode: readInteractiveMode(user, own, apiVersion),
    ...(installHint === undefined ? {} : { installHint }),
    ...(exec['provideClusterInfo'] === true ? { cluster: describeCluster() } : {}),
  }
}
