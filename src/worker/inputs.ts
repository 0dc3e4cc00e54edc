import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type CredentialStore, mergeCredentials, parseDockerConfig } from '../oci/credentials.ts'
import { parseRegistrySettings, type RegistrySettings } from '../oci/settings.ts'
import { parseSparedModules } from '../kmod/spared-modules.ts'
import { describeError } from '../errors/error.ts'
import { type Host, locate } from './host.ts'

const folder = '/etc/kmm-worker'

/** The namespace of the Module, as the pod says it; empty where it does not. */
export async function readNamespace(host: Pick<Host, 'root'>): Promise<string> {
  return (await readFile(locate(host, `${folder}/namespace`), 'utf8').catch(() => '')).trim()
}

/**
 * The kernel modules, as the kernel spells them, that the node's other Modules ask for and that must not be taken out along
 * with others; none where the pod does not say, as one of an earlier operator.
 */
export async function readSparedModules(host: Pick<Host, 'root'>): Promise<string[]> {
  const text = await readFile(locate(host, `${folder}/spared-modules`), 'utf8').catch(() => '')
  return parseSparedModules(text)
}

/** How registries are reached: mirrors, proxy and certificates from the operator's configuration. */
export async function readSettings(host: Pick<Host, 'root'>): Promise<RegistrySettings> {
  return parseRegistrySettings(await readFile(locate(host, `${folder}/registry.yaml`), 'utf8').catch(() => ''))
}

/**
 * All pull secrets of the pod, the Module's own first. One that cannot be read is logged and left out, never quoted: an
 * image that needs it then fails with the registry's answer.
 */
export async function readCredentials(host: Pick<Host, 'root'>, log: (line: string) => void): Promise<CredentialStore> {
  const root = locate(host, `${folder}/pull-secrets`)
  const names = (await readdir(root).catch(() => [])).sort((a, b) => Number(a) - Number(b))
  const stores: CredentialStore[] = []
  for (const name of names) {
    for (const kind of ['dockerconfigjson', 'dockercfg'] as const) {
      const text = await readFile(join(root, name, `.${kind}`), 'utf8').catch(() => undefined)
      if (text !== undefined) stores.push(...parseSecret(text, kind, (line) => log(`Pull secret ${name}: ${line}.`)))
    }
  }
  return mergeCredentials(stores)
}

function parseSecret(
  text: string,
  kind: 'dockerconfigjson' | 'dockercfg',
  warn: (line: string) => void,
): CredentialStore[] {
  try {
    const { credentials, warnings } = parseDockerConfig(text, kind)
    for (const warning of warnings) warn(warning)
    return [credentials]
  } catch (error) {
    warn(`it is not used, ${describeError(error)}`)
    return []
  }
}
