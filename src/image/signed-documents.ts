import { computeDigest } from '../oci/digest.ts'
import { type Descriptor, refuseImage } from '../oci/manifest.ts'
import { isRecord } from '../oci/text.ts'
import { signedByLabel } from './signed-label.ts'

/** A JSON document of an image, with its descriptor. */
export interface ImageDocument {
  bytes: Buffer
  descriptor: Descriptor
}

/** What signing adds to an image. */
export interface SignedAddition {
  /** Undefined when all files carried the signature already. */
  layer: { descriptor: Descriptor; diffId: string } | undefined
  /** How many layers the image has without it. */
  layers: number
  /** SHA-256 of the certificate. */
  fingerprint: string
  /** Names the image in messages. */
  subject: string
}

type Fields = Record<string, unknown>

function parseDocument(bytes: Uint8Array, subject: string, what: string): Fields {
  let document: unknown
  try {
    document = JSON.parse(Buffer.from(bytes).toString('utf8'))
  } catch {
    return refuseImage(subject, `its ${what} is not JSON`)
  }
  return isRecord(document) ? document : refuseImage(subject, `its ${what} is not a JSON object`)
}

function formatDocument(document: Fields, mediaType: string): ImageDocument {
  const bytes = Buffer.from(JSON.stringify(document))
  return { bytes, descriptor: { mediaType, digest: computeDigest(bytes), size: bytes.length } }
}

/**
 * The configuration of the signed image: the layer's digest, a line of history, and the label; everything else stays as it is,
 * dates too, so that signing the same image again gives the same digest.
 */
export function extendConfig(bytes: Uint8Array, mediaType: string, addition: SignedAddition): ImageDocument {
  const document = parseDocument(bytes, addition.subject, 'configuration')
  const { rootfs, config, history } = document
  const settings = isRecord(config) ? config : {}
  const labels = isRecord(settings['Labels']) ? settings['Labels'] : {}
  return formatDocument(
    {
      ...document,
      config: { ...settings, Labels: { ...labels, [signedByLabel]: addition.fingerprint } },
      rootfs: extendLayers(rootfs, addition),
      // A history that is there has a line for each layer; where there is none, one line would be wrong.
      ...(Array.isArray(history) ? { history: [...(history as unknown[]), describeStep(document, addition)] } : {}),
    },
    mediaType,
  )
}

function extendLayers(rootfs: unknown, { layer, layers, subject }: SignedAddition): Fields {
  const diffIds: unknown = isRecord(rootfs) ? rootfs['diff_ids'] : undefined
  if (!isRecord(rootfs) || !Array.isArray(diffIds) || diffIds.length !== layers)
    return refuseImage(subject, `its configuration does not list its ${layers} layers; build the image again`)
  return { ...rootfs, diff_ids: [...(diffIds as unknown[]), ...(layer === undefined ? [] : [layer.diffId])] }
}

function describeStep({ created }: Fields, { layer, fingerprint }: SignedAddition): Fields {
  return {
    ...(typeof created === 'string' ? { created } : {}),
    created_by: 'kmm image sign',
    comment: `modules signed by the certificate ${fingerprint}`,
    ...(layer === undefined ? { empty_layer: true } : {}),
  }
}

/** The manifest of the signed image, of the same kind as that of the image, with one layer more. */
export function extendManifest(
  bytes: Uint8Array,
  mediaType: string,
  { layer, config, subject }: Pick<SignedAddition, 'layer' | 'subject'> & { config: Descriptor },
): ImageDocument {
  const document = parseDocument(bytes, subject, 'manifest')
  const { config: old, layers } = document
  if (!Array.isArray(layers)) return refuseImage(subject, 'its manifest lists no layers')
  return formatDocument(
    {
      ...document,
      config: { ...(isRecord(old) ? old : {}), ...config },
      layers: [...(layers as unknown[]), ...(layer === undefined ? [] : [layer.descriptor])],
    },
    mediaType,
  )
}
