import type { DeviceClass } from '../../kube/device-class.ts'

/** What the API server answered to a DeviceClass that it did not take. */
export interface DeviceClassRefusal {
  wanted: DeviceClass
  message: string
  /** It is tried again then (epoch): what refuses may be changed. */
  untilMs: number
}

/** Refused DeviceClasses by Module (`namespace/name`) and name. Lost at a restart: they are tried again, and refused again. */
export interface DeviceClassRefusals {
  get(module: string, name: string): DeviceClassRefusal | undefined
  set(module: string, name: string, refusal: DeviceClassRefusal): void
  /** Forgets one class, or all of a Module. */
  delete(module: string, name?: string): void
  /** Told of the Module of which there is news. */
  onChange(listener: (module: string) => void): void
}

/** Makes the refusals that `workloads` meets with, and `report` tells of. */
export function createDeviceClassRefusals(): DeviceClassRefusals {
  const refused = new Map<string, Map<string, DeviceClassRefusal>>()
  const listeners: ((module: string) => void)[] = []
  const tell = (module: string): void => {
    for (const listener of listeners) listener(module)
  }
  return {
    get: (module, name) => refused.get(module)?.get(name),
    set(module, name, refusal) {
      refused.set(module, (refused.get(module) ?? new Map<string, DeviceClassRefusal>()).set(name, refusal))
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
