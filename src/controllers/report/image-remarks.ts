import { nameImage } from '../cluster/image-standing.ts'
import type { ReportedNode } from './observed.ts'
import type { StandingImage } from './standing-images.ts'

/** What is to be said of images that are there. */
function remarkOnStatus(images: readonly StandingImage[]): string[] {
  const [first, ...others] = images.flatMap(({ standing, status: { image, message } }) =>
    standing.kind === 'there' && message !== undefined ? [nameImage(image, message)] : [],
  )
  if (first === undefined) return []
  return [others.length === 0 ? first : `${first}, and ${others.length} more like it`]
}

/** An image is made once, for one kernel: others that share its name get what was made for that one. */
function remarkOnSharing(images: readonly StandingImage[], nodes: readonly ReportedNode[]): string[] {
  for (const { spec } of images) {
    if (!spec.build && !spec.sign) continue
    const other = nodes.find(
      ({ wanted }) => wanted?.image === spec.image && wanted.kernelVersion !== spec.kernelVersion,
    )?.wanted
    if (other === undefined) continue
    const what = `${spec.image} is made for kernel ${spec.kernelVersion}, and kernel ${other.kernelVersion} shares it`
    return [`${what}: put \${KERNEL_FULL_VERSION} into containerImage so that each kernel has its own`]
  }
  return []
}

function remarkOnKaniko(images: readonly StandingImage[]): string[] {
  const isSet = images.some(({ spec }) => spec.build?.kanikoParams?.tag)
  return isSet ? ['build.kanikoParams is ignored, because buildah builds the images: remove it'] : []
}

/** What an administrator should know of a Module's images, although it makes none of them unfit. */
export function listRemarks(images: readonly StandingImage[], nodes: readonly ReportedNode[]): string[] {
  return [...remarkOnStatus(images), ...remarkOnSharing(images, nodes), ...remarkOnKaniko(images)]
}
