import type { Pod, Volume } from 'kubernetes-types/core/v1.js'
import type { ModuleConfig } from '../../api/node-modules-config.ts'
import { hasCode } from '../../errors/error.ts'
import { formatReference, parseReference, type Reference } from '../../oci/reference.ts'

/** A volume that the kubelet fills with an image; the field is younger than the published types. */
export interface ImageVolume extends Volume {
  image: { reference: string; pullPolicy: string }
}

/** Where the worker finds the kmod image that the kubelet mounts. */
export const imageFolder = '/kmod-image'

const volumeName = 'kmod-image'

function parse(image: string): Reference | undefined {
  try {
    return parseReference(image)
  } catch (error) {
    if (!hasCode(error, 'ReferenceInvalid')) throw error
    return undefined
  }
}

/**
 * What the kubelet is asked for: the digest that the operator verified last in place of the tag, else the image as it was
 * written. A name that cannot be parsed is left to the kubelet, which says so. Never both tag and digest: not every
 * runtime takes them together.
 */
function chooseReference({ containerImage, imageDigest = '' }: ModuleConfig, parsed: Reference | undefined): string {
  if (parsed === undefined || imageDigest === '' || parsed.digest !== undefined) return containerImage
  const { tag: _tag, ...untagged } = parsed
  return formatReference({ ...untagged, digest: imageDigest })
}

/** The Module's pull policy; where it says none, the one that its image's name implies, whatever digest stands for it. */
function choosePullPolicy({ imagePullPolicy = '' }: ModuleConfig, parsed: Reference | undefined): string {
  if (imagePullPolicy !== '') return imagePullPolicy
  return parsed?.digest === undefined && (parsed?.tag ?? 'latest') === 'latest' ? 'Always' : 'IfNotPresent'
}

/** The volume of a kmod image. */
export function buildImageVolume(config: ModuleConfig): ImageVolume {
  const parsed = parse(config.containerImage)
  const image = { reference: chooseReference(config, parsed), pullPolicy: choosePullPolicy(config, parsed) }
  return { name: volumeName, image }
}

/** True when the API server has made a pod without the image volume that it was to have: it does not know them. */
export function isImageVolumeDropped(wanted: Pod, created: Pod): boolean {
  const hasImage = ({ spec }: Pod): boolean => (spec?.volumes ?? []).some((volume) => 'image' in volume)
  return hasImage(wanted) && !hasImage(created)
}
