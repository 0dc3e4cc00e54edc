import type { Reason } from '../../errors/reason.ts'
import type { Presence } from '../../kube/optional-cache.ts'
import { assertNever } from '../../errors/error.ts'
import type { ListedDeviceClass } from './device-class.ts'
import { nameRole, type PluginRole } from './plugin-role.ts'
import type { DaemonSetRefusal } from './refusals.ts'

/** What keeps a Module's device plugin or DRA driver from being of use, besides its pods. */
export type PluginConcern =
  /** Nothing but somebody's act mends it. */
  { kind: 'failing'; reason: Reason; message: string; untilMs?: number } | { kind: 'progressing'; message: string }

const maximumWords = 400

function describeForeign(name: string, owner: string | undefined): string {
  const whose = owner === undefined ? 'KMM did not make it' : `it belongs to Module ${owner}`
  return `DeviceClass ${name} exists already, and ${whose}: it is left as it is; delete it, or choose another name in spec.dra.deviceClasses`
}

function findClassConcern({ name, standing }: ListedDeviceClass): PluginConcern | undefined {
  switch (standing.kind) {
    case 'asWanted':
      return undefined
    case 'missing':
      return { kind: 'progressing', message: `DeviceClass ${name} is not made yet` }
    case 'differs':
      return { kind: 'progressing', message: `DeviceClass ${name} is not yet as the Module has it` }
    case 'leaving':
      return { kind: 'progressing', message: `DeviceClass ${name} is being deleted, and then made anew` }
    case 'foreign':
      return { kind: 'failing', reason: 'DeviceClassConflict', message: describeForeign(name, standing.owner) }
    case 'refused': {
      const { message, untilMs } = standing.refusal
      const words = `DeviceClass ${name} is refused, change it in spec.dra.deviceClasses: ${message.slice(0, maximumWords)}`
      return { kind: 'failing', reason: 'DeviceClassRefused', message: words, untilMs }
    }
    default:
      return assertNever(standing)
  }
}

/** What is wrong with the DRA of a Module that asks for it: the cluster first, then its DeviceClasses in their order. */
export function findDraConcerns(dra: Presence, classes: readonly ListedDeviceClass[]): PluginConcern[] {
  if (dra.kind === 'absent') return [{ kind: 'failing', reason: 'DRAUnsupported', message: dra.message }]
  if (dra.kind === 'unknown')
    return [{ kind: 'progressing', message: `whether this cluster has DRA is not known: ${dra.message}` }]
  return classes.flatMap((each) => findClassConcern(each) ?? [])
}

/** What is wrong with a DaemonSet that the API server did not take. */
export function describeRefusedDaemonSet(role: PluginRole, { message, untilMs }: DaemonSetRefusal): PluginConcern {
  const field = role === 'dra' ? 'spec.dra' : 'spec.devicePlugin'
  const what = `the DaemonSet of the ${nameRole(role)} is refused; correct ${field}, or what refuses it`
  return { kind: 'failing', reason: 'DaemonSetRefused', message: `${what}: ${message.slice(0, maximumWords)}`, untilMs }
}
