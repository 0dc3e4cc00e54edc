import type { ObjectMeta } from '../../api/object-meta.ts'
import type { DeviceClass } from '../../kube/device-class.ts'
import type { PluginRole } from './plugin-role.ts'

/** What the API server answered to an object that it did not take. */
interface Refusal {
  message: string
  /** It is tried again then (epoch): what refuses may be changed. */
  untilMs: number
}

/** A DeviceClass that was not taken. */
export interface DeviceClassRefusal extends Refusal {
  wanted: DeviceClass
}

/** A DaemonSet that was not taken, or the service account that it needs. */
export interface DaemonSetRefusal extends Refusal {
  /** The Module as it was then: whatever is changed in it, it is tried again. */
  module: Pick<ObjectMeta, 'uid' | 'generation'>
}

/** Refused objects by Module (`namespace/name`) and name. Lost at a restart: they are tried again, and refused again. */
export interface Refusals<R, Name extends string = string> {
  get(module: string, name: Name): R | undefined
  set(module: string, name: Name, refusal: R): void
  /** Forgets one, or all of a Module. */
  delete(module: string, name?: Name): void
  /** Told of the Module of which there is news. */
  onChange(listener: (module: string) => void): void
}

/** What `workloads` meets with, and `report` tells of. */
export interface WorkloadRefusals {
  deviceClasses: Refusals<DeviceClassRefusal>
  daemonSets: Refusals<DaemonSetRefusal, PluginRole>
}

function createRefusals<R, Name extends string>(): Refusals<R, Name> {
  const refused = new Map<string, Map<Name, R>>()
  const listeners: ((module: string) => void)[] = []
  const tell = (module: string): void => {
    for (const listener of listeners) listener(module)
  }
  return {
    get: (module, name) => refused.get(module)?.get(name),
    set(module, name, refusal) {
      refused.set(module, (refused.get(module) ?? new Map<Name, R>()).set(name, refusal))
      tell(module)
    },
    delete(module, name) {
      const ofModule = refused.get(module)
      if (ofModule === undefined) return
      if (name === undefined) ofModule.clear()
      else ofModule.delete(name)
      if (ofModule.size === 0) refused.delete(module)
      tell(module)
    },
    onChange: (listener) => void listeners.push(listener),
  }
}

/** Makes the store; nothing is refused yet. */
export const createWorkloadRefusals = (): WorkloadRefusals => ({
  deviceClasses: createRefusals(),
  daemonSets: createRefusals(),
})

/** The refusal of what the Module asks for in a role, as it asks for it now. */
export function findDaemonSetRefusal(
  { namespace, name, uid, generation }: ObjectMeta,
  role: PluginRole,
  refusals: Pick<WorkloadRefusals['daemonSets'], 'get'>,
): DaemonSetRefusal | undefined {
  const refusal = refusals.get(`${namespace}/${name}`, role)
  return refusal?.module.uid === uid && refusal?.module.generation === generation ? refusal : undefined
}
