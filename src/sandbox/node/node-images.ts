import { randomUUID } from 'node:crypto'
import { existsSync } from 'node:fs'
import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Pod } from 'kubernetes-types/core/v1.js'
import { describeError, hasCode, KmmError } from '../../errors/error.ts'
import type { KubeClient } from '../../kube/client.ts'
import { secrets } from '../../kube/core-resources.ts'
import { type CredentialStore, mergeCredentials, parseDockerConfig } from '../../oci/credentials.ts'
import { extractImage } from '../../oci/extract.ts'
import { parseReference, type Reference } from '../../oci/reference.ts'
import { createRegistry, type Registry } from '../../oci/registry.ts'

/** Thrown when the image of a volume cannot be had: with the reason and message that the container then waits with. */
export class ImagePullFailure extends Error {
  readonly reason: string
  readonly image: string

  constructor(reason: string, image: string, message: string) {
    super(message)
    this.reason = reason
    this.image = image
  }
}

/** An image that a pod wants mounted. */
export interface WantedImage {
  reference: string
  /** `Always`, `IfNotPresent` or `Never`. */
  pullPolicy: string
  pod: Pod
  client: KubeClient
  signal: AbortSignal
}

const storePath = 'var/lib/images'
/** Where a kubelet looks for credentials of its own, in Docker's format. */
const credentialsPath = 'var/lib/kubelet/config.json'

/** What container runtimes reach without TLS unless they are told otherwise. */
const isLoopback = ({ registry }: Reference): boolean => /^(localhost|127\.[0-9.]+|\[::1\])(:\d+)?$/.test(registry)

/** The images of one node, which its kubelet pulls one after the other, each unpacked once. */
export class NodeImages {
  readonly #nodeRoot: string
  readonly #architecture: string
  #tail: Promise<unknown> = Promise.resolve()

  constructor(nodeRoot: string, architecture: string) {
    this.#nodeRoot = nodeRoot
    this.#architecture = architecture
  }

  /**
   * The folder that holds an image's files, which are not to be changed. Throws ImagePullFailure in the kubelet's words; one that
   * is not wanted any more waits for no other.
   */
  async require(wanted: WantedImage): Promise<string> {
    const work = this.#inTurn(() => this.#require(wanted))
    let giveUp = (): void => {}
    const given = new Promise<never>((_, reject) => {
      giveUp = () => reject(notWanted())
    })
    wanted.signal.addEventListener('abort', giveUp, { once: true })
    if (wanted.signal.aborted) giveUp()
    try {
      return await Promise.race([work, given])
    } finally {
      wanted.signal.removeEventListener('abort', giveUp)
    }
  }

  /** Forgets all images, as the kubelet does to those that no pod uses when the disk runs full. */
  collect(): Promise<void> {
    // Not in the midst of a pull.
    return this.#inTurn(() => rm(join(this.#nodeRoot, storePath), { recursive: true, force: true }))
  }

