import { digestOf } from './blob-store.ts'
import { RegistryRefusal } from './respond.ts'

/** A manifest as it was pushed, byte for byte. */
export interface StoredManifest {
  digest: string
  mediaType: string
  bytes: Buffer
}

interface Repository {
  blobs: Set<string>
  manifests: Map<string, StoredManifest>
  tags: Map<string, string>
}

/** The media types that the registry knows, by what they are. */
export const mediaTypes = {
  ociManifest: 'application/vnd.oci.image.manifest.v1+json',
  ociIndex: 'application/vnd.oci.image.index.v1+json',
  dockerManifest: 'application/vnd.docker.distribution.manifest.v2+json',
  dockerList: 'application/vnd.docker.distribution.manifest.list.v2+json',
  ociConfig: 'application/vnd.oci.image.config.v1+json',
  dockerConfig: 'application/vnd.docker.container.image.v1+json',
  ociLayer: 'application/vnd.oci.image.layer.v1.tar',
  dockerLayer: 'application/vnd.docker.image.rootfs.diff.tar.gzip',
} as const

const manifestTypes: readonly string[] = [mediaTypes.ociManifest, mediaTypes.dockerManifest]
const indexTypes: readonly string[] = [mediaTypes.ociIndex, mediaTypes.dockerList]
const maximumManifestBytes = 4 * 1024 * 1024

interface Descriptor {
  digest?: unknown
  urls?: unknown
}

interface ManifestBody {
  mediaType?: unknown
  config?: Descriptor
  layers?: Descriptor[]
  manifests?: Descriptor[]
}

function parseManifest(bytes: Buffer, mediaType: string): ManifestBody {
  if (bytes.length > maximumManifestBytes) throw new RegistryRefusal('SIZE_INVALID', 'manifest is larger than 4 MiB')
  let body: unknown
  try {
    body = JSON.parse(bytes.toString('utf8'))
  } catch {
    throw new RegistryRefusal('MANIFEST_INVALID', 'manifest is not JSON')
  }
  if (typeof body !== 'object' || body === null) throw new RegistryRefusal('MANIFEST_INVALID', 'manifest is no object')
  const manifest: ManifestBody = body
  if (manifest.mediaType !== undefined && manifest.mediaType !== mediaType)
    throw new RegistryRefusal('MANIFEST_INVALID', 'mediaType of the manifest differs from the Content-Type header')
  return manifest
}

/** Which repositories there are, and which blobs, manifests and tags each holds. */
export class Repositories {
  readonly #repositories = new Map<string, Repository>()

  /** Names in order. */
  names(): string[] {
    return [...this.#repositories.keys()].sort()
  }

  /** Tags of a repository in order; undefined when there is no such repository. */
  tags(name: string): string[] | undefined {
    const repository = this.#repositories.get(name)
    return repository === undefined ? undefined : [...repository.tags.keys()].sort()
  }

  hasBlob(name: string, digest: string): boolean {
    return this.#repositories.get(name)?.blobs.has(digest) ?? false
  }

  addBlob(name: string, digest: string): void {
    this.#repositoryOf(name).blobs.add(digest)
  }

  /** Unlinks a blob from a repository; true when no repository has it any more. */
  removeBlob(name: string, digest: string): boolean {
    this.#repositories.get(name)?.blobs.delete(digest)
    return ![...this.#repositories.values()].some((each) => each.blobs.has(digest))
  }

  /** The manifest that a tag or digest names. */
  find(name: string, reference: string): StoredManifest | undefined {
    const repository = this.#repositories.get(name)
    return repository?.manifests.get(repository.tags.get(reference) ?? reference)
  }

  /** Stores a manifest under its digest, and under a tag when `reference` is one. Everything it names must be there. */
  put(name: string, reference: string, mediaType: string, bytes: Buffer): StoredManifest {
    const manifest = parseManifest(bytes, mediaType)
    const digest = digestOf(bytes)
    if (reference.includes(':') && reference !== digest)
      throw new RegistryRefusal('DIGEST_INVALID', `provided digest did not match uploaded content: ${digest}`)
    const repository = this.#repositoryOf(name)
    this.#requireParts(repository, manifest, mediaType)
    const stored = { digest, mediaType, bytes }
    repository.manifests.set(digest, stored)
    if (!reference.includes(':')) repository.tags.set(reference, digest)
    return stored
  }

  /** Removes a tag, or a manifest with all its tags; false when there is neither. */
  remove(name: string, reference: string): boolean {
    const repository = this.#repositories.get(name)
    if (repository === undefined) return false
    if (repository.tags.delete(reference)) return true
    for (const [tag, digest] of repository.tags) if (digest === reference) repository.tags.delete(tag)
    return repository.manifests.delete(reference)
  }

  #requireParts(repository: Repository, manifest: ManifestBody, mediaType: string): void {
    if (indexTypes.includes(mediaType)) {
      for (const part of manifest.manifests ?? [])
        if (!repository.manifests.has(String(part.digest)))
          throw new RegistryRefusal('MANIFEST_BLOB_UNKNOWN', `manifest ${String(part.digest)} is unknown`)
      return
    }
    if (!manifestTypes.includes(mediaType))
      throw new RegistryRefusal('MANIFEST_INVALID', `media type ${mediaType} is not one of this registry`)
    const parts = [manifest.config ?? {}, ...(manifest.layers ?? [])].filter((part) => part.urls === undefined)
    for (const part of parts)
      if (!repository.blobs.has(String(part.digest)))
        throw new RegistryRefusal('MANIFEST_BLOB_UNKNOWN', `blob ${String(part.digest)} is unknown`)
  }

  #repositoryOf(name: string): Repository {
    const present = this.#repositories.get(name)
    if (present !== undefined) return present
    const made: Repository = { blobs: new Set(), manifests: new Map(), tags: new Map() }
    this.#repositories.set(name, made)
    return made
  }
}
