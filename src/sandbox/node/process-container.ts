import { join } from 'node:path'
import type { NodeBackend, WorkerStart } from './backend.ts'
import { prepareRoot, type RunningContainer, startContainer } from './container-process.ts'
import { expandVariables } from './expand-variables.ts'

/** The programs that stand for the images of workers and builders where they run as processes of this computer. */
export interface VirtualPrograms {
  /** Path of the worker's bundle for sandboxes. */
  workerProgram: string
  /** Path of the executable that stands for modprobe. */
  modprobePath: string
  /** What build pods find as buildah: a path, or a name to look for on the PATH; default `buildah`. */
  buildahProgram?: string
}

/** Runs the worker program as a process of this computer, in a folder that stands for the container's root. */
export async function startProcess(
  start: WorkerStart,
  node: Pick<NodeBackend, 'release' | 'bootId' | 'architecture'> & { root: string },
  { workerProgram, modprobePath, buildahProgram = 'buildah' }: VirtualPrograms,
): Promise<RunningContainer> {
  const { container, folder, volumes, environment, logFile, program } = start
  const root = join(folder, 'rootfs')
  await prepareRoot(root, node.root, container, volumes)
  const host = ['--root', root, '--kernel-release', node.release, '--boot-id', node.bootId]
  const tools = ['--modprobe', modprobePath, '--architecture', node.architecture]
  const builder = program === 'builder' ? ['--buildah', buildahProgram] : []
  return startContainer({
    program: process.execPath,
    argv: [workerProgram, ...host, ...tools, ...builder, ...expandVariables(container.args ?? [], environment)],
    environment: { PATH: process.env['PATH'] ?? '', ...environment },
    root,
    logFile,
  })
}
