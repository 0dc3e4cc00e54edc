import { hasCode, KmmError } from '../../../errors/error.ts'
import type { KubeClient } from '../../../kube/client.ts'
import { configMaps, secrets } from '../../../kube/core-resources.ts'

/** An object that a Module names. */
export interface NamedObject {
  namespace: string
  /** Empty where the Module leaves it out. */
  name: string
  /** The Module's field that names it, such as `build.secrets`. */
  field: string
}

/** What is read of a Secret. */
export interface ReadSecret {
  /** `uid/resourceVersion`: changes with each change of the Secret, and tells nothing of what is in it. */
  version: string
  data: Readonly<Record<string, string>>
}

interface ReadTools {
  client: KubeClient
  signal: AbortSignal
}

/** Something that a Module names is not there; the message says what, and what to do. */
export const missingInput = (message: string): KmmError =>
  new KmmError(message, { code: 'ConfigurationInvalid', fate: 'wait' })

async function explain<T>(kind: string, { namespace, name, field }: NamedObject, read: () => Promise<T>): Promise<T> {
  if (name === '') throw missingInput(`the Module names no ${kind} in ${field}: give its name there`)
  try {
    return await read()
  } catch (error) {
    const object = `${kind} ${namespace}/${name}, which the Module names in ${field},`
    if (hasCode(error, 'NotFound')) throw missingInput(`${object} does not exist: create it, or correct ${field}`)
    if (hasCode(error, 'Forbidden'))
      throw missingInput(`${object} cannot be read: allow the operator's service account to get it`)
    if (hasCode(error, 'Invalid')) throw missingInput(`${object} has a name that no object can have: correct ${field}`)
    throw error
  }
}

/** Reads a Secret by name, now. Throws ConfigurationInvalid where there is none that can be read. */
export function readSecret(named: NamedObject, { client, signal }: ReadTools): Promise<ReadSecret> {
  return explain('Secret', named, async () => {
    const { metadata, data = {} } = await client.get(secrets, named, signal)
    return { version: `${metadata?.uid ?? ''}/${metadata?.resourceVersion ?? ''}`, data }
  })
}

/** The bytes of one entry of a Secret. Throws ConfigurationInvalid where it has none, or an empty one. */
export function readEntry({ data }: ReadSecret, key: string, { namespace, name, field }: NamedObject): Buffer {
  const bytes = Buffer.from(data[key] ?? '', 'base64')
  if (bytes.byteLength > 0) return bytes
  const keys = Object.keys(data).slice(0, 10).join(', ')
  throw missingInput(
    `Secret ${namespace}/${name}, which the Module names in ${field}, has no entry "${key}"${keys === '' ? '' : ` (it has: ${keys})`}: put it there`,
  )
}

/** Reads the text of one entry of a ConfigMap, now. Throws ConfigurationInvalid where there is none. */
export function readConfigMapEntry(named: NamedObject, key: string, { client, signal }: ReadTools): Promise<string> {
  return explain('ConfigMap', named, async () => {
    const { data = {} } = await client.get(configMaps, named, signal)
    const text = data[key] ?? ''
    if (text.trim() !== '') return text
    throw missingInput(
      `ConfigMap ${named.namespace}/${named.name}, which the Module names in ${named.field}, has no entry "${key}": put the Dockerfile there`,
    )
  })
}
