import type { ModuleConfig } from '../api/node-modules-config.ts'
import { describeError, hasCode, KmmError } from '../errors/error.ts'
import type { CachedImage, LayerCache } from '../oci/layer-cache.ts'
import type { LayerSource } from '../oci/layer-source.ts'
import { formatReference, parseReference, type Reference } from '../oci/reference.ts'
import type { Registry } from '../oci/registry.ts'
import type { RegistryTls } from '../oci/settings.ts'

/** What a pull needs. */
export interface PullContext {
  registry: Registry
  /** Undefined where the node has none that can be used. */
  cache: LayerCache | undefined
  architecture: string
  log: (line: string) => void
  signal: AbortSignal
}

/** Whether a layer of the node's copy that turns out damaged may be fetched again. */
type Repair = 'fromRegistry' | 'never'

/** An image at hand: its layers are on the node, or come from the registry while they are read. */
export interface PulledImage {
  /** Digest of the image's manifest. */
  digest: string
  layers: LayerSource[]
  /** What was not as asked for, for the report. */
  notes: string[]
}

/** When the registry is asked: `Always`, only for what is not on the node, or never. */
export type PullPolicy = 'Always' | 'IfNotPresent' | 'Never'

/** The pull policy as Kubernetes understands it: unless stated, `Always` for `:latest` or no tag, else `IfNotPresent`. */
export function findPullPolicy(config: Pick<ModuleConfig, 'imagePullPolicy' | 'containerImage'>): PullPolicy {
  const stated = config.imagePullPolicy ?? ''
  if (stated === 'Always' || stated === 'IfNotPresent' || stated === 'Never') return stated
  if (stated !== '') {
    throw new KmmError(`The image pull policy "${stated}" is not known: use Always, IfNotPresent or Never.`, {
      code: 'ConfigurationInvalid',
      fate: 'terminal',
    })
  }
  const { tag, digest } = parseReference(config.containerImage)
  return digest === undefined && (tag ?? 'latest') === 'latest' ? 'Always' : 'IfNotPresent'
}

/** How the registry may be reached. Older configurations only say that it may be less secure, and mean both. */
export function findRegistryTls(config: Pick<ModuleConfig, 'registryTLS' | 'insecurePull'>): RegistryTls {
  const { registryTLS, insecurePull } = config
  if (registryTLS === undefined) return { insecure: insecurePull, insecureSkipTLSVerify: insecurePull }
  return {
    insecure: registryTLS.insecure ?? false,
    insecureSkipTLSVerify: registryTLS.insecureSkipTLSVerify ?? false,
  }
}

interface Names {
  /** By the digest that the operator verified last, where it says one. */
  byDigest: Reference | undefined
  /** As the Module's author wrote it. */
  asWritten: Reference
}

/** Names the image twice: a digest in the image's own name stands, and the operator's counts only beside a tag. */
function nameImage(config: ModuleConfig): Names {
  const asWritten = parseReference(config.containerImage)
  const digest = config.imageDigest ?? ''
  if (digest === '' || asWritten.digest !== undefined) return { byDigest: undefined, asWritten }
  return { byDigest: { ...asWritten, digest }, asWritten }
}

/** Finds the image for a load, by the Module's pull policy, and brings its layers onto the node where there is a cache. */
export async function pullForLoad(context: PullContext, config: ModuleConfig): Promise<PulledImage> {
  const names = nameImage(config)
  const policy = findPullPolicy(config)
  if (policy === 'Always') return pullFromRegistry(context, names)
  const repair = policy === 'Never' ? 'never' : 'fromRegistry'
  const kept = await findKept(context, names.byDigest ?? names.asWritten, repair)
  if (kept) return kept
  if (policy === 'IfNotPresent') return pullFromRegistryOrFallBack(context, names)
  const byTag = names.byDigest ? await findKept(context, names.asWritten, repair) : undefined
  if (byTag) return noteOtherDigest(byTag, names)
  throw new KmmError(
    `The node has no verified copy of ${config.containerImage}, and the pull policy is Never: load it once with IfNotPresent, or change imagePullPolicy.`,
    { code: 'ImageNotFound' },
  )
}

/**
 * Finds the image for an unload. What the node has comes first, whatever the policy: it is most likely what was loaded,
 * and an unload must not wait for a registry.
 */
