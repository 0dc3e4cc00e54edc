import type { DeviceClass } from '../../kube/device-class.ts'
import type { Decision } from '../../runtime/reconciler.ts'
import type { ListedDeviceClass } from '../cluster/device-class.ts'
import { findDraConcerns } from '../cluster/plugin-concerns.ts'
import type { Action } from './decide.ts'
import type { ObservedWorkloads } from './observed.ts'

/** What the API server refused is tried again now and then: what refuses may be changed. */
function isDue({ standing }: ListedDeviceClass, nowMs: number): boolean {
  return standing.kind === 'refused' && nowMs >= standing.refusal.untilMs
}

function decideListed(listed: ListedDeviceClass, module: string, present: DeviceClass | undefined): Action {
  const { wanted } = listed
  if (present === undefined) return { type: 'createDeviceClass', module, wanted }
  return { type: 'replaceDeviceClass', module, present, wanted }
}

function decideClass(listed: ListedDeviceClass, module: string, nowMs: number): Action[] {
  const { standing } = listed
  if (standing.kind === 'missing') return [decideListed(listed, module, undefined)]
  if (standing.kind === 'differs') return [decideListed(listed, module, standing.present)]
  if (standing.kind === 'refused' && isDue(listed, nowMs)) return [decideListed(listed, module, standing.present)]
  return []
}

/** Decides about a Module's DeviceClasses: those that are not its own are neither changed nor deleted. */
export function decideDeviceClasses(observed: ObservedWorkloads, nowMs: number): Decision<Action> {
  const { namespace, name, module, dra, listedClasses, unlistedClasses } = observed
  const dropped = unlistedClasses
    .filter(({ metadata }) => metadata?.deletionTimestamp === undefined)
    .map((deviceClass): Action => ({ type: 'deleteDeviceClass', deviceClass }))
  if (module?.spec?.dra === undefined || module.metadata.deletionTimestamp !== undefined)
    return { actions: dropped, waits: [] }
  const made =
    dra.kind === 'present' ? listedClasses.flatMap((each) => decideClass(each, `${namespace}/${name}`, nowMs)) : []
  const waits = findDraConcerns(dra, listedClasses).flatMap((concern) => {
    if (concern.kind !== 'failing') return []
    const { reason, message, untilMs } = concern
    return [{ reason, message, ...(untilMs !== undefined && nowMs < untilMs ? { untilMs } : {}) }]
  })
  return { actions: [...dropped, ...made], waits }
}
