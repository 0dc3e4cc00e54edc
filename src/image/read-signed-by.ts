import { type ImageIndex, type ImageManifest, parseManifest } from '../oci/manifest.ts'
import { formatReference, type Reference } from '../oci/reference.ts'
import type { Registry } from '../oci/registry.ts'
import { signedByLabel } from './signed-label.ts'

/** An index with more images than this is taken as one without a label: KMM itself pushes single images. */
const mostImages = 16

/**
 * Reads whose signature an image's label `signed-by` names: the SHA-256 of a certificate, or undefined without a label of that
 * form. `digest` is that of an image or of an index; of an index, all images for Linux have to name the same one. Only manifests
 * and configurations are read, at most 4 MiB each. The label is the word of whoever pushed the image: it proves nothing.
 * Throws the errors of a registry client.
 */
export async function readSignedBy(
  registry: Registry,
  reference: Reference,
  digest: string,
  signal: AbortSignal,
): Promise<string | undefined> {
  const read = async (pinned: Reference): Promise<ImageManifest | ImageIndex> => {
    const { bytes, mediaType } = await registry.getManifest(pinned, signal)
    return parseManifest(bytes, mediaType, `image ${formatReference(pinned)}`)
  }
  const top = await read({ ...reference, digest })
  if (top.kind === 'manifest') return readLabel(registry, { ...reference, digest }, top, signal)
  const names = new Set<string | undefined>()
  for (const image of listImages(top)) {
    const pinned = { ...reference, digest: image }
    const manifest = await read(pinned)
    names.add(manifest.kind === 'manifest' ? await readLabel(registry, pinned, manifest, signal) : undefined)
    if (names.size > 1) return undefined
  }
  return [...names][0]
}

async function readLabel(
  registry: Registry,
  pinned: Reference,
  manifest: ImageManifest,
  signal: AbortSignal,
): Promise<string | undefined> {
  const label = (await registry.readConfig(pinned, manifest, signal)).labels[signedByLabel]
  return label !== undefined && /^[0-9a-f]{64}$/.test(label) ? label : undefined
}

/** The digests of an index's images, without those for other systems and attestations; none when there are too many. */
function listImages({ manifests }: ImageIndex): string[] {
  const images = manifests.filter(({ platform }) => platform === undefined || platform.os === 'linux')
  return images.length > mostImages ? [] : images.map(({ digest }) => digest)
}
