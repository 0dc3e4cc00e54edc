import { createReadStream } from 'node:fs'
import { Readable } from 'node:stream'
import type { ModuleSigner } from '../kmod/signature-key.ts'
import { readConfigBytes } from '../oci/image-config.ts'
import type { Descriptor } from '../oci/manifest.ts'
import { pushImage, type PushableBlob } from '../oci/push.ts'
import { formatReference } from '../oci/reference.ts'
import type { ImagePlace, SourceImage } from './select-image.ts'
import { extendConfig, extendManifest } from './signed-documents.ts'
import type { WrittenLayer } from './signed-layer.ts'

/** Where the signed image goes, and whose signature its label names. */
export interface PushSignedOptions {
  target: ImagePlace
  signer: Pick<ModuleSigner, 'certificate'>
  signal: AbortSignal
}

/** Pushes an image with one layer more and the `signed-by` label, and answers its digest. */
export async function pushSigned(
  { target, signer, signal }: PushSignedOptions,
  image: SourceImage,
  layer: WrittenLayer | undefined,
): Promise<string> {
  const { manifest, raw } = image
  const { registry, reference } = image.place
  const subject = `image ${formatReference(reference)}`
  const { fingerprint } = signer.certificate
  const old = await readConfigBytes(manifest.config, subject, () =>
    registry.openBlob(reference, manifest.config, signal),
  )
  const config = extendConfig(old, manifest.config.mediaType, {
    layer,
    layers: manifest.layers.length,
    fingerprint,
    subject,
  })
  const signed = extendManifest(raw.bytes, manifest.mediaType, { layer, config: config.descriptor, subject })
  const layers: PushableBlob[] = manifest.layers.map((descriptor) => takeOver(image, target, descriptor, signal))
  if (layer !== undefined)
    layers.push({
      descriptor: layer.descriptor,
      data: () => createReadStream(layer.file, { highWaterMark: 256 * 1024 }),
    })
  const pushable = {
    digest: signed.descriptor.digest,
    manifest: { mediaType: manifest.mediaType, bytes: signed.bytes },
    config: { descriptor: config.descriptor, data: config.bytes },
    layers,
  }
  return (await pushImage(target.registry, target.reference, pushable, signal)).digest
}

/** A blob of the image for the target: mounted where both are in one registry, else copied as a stream. */
function takeOver(image: SourceImage, target: ImagePlace, descriptor: Descriptor, signal: AbortSignal): PushableBlob {
  const { registry, reference } = image.place
  const isNear =
    reference.registry === target.reference.registry && reference.repository !== target.reference.repository
  async function* copy(): AsyncGenerator<Buffer> {
    yield* (await registry.openBlob(reference, descriptor, signal)) as AsyncIterable<Buffer>
  }
  return {
    descriptor,
    data: () => Readable.from(copy(), { objectMode: false, highWaterMark: 256 * 1024 }),
    ...(isNear ? { mountFrom: reference.repository } : {}),
  }
}
