import type { Container, HostPathVolumeSource, Pod } from 'kubernetes-types/core/v1.js'
import type { RunningContainer } from './container-process.ts'

/** A container that runs the worker program. */
export interface WorkerStart {
  /** What its image has: the worker alone, or a builder beside it. */
  program: 'worker' | 'builder'
  pod: Pod
  container: Container
  /** Of the pod on this computer; its root, logs and volumes are below it. */
  folder: string
  /** Where each volume of the pod is: on this computer, host paths where `setUpHostPath` has said. */
  volumes: ReadonlyMap<string, string>
  /** As the pod gives it; what the image gives is not in it. */
  environment: Readonly<Record<string, string>>
  /** Takes what the container prints. */
  logFile: string
}

/** What is behind a node: a kernel, a disk, and what runs containers there. It is virtual, or a machine with a real kernel. */
export interface NodeBackend {
  /** `uname -r`. */
  readonly release: string
  readonly bootId: string
  /** As images name it: `amd64`, `arm64` … */
  readonly architecture: string
  start(): Promise<void>
  stop(): Promise<void>
  /** Boots again, into another kernel if one is named; what is on the disk stays. */
  reboot(release: string | undefined): Promise<void>
  /** Finds or makes what a host path names; throws MountFailure with the kubelet's words. */
  setUpHostPath(source: HostPathVolumeSource): Promise<string>
  /** Runs the worker program as the container says; a build, which is no business of the kernel, may run elsewhere. */
  startWorker(start: WorkerStart): Promise<RunningContainer>
  /** Removes what the containers of a pod have left on the node. */
  removePod(uid: string): Promise<void>
}
