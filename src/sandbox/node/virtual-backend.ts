import { existsSync, statSync } from 'node:fs'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { HostPathVolumeSource } from 'kubernetes-types/core/v1.js'
import { VirtualKernel, type VirtualKernelOptions } from '../kernel/virtual-kernel.ts'
import type { NodeBackend, WorkerStart } from './backend.ts'
import { prepareRoot, type RunningContainer, startContainer } from './container-process.ts'
import { failCheck, type HostPathKind } from './host-path.ts'
import { pathOnNode } from './volumes.ts'

/** The programs that stand for a worker image on virtual nodes. */
export interface VirtualPrograms {
  /** Path of the worker's bundle for sandboxes. */
  workerProgram: string
  /** Path of the executable that stands for modprobe. */
  modprobePath: string
}

/** Folders that the host of a real node has. */
const hostFolders = ['lib/firmware', 'var/lib/kubelet/device-plugins', 'var/lib/kubelet/plugins_registry', 'etc', 'dev']

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

  async startWorker(start: WorkerStart): Promise<RunningContainer> {
    const { container, folder, volumes, environment, logFile } = start
    const { workerProgram, modprobePath } = this.#programs
    const root = join(folder, 'rootfs')
    await prepareRoot(root, this.#root, container, volumes)
    const host = ['--root', root, '--kernel-release', this.release, '--boot-id', this.bootId]
    const tools = ['--modprobe', modprobePath, '--architecture', this.architecture]
    return startContainer({
      program: process.execPath,
      argv: [workerProgram, ...host, ...tools, ...(container.args ?? [])],
      environment: { PATH: process.env['PATH'] ?? '', ...environment },
      root,
      logFile,
    })
  }

  removePod(): Promise<void> {
    return Promise.resolve()
  }
}
