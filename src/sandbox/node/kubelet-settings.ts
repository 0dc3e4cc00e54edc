import type { KubeClient } from '../../kube/client.ts'
import type { Clock } from '../../kube/clock.ts'
import type { NodeBackend } from './backend.ts'
import type { PodRules } from './behaviour.ts'
import type { Gate } from './gate.ts'
import type { NodeImages } from './node-images.ts'
import type { Slots } from './slots.ts'

/** How fast a kubelet tries again and how it spreads its news; real ones take 10 s to 5 min and 2 to 3 s. */
export interface KubeletTimes {
  /** First pause before a container starts again; it doubles with each restart. */
  restartBaseMs: number
  restartCapMs: number
  /** Pause before a volume or image is tried again; it doubles too. */
  retryBaseMs: number
  retryCapMs: number
  /** A container's end is reported this long before the pod's phase follows. */
  phaseLagMs: number
}

export const defaultKubeletTimes: KubeletTimes = {
  restartBaseMs: 200,
  restartCapMs: 3_000,
  retryBaseMs: 100,
  retryCapMs: 1_000,
  phaseLagMs: 50,
}

/** Everything that a kubelet works with. */
export interface KubeletSettings {
  nodeName: string
  nodeRoot: string
  client: KubeClient
  clock: Clock
  /** The node's kernel, disk and containers. */
  backend: NodeBackend
  images: NodeImages
  /** Pods with a container of this image run the worker program. */
  workerImage: string
  /** Pods with a container of this image run it with a builder beside it. */
  builderImage: string
  rules: PodRules
  /** Shared by all nodes of a process: how many worker processes run at once. */
  slots: Slots
  times: KubeletTimes
  /** Closed while the node cannot reach the API server. */
  online: Gate
  /** Told of what should not happen: the API server refuses what a kubelet may write. */
  onError: (error: unknown) => void
}