  /** Begins when what came before has ended, however it ended. */
  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.#tail.then(work)
    this.#tail = turn.catch(() => undefined)
    return turn
  }

  async #require(wanted: WantedImage): Promise<string> {
    const { reference: text, pullPolicy, signal } = wanted
    if (signal.aborted) throw notWanted()
    const reference = parseName(text)
    const present = pullPolicy === 'Always' ? undefined : await this.#find(text)
    if (present !== undefined) return present
    if (pullPolicy === 'Never') {
      const message = `Container image "${text}" is not present with pull policy of Never`
      throw new ImagePullFailure('ErrImageNeverPull', text, message)
    }
    const tls = { insecure: isLoopback(reference), insecureSkipTLSVerify: false }
    const credentials = await this.#readCredentials(wanted)
    const registry = createRegistry({ settings: {}, tls, credentials, retries: { attempts: 1 } })
    try {
      return await this.#pull(registry, reference, wanted)
    } catch (error) {
      throw describePullFailure(text, error)
    } finally {
      await registry.close()
    }
  }

  async #pull(registry: Registry, reference: Reference, { reference: text, signal }: WantedImage): Promise<string> {
    const image = await registry.resolveImage(reference, { os: 'linux', architecture: this.#architecture }, signal)
    const folder = this.#folderOf(image.digest)
    if (!existsSync(folder)) {
      const from = { ...reference, digest: image.digest }
      const layers = image.layers.map((descriptor) => ({
        descriptor,
        open: (stop: AbortSignal) => registry.openBlob(from, descriptor, stop),
      }))
      const destination = join(this.#nodeRoot, storePath, `.${randomUUID()}`)
      await mkdir(join(this.#nodeRoot, storePath), { recursive: true })
      await extractImage({ layers, destination, wanted: ['/'], signal })
      await rename(destination, folder)
    }
    const names = { ...(await this.#readNames()), [text]: image.digest }
    await writeFile(join(this.#nodeRoot, storePath, 'names.json'), JSON.stringify(names))
    return folder
  }

  async #find(text: string): Promise<string | undefined> {
    const digest = (await this.#readNames())[text] ?? text.split('@')[1]
    const folder = digest === undefined ? undefined : this.#folderOf(digest)
    return folder !== undefined && existsSync(folder) ? folder : undefined
  }

  #folderOf(digest: string): string {
    return join(this.#nodeRoot, storePath, digest.replace(':', '-'))
  }

  async #readNames(): Promise<Record<string, string>> {
    const text = await readFile(join(this.#nodeRoot, storePath, 'names.json'), 'utf8').catch(() => '{}')
    return JSON.parse(text) as Record<string, string>
  }

  /** The pod's pull secrets, those that exist, and the kubelet's own credentials. */
  async #readCredentials({ pod, client, signal }: WantedImage): Promise<CredentialStore> {
    const stores: CredentialStore[] = []
    const { namespace = '' } = pod.metadata ?? {}
    for (const { name = '' } of pod.spec?.imagePullSecrets ?? [])
      stores.push(...(await readSecret({ namespace, name }, client, signal)))
    const own = await readFile(join(this.#nodeRoot, credentialsPath), 'utf8').catch(() => undefined)
    return mergeCredentials([...stores, ...readStore(own, 'dockerconfigjson')])
  }
}

async function readSecret(
  key: { namespace: string; name: string },
  client: KubeClient,
  signal: AbortSignal,
): Promise<CredentialStore[]> {
  const { data = {} } = await client.get(secrets, key, signal).catch((error: unknown) => {
    if (!hasCode(error, 'NotFound')) throw error
    return { data: {} }
  })
  return [
    ...readStore(decode(data['.dockerconfigjson']), 'dockerconfigjson'),
    ...readStore(decode(data['.dockercfg']), 'dockercfg'),
  ]
}

const decode = (data: string | undefined): string | undefined =>
  data === undefined ? undefined : Buffer.from(data, 'base64').toString('utf8')

/** A secret that cannot be read is as good as none: the registry's answer tells. */
function readStore(text: string | undefined, kind: 'dockerconfigjson' | 'dockercfg'): CredentialStore[] {
  try {
    return text === undefined ? [] : [parseDockerConfig(text, kind).credentials]
  } catch {
    return []
  }
}

const notWanted = (): KmmError => new KmmError('the image is not wanted any more', { code: 'Aborted', fate: 'wait' })

function parseName(text: string): Reference {
  try {
    return parseReference(text)
  } catch {
    const why = `couldn't parse image name "${text}": invalid reference format`
    throw new ImagePullFailure('InvalidImageName', text, `Failed to apply default image tag "${text}": ${why}`)
  }
}

/** What a container runtime says of a pull that failed. */
function describePullFailure(image: string, error: unknown): unknown {
  if (!(error instanceof KmmError) || error.code === 'Aborted') return error
  const resolving = `failed to pull and unpack image "${image}": failed to resolve reference "${image}": `
  const told: Partial<Record<KmmError['code'], string>> = {
    ImageNotFound: `rpc error: code = NotFound desc = ${resolving}${image}: not found`,
    RegistryUnauthorized: `${resolving}pull access denied, repository does not exist or may require authorization: authorization failed: no basic auth credentials`,
    RegistryUnreachable: `${resolving}failed to do request: dial tcp: ${describeError(error)}`,
  }
  const message = told[error.code] ?? `failed to pull and unpack image "${image}": ${describeError(error)}`
  return new ImagePullFailure('ErrImagePull', image, message)
}
