import type { KubeObject } from './object.ts'
import { defineResource } from './resource.ts'

/** A class of devices that a DRA driver hands out. Selectors and configuration are the API server's to judge. */
export interface DeviceClass extends KubeObject {
  spec?: {
    selectors?: readonly unknown[]
    config?: readonly unknown[]
    extendedResourceName?: string
  }
}

/** Only Kubernetes 1.34 and later serve it. */
export const deviceClasses = defineResource<DeviceClass>({
  group: 'resource.k8s.io',
  version: 'v1',
  kind: 'DeviceClass',
  plural: 'deviceclasses',
  namespaced: false,
})