export async function pullForUnload(context: PullContext, config: ModuleConfig): Promise<PulledImage> {
  const names = nameImage(config)
  const mayPull = findPullPolicy(config) !== 'Never'
  for (const reference of [names.asWritten, ...(names.byDigest ? [names.byDigest] : [])]) {
    const kept = await findKept(context, reference, mayPull ? 'fromRegistry' : 'never')
    if (kept) return kept
  }
  if (mayPull) return pullFromRegistry(context, names)
  throw new KmmError(`The node has no copy of ${config.containerImage} left, and the pull policy is Never.`, {
    code: 'ImageNotFound',
  })
}

async function pullFromRegistryOrFallBack(context: PullContext, names: Names): Promise<PulledImage> {
  try {
    return await pullFromRegistry(context, names)
  } catch (error) {
    // A node that comes up again while the registry is away keeps working with the copy that it has.
    if (!names.byDigest || !hasCode(error, 'RegistryUnreachable')) throw error
    const kept = await findKept(context, names.asWritten, 'fromRegistry')
    if (!kept) throw error
    context.log(`The registry cannot be reached (${describeError(error)}).`)
    return noteOtherDigest(kept, names)
  }
}

function noteOtherDigest(image: PulledImage, names: Names): PulledImage {
  const note = `the node's copy ${image.digest} of ${formatReference(names.asWritten)} was used in place of ${names.byDigest?.digest}`
  return { ...image, notes: [...image.notes, note] }
}

async function pullFromRegistry(context: PullContext, names: Names): Promise<PulledImage> {
  if (!names.byDigest) return pullReference(context, names.asWritten, [names.asWritten])
  try {
    // What the tag meant when the operator verified it is what a later unload looks for.
    return await pullReference(context, names.byDigest, [names.byDigest, names.asWritten])
  } catch (error) {
    if (!hasCode(error, 'ImageNotFound')) throw error
    const pulled = await pullReference(context, names.asWritten, [names.asWritten])
    const note = `the registry no longer has the digest ${names.byDigest.digest}; ${formatReference(names.asWritten)}, now ${pulled.digest}, was used in its place`
    return { ...pulled, notes: [...pulled.notes, note] }
  }
}

async function pullReference(
  context: PullContext,
  reference: Reference,
  rememberAs: readonly Reference[],
): Promise<PulledImage> {
  const { registry, cache, architecture, log, signal } = context
  log(`Asking the registry for ${formatReference(reference)}.`)
  const image = await registry.resolveImage(reference, { os: 'linux', architecture }, signal)
  log(`The image is ${image.digest}, with ${image.layers.length} layers.`)
  for (const name of rememberAs) await cache?.rememberImage(keyOf(context, name), image)
  return prepareLayers(context, { ...reference, digest: image.digest }, image)
}

/** The image as the cache has it, when all of its layers are there. */
async function findKept(context: PullContext, reference: Reference, repair: Repair): Promise<PulledImage | undefined> {
  const image = await context.cache?.findImage(keyOf(context, reference))
  if (!image || !(await context.cache?.hasLayers(image.layers))) return undefined
  context.log(`Using the node's copy of ${formatReference(reference)}: ${image.digest}.`)
  if (repair === 'fromRegistry') return prepareLayers(context, { ...reference, digest: image.digest }, image)
  const layers = image.layers.flatMap((layer) => context.cache?.createSource(layer) ?? [])
  return { digest: image.digest, layers, notes: [] }
}

const keyOf = (context: PullContext, reference: Reference): string =>
  `${formatReference(reference)} ${context.architecture}`

async function prepareLayers(context: PullContext, reference: Reference, image: CachedImage): Promise<PulledImage> {
  const { registry, cache, signal } = context
  const layers: LayerSource[] = []
  for (const descriptor of image.layers) {
    const fetch = (stop: AbortSignal): ReturnType<LayerSource['open']> => registry.openBlob(reference, descriptor, stop)
    await cache?.fetchMissing(descriptor, fetch, signal)
    layers.push(cache ? cache.createSource(descriptor, fetch) : { descriptor, open: fetch })
  }
  return { digest: image.digest, layers, notes: [] }
}
