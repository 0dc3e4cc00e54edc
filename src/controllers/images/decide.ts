import type { ImageStatus, ModuleImagesConfig, ModuleImageSpec } from '../../api/module-images-config.ts'
import type { Decision, Wait } from '../../runtime/reconciler.ts'
import { isPushed } from '../cluster/images-config.ts'
import { sameJson } from '../cluster/same-json.ts'
import type { Action, ImageAction, ImageDecision } from './action.ts'
import { decideImage } from './decide-image.ts'
import { type InputsFact, isActive } from './job/job.ts'
import { formatInputsKey } from './job/read-inputs.ts'
import type { ImagesSettings, ObservedImages } from './observed.ts'
import { countFreeSlots, isSlotKept } from './slots.ts'
import { fitStatuses, stateOf } from './status.ts'

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

/** True when nothing more will be done for an image unless something changes. */
function isOver({ phase, retryAt }: ImageStatus, { build, sign }: ModuleImageSpec, pushes: boolean): boolean {
  switch (phase) {
    case 'Exists':
    case 'Ready':
    case 'Unverified':
      return true
    case 'Missing':
      return build === undefined && sign === undefined
    case 'Failed':
      return retryAt === undefined
    case 'Built':
      return !pushes
    default:
      return false
  }
}

/** True when every image has been looked at for the trigger, and made where it was missing (mission). */
function isTriggerDone(config: ModuleImagesConfig, decisions: readonly ImageDecision[]): boolean {
  return (config.spec?.images ?? []).every((image, index) => {
    const decision = decisions[index]
    return decision !== undefined && isOver(decision.status, image, isPushed(config))
  })
}

function decideStatus(config: ModuleImagesConfig, decisions: readonly ImageDecision[]): Action[] {
  const { spec, status: present } = config
  const images = fitStatuses(decisions.map(({ status }) => status))
  const states = images.flatMap(stateOf)
  const { imageRebuildTriggerGeneration: wanted } = spec ?? {}
  const { imageRebuildTriggerGeneration: known, images: before, imagesStates } = present ?? {}
  const trigger = isTriggerDone(config, decisions) ? wanted : known
  const same = sameJson(images, before) && sameJson(states, imagesStates) && trigger === known
  return same ? [] : [{ type: 'writeStatus', config, images, states, trigger }]
}

/** Pods of images that are no longer wanted, and those of an upstream operator that have ended. */
function listLeftOver({ config, jobs }: ObservedImages): ImageAction[] {
  const wanted = new Set(config.spec?.images?.map(({ image }) => image))
  return jobs
    .filter((job) => (job.hash === '' ? !isActive(job) : !wanted.has(job.image) && !job.deleting))
    .filter((job) => !job.deleting || job.finalizers.length > 0)
    .map((job) => ({ type: 'deleteJob', config, job }))
}

/** A reading that was made for another spec says nothing. */
function findInputs({ config, facts }: ObservedImages, spec: ModuleImageSpec): InputsFact | undefined {
  const fact = facts.inputs.get(spec.image)
  return fact?.key === formatInputsKey(config, spec) ? fact : undefined
}

function decideImages(observed: ObservedImages, nowMs: number, settings: ImagesSettings): ImageDecision[] {
  const { config, facts, jobs, startedAtMs, isDoubted } = observed
  const trigger = config.spec?.imageRebuildTriggerGeneration
  const foreignJobs = jobs.filter(({ hash }) => hash === '')
  let freeSlots = countFreeSlots(config, observed, settings.maxConcurrentBuilds)
  return (config.spec?.images ?? []).map((spec) => {
    const decision = decideImage(
      {
        config,
        spec,
        present: findPresent(config, spec),
        facts,
        inputs: findInputs(observed, spec),
        jobs: jobs.filter(({ image }) => image === spec.image),
        sharedJobs: observed.sharedJobs.filter(({ image }) => image === spec.image),
        relatives: observed.relatives.filter(({ image }) => image === spec.image),
        freeSlots,
        isSlotKept: isSlotKept(config, observed, settings.maxConcurrentBuilds),
        foreignJobs,
        trigger,
        triggered: trigger !== config.status?.imageRebuildTriggerGeneration,
        startedAtMs,
        isDoubted,
        settings,
      },
      nowMs,
    )
    freeSlots -= decision.actions.filter(
      (action) => action.type === 'createJob' && action.job.type === 'BuildImage',
    ).length
    return decision
  })
}

/** Decides what to find out, what to make, and what to say of a Module's images. */
export function decide(observed: ObservedImages, nowMs: number, settings: ImagesSettings): Decision<Action> {
  const { config } = observed
  const decisions = decideImages(observed, nowMs, settings)
  const actions = [...decisions.flatMap((decision) => decision.actions), ...listLeftOver(observed)]
  const later = decisions.flatMap(({ againAtMs }) => againAtMs ?? []).filter((at) => at > nowMs)
  const waits: Wait[] =
    later.length === 0
      ? []
      : [{ reason: 'ImageUnknown', message: 'images are looked at again', untilMs: Math.min(...later) }]
  // Nothing is written before the first answers: "unknown" is what an absent entry says already.
  const isLooking = config.status?.images === undefined && actions.some(({ type }) => type === 'checkImage')
  const status = isLooking ? [] : decideStatus(config, decisions)
  const [before, after] = [
    actions.filter(({ type }) => type !== 'deleteJob'),
    actions.filter(({ type }) => type === 'deleteJob'),
  ]
  // What a pod has come to is written down before the pod goes.
  return { actions: [...before, ...status, ...after], waits }
}
