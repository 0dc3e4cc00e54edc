import type { ImageStatus, ModuleImageSpec } from '../../api/module-images-config.ts'
import { type ImageStanding, standImage } from '../cluster/image-standing.ts'
import type { ObservedReport } from './observed.ts'

/** An image that a Module asks for, and how it stands. */
export interface StandingImage {
  spec: ModuleImageSpec
  status: ImageStatus
  standing: ImageStanding
}

/** The images that a Module asks for; of one that nobody has looked at the phase is Unknown. */
export function listImages({ images }: ObservedReport): StandingImage[] {
  const statuses = new Map(images?.status?.images?.map((status) => [status.image, status]))
  return (images?.spec?.images ?? []).map((spec) => {
    const status: ImageStatus = statuses.get(spec.image) ?? { image: spec.image, phase: 'Unknown' }
    return { spec, status, standing: standImage(status, spec) }
  })
}
