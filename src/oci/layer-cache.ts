import { chmod, stat } from 'node:fs/promises'
import type { Readable } from 'node:stream'
import { describeError, KmmError } from '../errors/error.ts'
import { LayerCacheBlobs } from './layer-cache-blobs.ts'
import { type CachedImage, LayerCacheImages } from './layer-cache-images.ts'
import { defaultLockTimes, type LockTimes, withLock } from './layer-cache-lock.ts'
import type { LayerDescriptor, LayerSource } from './layer-source.ts'

export type { CachedImage } from './layer-cache-images.ts'

/** Where a node's cache is and who uses it. */
export interface LayerCacheOptions {
  root: string
  /** Namespace of the Module for which images are pulled. */
  namespace: string
  /** Told why the cache is not used, or no longer, in a sentence. */
  log: (message: string) => void
  /** Most bytes of layers that are kept. */
  budgetBytes?: number
  lockTimes?: LockTimes
}

/** Fetches a layer from its registry; the stream verifies itself. */
export type FetchLayer = (signal: AbortSignal) => Promise<Readable>

const defaultBudgetBytes = 2 * 1024 ** 3
const namespacePattern = /^[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?$/

/**
 * Opens the node's cache of layers. Undefined, with a message, where there is none that can be used: the directory is
 * missing, read-only or somebody else's.
 */
export async function openLayerCache(options: LayerCacheOptions): Promise<LayerCache | undefined> {
  const blobs = new LayerCacheBlobs(options.root, options.budgetBytes ?? defaultBudgetBytes)
  try {
    if (!namespacePattern.test(options.namespace)) throw new Error('the namespace of the Module is not known')
    if (!(await stat(options.root)).isDirectory()) throw new Error('it is not a directory')
    await chmod(options.root, 0o700)
    const images = new LayerCacheImages(options.root, options.namespace)
    await blobs.prepare()
    await images.prepare()
    return new LayerCache(options, blobs, images)
  } catch (error) {
    options.log(`The cache of layers at ${options.root} is not used: ${describeError(error)}.`)
    return undefined
  }
}

/**
 * Verified layers of images, kept on the node between loads, so that a reboot needs no registry. Every read is verified; a
 * damaged layer is removed and fetched again at the next try. A namespace gets only what it has pulled itself.
 */
export class LayerCache {
  readonly #options: LayerCacheOptions
  readonly #blobs: LayerCacheBlobs
  readonly #images: LayerCacheImages
  #isBroken = false

  constructor(options: LayerCacheOptions, blobs: LayerCacheBlobs, images: LayerCacheImages) {
    this.#options = options
    this.#blobs = blobs
    this.#images = images
  }

  /** How many damaged layers were found and removed: after a failure, a reason to try again. */
  get damaged(): number {
    return this.#blobs.damaged
  }

  /** The image that this namespace has pulled by that name before; its layers may have been evicted since. */
  findImage(key: string): Promise<CachedImage | undefined> {
    return this.#images.find(key)
  }

  /** Keeps what a name means for this namespace. */
  async rememberImage(key: string, image: CachedImage): Promise<void> {
    await this.#attempt('an image could not be noted', () => this.#images.remember(key, image))
  }

  /** True when all layers can be read without a registry, as far as can be told before reading. */
  async hasLayers(layers: readonly LayerDescriptor[]): Promise<boolean> {
    for (const layer of layers) {
      if (!(await this.#images.mayRead(layer.digest)) || !(await this.#blobs.has(layer))) return false
    }
    return true
  }

  /** A layer that is read from the cache, and fetched into it first where it is missing. Without `fetch` it must be there. */
  createSource(descriptor: LayerDescriptor, fetch?: FetchLayer): LayerSource {
    return { descriptor, open: (signal) => this.#open(descriptor, fetch, signal) }
  }

  /** Fetches a layer into the cache unless it is there. Where it cannot be kept, nothing happens: reading it fetches it. */
  async fetchMissing(descriptor: LayerDescriptor, fetch: FetchLayer, signal: AbortSignal): Promise<void> {
    if (this.#isBroken || !this.#blobs.fits(descriptor) || (await this.hasLayers([descriptor]))) return
    await this.#attempt('a layer could not be kept', () => this.#fetchLocked(descriptor, fetch, signal))
  }

  async #open(descriptor: LayerDescriptor, fetch: FetchLayer | undefined, signal: AbortSignal): Promise<Readable> {
    const kept = await this.#openKept(descriptor)
    if (kept) return kept
    if (!fetch) {
      throw new KmmError(`the node has no copy of the layer ${descriptor.digest}`, { code: 'ImageNotFound' })
    }
    await this.fetchMissing(descriptor, fetch, signal)
    // It cannot be kept, or another worker has evicted it again already.
    return (await this.#openKept(descriptor)) ?? (await fetch(signal))
  }

  async #openKept(descriptor: LayerDescriptor): Promise<Readable | undefined> {
    return (await this.#images.mayRead(descriptor.digest)) ? this.#blobs.open(descriptor) : undefined
  }

  async #fetchLocked(descriptor: LayerDescriptor, fetch: FetchLayer, signal: AbortSignal): Promise<void> {
    const path = this.#blobs.lockPath(descriptor.digest)
    await withLock(path, this.#options.lockTimes ?? defaultLockTimes, signal, async () => {
      if (await this.hasLayers([descriptor])) return
      await this.#blobs.store(descriptor, await fetch(signal))
      await this.#images.allow(descriptor.digest)
    })
  }

  /** Does without the cache from the first time that its disk fails. Errors of registries are not its own. */
  async #attempt(what: string, work: () => Promise<void>): Promise<void> {
    try {
      await work()
    } catch (error) {
      if (typeof (error as NodeJS.ErrnoException).syscall !== 'string' || error instanceof KmmError) throw error
      this.#isBroken = true
      this.#options.log(
        `The cache of layers at ${this.#options.root} is not used any more: ${what}: ${describeError(error)}.`,
      )
    }
  }
}
