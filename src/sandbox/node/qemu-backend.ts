import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { HostPathVolumeSource } from 'kubernetes-types/core/v1.js'
import { hasCode, KmmError } from '../../errors/error.ts'
import { provideKernel } from '../qemu/kernels.ts'
import { type Machine, startMachine } from '../qemu/machine.ts'
import type { MachineOptions } from '../qemu/machine-options.ts'
import type { GuestPathKind } from '../qemu/requests.ts'
import type { NodeBackend, WorkerStart } from './backend.ts'
import type { RunningContainer } from './container-process.ts'
import { failCheck, type HostPathKind } from './host-path.ts'
import { MountFailure } from './mount-failure.ts'
import { podsFolder, startInMachine, workerOnNode } from './machine-container.ts'
import { startProcess, type VirtualPrograms } from './process-container.ts'

/** What all nodes with real kernels share. */
export interface MachineSettings
  extends Pick<MachineOptions, 'cache' | 'path' | 'agentProgram' | 'progress' | 'report' | 'signal'> {
  /** The bundle of the worker that ships. */
  workerProgram: string
  /** Ports of this computer's loopback that are reached on the guest's: those of registries. */
  forwardedPorts: readonly number[]
}

/** How the machine of one node differs from others. */
export type NodeMachineOptions = Partial<
  Pick<MachineOptions, 'kernelParameters' | 'firmware' | 'type' | 'devices' | 'memoryMb' | 'layers' | 'saved'>
>

/** Begins the name of a kernel that is to be a real one. */
const machinePrefix = 'qemu:'

/** The release of a kernel that is to be a real one, named like `qemu:6.1.0-56-amd64`; undefined for a virtual one. */
export function parseMachineKernel(kernel: string): string | undefined {
  return kernel.startsWith(machinePrefix) ? kernel.slice(machinePrefix.length) : undefined
}

/** Folders that the host of a real node has. */
const hostFolders = ['/var/lib/kubelet/device-plugins', '/var/lib/kubelet/plugins_registry']

const kinds: Readonly<Record<HostPathKind, GuestPathKind>> = {
  Directory: 'directory',
  File: 'file',
  Socket: 'socket',
  CharDevice: 'character device',
  BlockDevice: 'block device',
}

async function statOrNothing(machine: Machine, path: string): Promise<GuestPathKind | undefined> {
  try {
    return await machine.stat(path)
  } catch (error) {
    if (hasCode(error, 'NotFound')) return undefined
    throw error
  }
}

/** One node with a real kernel. */
export interface QemuNode {
  name: string
  release: string
  /** Its folder on this computer. */
  root: string
  /** What runs on this computer for it. */
  programs: VirtualPrograms
}

/**
 * A node whose kernel is a stock Debian one in a QEMU machine. Worker and sign containers run there. A build, which needs no
 * kernel of a certain release and is slow in an emulated machine, runs on this computer, beside the machine; of the node's
 * folders it sees /lib/modules alone, as the kernel's package has it.
 */
export class QemuBackend implements NodeBackend {
  readonly architecture = 'amd64'
  readonly #node: QemuNode
  readonly #settings: MachineSettings
  readonly #options: NodeMachineOptions
  readonly #stopped = new AbortController()
  #machine: Machine | undefined

  constructor(node: QemuNode, settings: MachineSettings, options: NodeMachineOptions = {}) {
    this.#node = node
    this.#settings = settings
    this.#options = options
  }

  get release(): string {
    return this.#machine?.release ?? this.#node.release
  }

  get bootId(): string {
    return this.#machine?.bootId ?? ''
  }

  /** The machine itself, once the node has been started. */
  get machine(): Machine {
    if (this.#machine !== undefined) return this.#machine
    throw new KmmError(`the machine of node ${this.#node.name} is not started`, { code: 'Unreachable' })
  }

  async start(): Promise<void> {
    const { workerProgram, forwardedPorts, signal: given, ...shared } = this.#settings
    const signal = given === undefined ? this.#stopped.signal : AbortSignal.any([given, this.#stopped.signal])
    const { name, release } = this.#node
    const own = { name, release, signal, saved: { key: 'node' } }
    this.#machine = await startMachine({ ...shared, ...own, ...this.#options })
    await this.machine.writeFile(workerOnNode, await readFile(workerProgram))
    for (const folder of hostFolders) await this.machine.makeFolder(folder)
    for (const port of forwardedPorts) await this.machine.forward(port)
    await this.machine.runChecked(['hostname', this.#node.name])
  }

  async stop(): Promise<void> {
    this.#stopped.abort()
    await this.#machine?.stop()
  }

  async reboot(release: string | undefined): Promise<void> {
    const next = release === undefined ? undefined : (parseMachineKernel(release) ?? release)
    await this.machine.reboot(next === undefined ? {} : { release: next })
    await this.machine.remove(podsFolder)
    await this.machine.runChecked(['hostname', this.#node.name])
  }

  async setUpHostPath({ path, type = '' }: HostPathVolumeSource): Promise<string> {
    const { machine } = this
    const before = await statOrNothing(machine, path)
    // A host path without a type is made as a directory by the runtime where it is missing.
    if (before === undefined && (type === 'DirectoryOrCreate' || type === '')) await machine.makeFolder(path)
    if (before === undefined && type === 'FileOrCreate') await machine.writeFile(path, '')
    const found = before ?? (await statOrNothing(machine, path))
    failCheck(path, type, (kind) => found === kinds[kind])
    return path
  }

  startWorker(start: WorkerStart): Promise<RunningContainer> {
    return start.program === 'builder' ? this.#startBuild(start) : startInMachine(this.machine, start)
  }

  async #startBuild(start: WorkerStart): Promise<RunningContainer> {
    const { release, bootId, architecture } = this
    const { root, programs } = this.#node
    const volumes = new Map(start.volumes)
    for (const { name, hostPath } of start.pod.spec?.volumes ?? [])
      if (hostPath !== undefined) volumes.set(name, await this.#findHere(hostPath.path))
    return startProcess({ ...start, volumes }, { root, release, bootId, architecture }, programs)
  }

  /** Where a folder of the node is on this computer. */
  async #findHere(path: string): Promise<string> {
    if (path !== '/lib/modules')
      throw new MountFailure(
        `a build runs beside the machine of its node: the sandbox has nothing but /lib/modules for it, not ${path}`,
      )
    const kernel = await provideKernel(this.release, this.#settings)
    return join(kernel.folder, 'lib/modules')
  }

  async removePod(uid: string): Promise<void> {
    if (this.#machine?.isOn) await this.#machine.remove(`${podsFolder}/${uid}`)
  }
}
