import type { Container, PodSpec as CorePodSpec, Volume as CoreVolume } from 'kubernetes-types/core/v1.js'
import type { ApiObject } from '../object.ts'

/** A volume, with the image source that newer servers know. */
export interface Volume extends CoreVolume {
  image?: { reference?: string; pullPolicy?: string }
}

/** A pod's spec as admission and validation read it. */
export interface PodSpec extends Omit<CorePodSpec, 'volumes'> {
  volumes?: Volume[]
}

/** A pod, or the template of pods, as far as admission reads it. */
export interface PodTemplate {
  metadata?: { annotations?: Record<string, string> }
  spec?: PodSpec
}

/** A pod as the server stores it. */
export interface Pod extends ApiObject {
  spec?: PodSpec
  status?: { phase?: string }
}

/** Every container of a pod, in the order in which the server checks them: init, ordinary, ephemeral. */
export function listContainers(spec: PodSpec): Container[] {
  return [
    ...(spec.initContainers ?? []),
    ...(spec.containers ?? []),
    ...((spec.ephemeralContainers ?? []) as Container[]),
  ]
}
