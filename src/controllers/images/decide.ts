import type { ImageSource } from '../../api/operator-config.ts'
import type { ImageState, ImageStatus, ModuleImagesConfig, ModuleImageSpec } from '../../api/module-images-config.ts'
import type { Decision, Wait } from '../../runtime/reconciler.ts'
import { sameJson } from '../cluster/same-json.ts'
import { decideImage, type ImageDecision } from './decide-image.ts'
import type { Check, ObservedImages } from './observed.ts'

/** What `images` can do. A check's result is seen by the next pass. */
export type Action =
  | { type: 'checkImage'; config: ModuleImagesConfig; image: ModuleImageSpec; trigger: number | undefined }
  | {
      type: 'writeStatus'
      config: ModuleImagesConfig
      images: readonly ImageStatus[]
      states: readonly ImageState[]
      trigger: number | undefined
    }

/** How an image is asked for: an answer says nothing of another way. */
export function formatAccess({ spec }: ModuleImagesConfig, { registryTLS = {} }: ModuleImageSpec): string {
  const { insecure = false, insecureSkipTLSVerify = false } = registryTLS
  return JSON.stringify([spec?.imageRepoSecret?.name ?? '', insecure, insecureSkipTLSVerify])
}

/** What the status says of an image; where an upstream operator wrote it, in its words. */
function findPresent(
  { status }: ModuleImagesConfig,
  { image, kernelVersion }: ModuleImageSpec,
): ImageStatus | undefined {
  const found = status?.images?.find((each) => each.image === image)
  if (found || status?.images !== undefined) return found
  const state = status?.imagesStates.find((each) => each.image === image)?.status
  return state === 'Exists' ? { image, kernelVersion, phase: 'Exists' } : undefined
}

/** Upstream's word for a phase; none while nothing is known. */
function stateOf({ image, phase }: ImageStatus): ImageState[] {
  if (phase === 'Exists' || phase === 'Ready') return [{ image, status: 'Exists' }]
  if (phase === 'Missing' || phase === 'Failed') return [{ image, status: 'DoesNotExist' }]
  return []
}

const isKnown = (phase: ImageStatus['phase']): boolean => phase !== 'Unknown' && phase !== 'Checking'

function decideStatus(config: ModuleImagesConfig, decisions: readonly ImageDecision[]): Action[] {
  const images = decisions.map(({ status }) => status)
  const states = images.flatMap(stateOf)
  const wanted = config.spec?.imageRebuildTriggerGeneration
  const settled = images.every(({ phase }) => isKnown(phase))
  // The trigger counts as done when every image has been looked at for it.
  const trigger = settled ? wanted : config.status?.imageRebuildTriggerGeneration
  const present = config.status
  const same =
    sameJson(images, present?.images) &&
    sameJson(states, present?.imagesStates) &&
    trigger === present?.imageRebuildTriggerGeneration
  return same ? [] : [{ type: 'writeStatus', config, images, states, trigger }]
}

function findCheck(
  config: ModuleImagesConfig,
  spec: ModuleImageSpec,
  checks: ObservedImages['checks'],
): Check | undefined {
  const check = checks.get(spec.image)
  return check?.access === formatAccess(config, spec) ? check : undefined
}

/** Decides what to ask the registry and what to say of a Module's images. */
export function decide(
  { config, checks, startedAtMs, isDoubted }: ObservedImages,
  nowMs: number,
  unverifiedAfterMs: number,
  imageSource: ImageSource = 'worker',
): Decision<Action> {
  const trigger = config.spec?.imageRebuildTriggerGeneration
  const triggered = trigger !== config.status?.imageRebuildTriggerGeneration
  const specs = config.spec?.images ?? []
  const decisions = specs.map((spec) =>
    decideImage(
      {
        spec,
        present: findPresent(config, spec),
        check: findCheck(config, spec, checks),
        trigger,
        triggered,
        startedAtMs,
        isDoubted,
        unverifiedAfterMs,
        imageSource,
      },
      nowMs,
    ),
  )
  const due = specs.filter((_, index) => (decisions[index]?.checkAtMs ?? 0) <= nowMs)
  const later = decisions.map(({ checkAtMs }) => checkAtMs).filter((at) => at > nowMs)
  const waits: Wait[] =
    later.length === 0
      ? []
      : [{ reason: 'ImageUnknown', message: 'images are looked at again', untilMs: Math.min(...later) }]
  return {
    actions: [
      ...due.map((image): Action => ({ type: 'checkImage', config, image, trigger })),
      // Nothing is written before the first answers: "unknown" is what an absent entry says already.
      ...(due.length > 0 && config.status?.images === undefined ? [] : decideStatus(config, decisions)),
    ],
    waits,
  }
}
