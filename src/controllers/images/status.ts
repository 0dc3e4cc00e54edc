import type { ImageState, ImageStatus, ModuleImageSpec } from '../../api/module-images-config.ts'
import { defined } from '../cluster/defined.ts'
import { formatTime } from './timing.ts'

/** What a status says besides which image it is about. */
export type StatusFields = Omit<ImageStatus, 'image' | 'kernelVersion' | 'since'>

/** A status whose `since` stays while phase and reason stay. */
export function makeStatus(
  { spec, present }: { spec: ModuleImageSpec; present: ImageStatus | undefined },
  fields: StatusFields,
  nowMs: number,
): ImageStatus {
  const same = present?.phase === fields.phase && present.reason === fields.reason
  return {
    image: spec.image,
    kernelVersion: spec.kernelVersion,
    // What this operator made stays known, through every state between.
    ...defined({
      builtDigest: present?.builtDigest,
      builtInputs: present?.builtInputs,
      unsignedDigest: present?.unsignedDigest,
    }),
    ...fields,
    since: (same ? present.since : undefined) ?? formatTime(nowMs),
  }
}

/** True when nodes may use the image. */
export const isSettled = ({ phase }: Pick<ImageStatus, 'phase'>): boolean => phase === 'Exists' || phase === 'Ready'

/** Upstream's word for what is known of an image; none while nothing is. */
export function stateOf({ image, phase }: ImageStatus): ImageState[] {
  switch (phase) {
    case 'Exists':
    case 'Ready':
      return [{ image, status: 'Exists' }]
    case 'Building':
      return [{ image, status: 'NeedsBuilding' }]
    case 'Built':
    case 'Signing':
      return [{ image, status: 'NeedsSigning' }]
    case 'Missing':
    case 'Failed':
      return [{ image, status: 'DoesNotExist' }]
    default:
      return []
  }
}

/** What the logs of all images may take: an object of the API server holds about a megabyte, and nobody reads that many. */
const mostStatusBytes = 200 * 1024
const shortMessage = 200

const sizeOf = (statuses: readonly ImageStatus[]): number => Buffer.byteLength(JSON.stringify(statuses))

/** Leaves logs out, the last ones first, then cuts messages, until the statuses of all images fit into one object. */
export function fitStatuses(statuses: readonly ImageStatus[]): ImageStatus[] {
  const fitted = [...statuses]
  let left = sizeOf(fitted)
  for (let index = fitted.length - 1; index >= 0 && left > mostStatusBytes; index--) {
    const status = fitted[index]
    if (status?.log === undefined) continue
    const { log, ...rest } = status
    fitted[index] = rest
    left -= Buffer.byteLength(JSON.stringify(log)) + '"log":,'.length
  }
  if (left <= mostStatusBytes) return fitted
  return fitted.map((status) =>
    status.message === undefined || status.message.length <= shortMessage
      ? status
      : { ...status, message: `${status.message.slice(0, shortMessage)}…` },
  )
}
