import { KmmError } from '../errors/error.ts'
import type { Descriptor } from './manifest.ts'
import { formatReference, type Reference } from './reference.ts'
import type { Registry } from './registry.ts'
import type { BlobData, Uploader } from './upload.ts'

/** A blob that is pushed unless the registry has it. */
export interface PushableBlob {
  descriptor: Descriptor
  data: BlobData
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
  for (const blob of [...image.layers, image.config]) await uploader.putBlob(blob.descriptor, blob.data, signal)
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
