import { join } from 'node:path'

/** The node as the worker sees it from its container. All access to it goes through this one object. */
export interface Host {
  /** What all absolute paths are below: `/`, or a container's root in the sandbox. */
  root: string
  /** `uname -r`. */
  kernelRelease: string
  bootId: string
  /** The program to start for modprobe. */
  modprobePath: string
  /** As images name it: `amd64`, `arm64` … */
  architecture: string
  /** The whole environment of modprobe. */
  modprobeEnvironment: Readonly<Record<string, string>>
}

/** Where an absolute path of the host really is. */
export function locate(host: Pick<Host, 'root'>, path: string): string {
  return join(host.root, path)
}
