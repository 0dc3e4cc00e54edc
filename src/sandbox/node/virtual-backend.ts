import { existsSync, statSync } from 'node:fs'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { HostPathVolumeSource } from 'kubernetes-types/core/v1.js'
import { VirtualKernel, type VirtualKernelOptions } from '../kernel/virtual-kernel.ts'
import type { NodeBackend, WorkerStart } from './backend.ts'
import type { RunningContainer } from './container-process.ts'
import { failCheck, type HostPathKind } from './host-path.ts'
import { startProcess, type VirtualPrograms } from './process-container.ts'
import { pathOnNode } from './volumes.ts'

/** Folders that the host of a real node has. */
const kubeletFolders = ['var/lib/kubelet/device-plugins', 'var/lib/kubelet/plugins_registry']
const hostFolders = ['lib/firmware', 'lib/modules', ...kubeletFolders, 'etc', 'dev']

const kindChecks: Readonly<Record<HostPathKind, (path: string) => boolean>> = {
  Directory: (path) => statSync(path).isDirectory(),
  File: (path) => statSync(path).isFile(),
  Socket: (path) => statSync(path).isSocket(),
  CharDevice: (path) => statSync(path).isCharacterDevice(),
  BlockDevice: (path) => statSync(path).isBlockDevice(),
}

/** A node that is a folder: its kernel is virtual, its containers are processes of this computer. */
export class VirtualBackend implements NodeBackend {
  readonly kernel: VirtualKernel
  readonly #root: string
  readonly #programs: VirtualPrograms

  constructor(kernel: VirtualKernelOptions, programs: VirtualPrograms) {
    this.kernel = new VirtualKernel(kernel)
    this.#root = kernel.nodeRoot
    this.#programs = programs
  }

  get release(): string {
    return this.kernel.release
  }

  get bootId(): string {
    return this.kernel.bootId
  }

  get architecture(): string {
    return this.kernel.architecture
  }

  async start(): Promise<void> {
    for (const folder of hostFolders) await mkdir(join(this.#root, folder), { recursive: true })
  }

  stop(): Promise<void> {
    return Promise.resolve()
  }

  reboot(release: string | undefined): Promise<void> {
    this.kernel.reboot(release)
    return Promise.resolve()
  }

  async setUpHostPath({ path, type = '' }: HostPathVolumeSource): Promise<string> {
    const real = pathOnNode(this.#root, path)
    // A host path without a type is made as a directory by the runtime where it is missing.
    if (type === 'DirectoryOrCreate' || (type === '' && !existsSync(real))) await mkdir(real, { recursive: true })
    if (type === 'FileOrCreate' && !existsSync(real)) await writeFile(real, '')
    failCheck(path, type, (kind) => existsSync(real) && kindChecks[kind](real))
    return real
  }

  startWorker(start: WorkerStart): Promise<RunningContainer> {
    const { release, bootId, architecture } = this
    return startProcess(start, { root: this.#root, release, bootId, architecture }, this.#programs)
  }

  removePod(): Promise<void> {
    return Promise.resolve()
  }
}
