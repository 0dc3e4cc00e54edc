import type { AdmissionPlugin } from '../hooks.ts'
import { isSameResource, pods } from './known-resources.ts'
import { listContainers, type Pod, type PodSpec } from './pod-shape.ts'

function dropFrom(spec: PodSpec): void {
  const { volumes = [] } = spec
  const dropped = volumes.filter(({ image }) => image !== undefined).map(({ name }) => name)
  if (dropped.length === 0) return
  spec.volumes = volumes.filter(({ name }) => !dropped.includes(name))
  for (const container of listContainers(spec))
    container.volumeMounts = (container.volumeMounts ?? []).filter(({ name }) => !dropped.includes(name))
}

/** Leaves image volumes and their mounts out of new pods, as a server does whose feature gate ImageVolume is off. */
export const dropImageVolumes: AdmissionPlugin = {
  name: 'DropImageVolumes',
  phase: 'mutating',
  admit: ({ operation, resource, subresource, object }) => {
    if (operation !== 'CREATE' || subresource !== undefined || !isSameResource(resource, pods)) return
    const { spec } = object as Pod
    if (spec !== undefined) dropFrom(spec)
  },
}
