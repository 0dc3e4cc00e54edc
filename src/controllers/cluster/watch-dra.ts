import { keyOf } from '../../kube/object.ts'
import type { Caches } from './caches.ts'
import { moduleKeyOfDeviceClass } from './device-class.ts'

/** Calls `tell` with each Module (`namespace/name`) that a change of DeviceClasses, or of whether there are any, concerns. */
export function watchDra({ modules, deviceClasses }: Caches, tell: (module: string) => void): void {
  deviceClasses.onChange(({ key: name, before, after }) => {
    for (const deviceClass of [before, after]) {
      const owner = deviceClass && moduleKeyOfDeviceClass(deviceClass)
      if (owner !== undefined) tell(owner)
    }
    for (const module of modules.list())
      if (module.spec?.dra?.deviceClasses?.some((listed) => listed.name === name)) tell(keyOf(module))
  })
  deviceClasses.onPresence(() => {
    for (const module of modules.list()) if (module.spec?.dra) tell(keyOf(module))
  })
}
