import type { VirtualNode } from '../../src/sandbox/node/virtual-node.ts'
import type { Machine } from '../../src/sandbox/qemu/machine.ts'
import { trustOnly } from '../../src/sandbox/qemu/secure-boot/firmware.ts'
import { type Sandbox, type SandboxOptions, startSandbox } from '../../src/sandbox/sandbox.ts'
import { hasCode } from '../../src/errors/error.ts'
import { trustedCertificate } from '../conformance/kernel/images.ts'
import type { LoadedModule, NodeWish, ProgramResult, Target, TargetNode } from '../conformance/target.ts'
import { createSandboxTarget } from '../conformance/virtual-target.ts'
import { testMachines } from './machines.ts'

const releases = ['6.1.0-56-amd64', '6.1.0-55-amd64']

const splitLines = (bytes: Buffer): string[] => {
  const text = bytes.toString()
  return text === '' ? [] : text.replace(/\n$/, '').split('\n')
}

/** Opens a device and says so before it waits. */
const holdScript = 'exec 3< "$0"; echo held; exec sleep 86400'

/** A node with a real kernel as scenarios use it. */
class MachineTargetNode implements TargetNode {
  readonly #node: VirtualNode

  constructor(node: VirtualNode) {
    this.#node = node
  }

  get name(): string {
    return this.#node.name
  }

  async release(): Promise<string> {
    return (await this.#machine.runChecked(['uname', '-r'])).trim()
  }

  async bootId(): Promise<string> {
    return (await this.#machine.readFile('/proc/sys/kernel/random/boot_id')).toString().trim()
  }

  async loadedModules(names: readonly string[] = []): Promise<LoadedModule[]> {
    const found = await this.#machine.modules(names)
    return found.map(({ name, srcversion, taint, refcnt, holders, parameters }) => ({
      name,
      srcversion,
      taint,
      refcnt,
      holders,
      parameters,
    }))
  }

  dmesg(): Promise<string[]> {
    return this.#machine.dmesg()
  }

  writeFile(path: string, content: string | Uint8Array): Promise<void> {
    return this.#machine.writeFile(path, Buffer.from(content))
  }

  removeFile(path: string): Promise<void> {
    return this.#machine.remove(path)
  }

  async readFile(path: string): Promise<string | undefined> {
    try {
      return (await this.#machine.readFile(path)).toString()
    } catch (error) {
      if (hasCode(error, 'NotFound')) return undefined
      throw error
    }
  }

  async modprobe(args: readonly string[]): Promise<ProgramResult> {
    const { exitCode, stdout, stderr } = await this.#machine.run(['modprobe', ...args])
    return { status: exitCode, stdout: splitLines(stdout), stderr: splitLines(stderr) }
  }

  async hold(module: string): Promise<() => Promise<void>> {
    const holding = this.#machine.start(['sh', '-c', holdScript, `/dev/${module}`])
    holding.end()
    const said = await new Promise<string>((resolve) => {
      holding.output.once('data', (bytes: Buffer) => resolve(bytes.toString()))
      holding.errorOutput.once('data', (bytes: Buffer) => resolve(bytes.toString()))
    })
    if (said !== 'held\n') throw new Error(`${module} cannot be held: ${said}`)
    return async () => {
      holding.signal('SIGKILL')
      await holding.answer
    }
  }

  reboot(options: { kernel?: string; downMs?: number } = {}): Promise<void> {
    return this.#node.reboot(options)
  }

  label(labels: Readonly<Record<string, string | null>>): Promise<void> {
    return this.#node.label(labels)
  }

  close(): Promise<void> {
    return this.#node.delete()
  }

  get #machine(): Machine {
    return this.#node.machine
  }
}

async function openNode(sandbox: Sandbox, wish: NodeWish): Promise<TargetNode> {
  const { name, release = releases[0] ?? '', labels = {}, enforcing = false } = wish
  const machine = enforcing ? { machine: { firmware: trustOnly(trustedCertificate()) } } : {}
  return new MachineTargetNode(await sandbox.addNode({ name, kernel: `qemu:${release}`, labels, ...machine }))
}

/** Nodes with stock Debian kernels, on the embedded API server unless the options say otherwise. */
export async function openMachineTarget(name: string, options: SandboxOptions = {}): Promise<Target> {
  const times = { restartBaseMs: 2_000 }
  const sandbox = await startSandbox({ nodes: [], machines: testMachines(), times, ...options })
  return createSandboxTarget(sandbox, { name, releases, patience: 6, openNode: (wish) => openNode(sandbox, wish) })
}
