import { hasCode, KmmError } from '../errors/error.ts'
import type { Descriptor } from './manifest.ts'
import { formatReference, type Reference } from './reference.ts'
import type { Registry } from './registry.ts'
import type { BlobData, Uploader } from './upload.ts'

/** A blob that is pushed unless the registry has it. */
export interface PushableBlob {
  descriptor: Descriptor
  data: BlobData
  /** A repository of the same registry that has it: it is taken over from there where the registry does that. */
  mountFrom?: string
}

/** An image to push. `digest` is that of the manifest's bytes. */
export interface PushableImage {
  digest: string
  manifest: { mediaType: string; bytes: Uint8Array }
  config: PushableBlob
  layers: readonly PushableBlob[]
}

/** An index to push, with its images. */
export interface PushableIndex {
  digest: string
  manifest: { mediaType: string; bytes: Uint8Array }
  images: readonly PushableImage[]
}

async function pushParts(uploader: Uploader, image: PushableImage, signal: AbortSignal | undefined): Promise<void> {
  for (const blob of [...image.layers, image.config]) await pushBlob(uploader, blob, signal)
}

async function pushBlob(uploader: Uploader, blob: PushableBlob, signal: AbortSignal | undefined): Promise<void> {
  const { descriptor, data, mountFrom } = blob
  if (mountFrom !== undefined) {
    if (await uploader.blobExists(descriptor.digest, signal)) return
    if (await tryMount(uploader, descriptor.digest, mountFrom, signal)) return
  }
  await uploader.putBlob(descriptor, data, signal)
}

/** Mounting only spares work: where it is refused, for whatever reason, the bytes are sent. */
async function tryMount(
  uploader: Uploader,
  digest: string,
  from: string,
  signal: AbortSignal | undefined,
): Promise<boolean> {
  try {
    return await uploader.mountBlob(digest, from, signal)
  } catch (error) {
    if (hasCode(error, 'Aborted')) throw error
    return false
  }
}

/** The tag to push under. A digest alone names what is there already, or nothing. */
function readTag(reference: Reference, digest: string): string {
  if (reference.digest !== undefined && reference.digest !== digest)
    throw new KmmError(
      `cannot push to ${formatReference(reference)}: the image has the digest ${digest}; push to a tag instead`,
      { code: 'ReferenceInvalid', fate: 'terminal' },
    )
  return reference.tag ?? digest
}

/**
 * Pushes an image or an index with its images: blobs first, manifests last, so that a tag never names something incomplete.
 * Returns the digest. Throws the errors of a registry client.
 */
export async function pushImage(
  registry: Registry,
  reference: Reference,
  image: PushableImage | PushableIndex,
  signal?: AbortSignal,
): Promise<{ digest: string }> {
  const tag = readTag(reference, image.digest)
  const uploader = registry.uploaderFor(reference)
  for (const part of 'images' in image ? image.images : [image]) {
    await pushParts(uploader, part, signal)
    if (part !== image) await uploader.putManifest(part.digest, part.manifest, signal)
  }
  return { digest: await uploader.putManifest(tag, image.manifest, signal) }
}
