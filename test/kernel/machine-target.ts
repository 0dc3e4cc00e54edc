import type { VirtualNode } from '../../src/sandbox/node/virtual-node.ts'
import type { Machine } from '../../src/sandbox/qemu/machine.ts'
import { trustOnly } from '../../src/sandbox/qemu/secure-boot/firmware.ts'
import { type Sandbox, type SandboxOptions, startSandbox } from '../../src/sandbox/sandbox.ts'
import { trustedCertificate } from '../conformance/kernel/images.ts'
import type { NodeWish, Target, TargetNode } from '../conformance/target.ts'
import { createSandboxTarget } from '../conformance/virtual-target.ts'
import { MachineTargetNode } from './machine-target-node.ts'
import { testMachines } from './machines.ts'

const releases = ['6.1.0-56-amd64', '6.1.0-55-amd64']

/** A node of the sandbox with a real kernel. */
class SandboxMachineNode extends MachineTargetNode {
  readonly #node: VirtualNode

  constructor(node: VirtualNode) {
    super()
    this.#node = node
  }

  get name(): string {
    return this.#node.name
  }

  get machine(): Machine {
    return this.#node.machine
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
}

async function openNode(sandbox: Sandbox, wish: NodeWish): Promise<TargetNode> {
  const { name, release = releases[0] ?? '', labels = {}, enforcing = false, trusts = trustedCertificate() } = wish
  const machine = enforcing ? { machine: { firmware: trustOnly(trusts) } } : {}
  return new SandboxMachineNode(await sandbox.addNode({ name, kernel: `qemu:${release}`, labels, ...machine }))
}

/** Nodes with stock Debian kernels, on the embedded API server unless the options say otherwise. */
export async function openMachineTarget(name: string, options: SandboxOptions = {}): Promise<Target> {
  const times = { restartBaseMs: 2_000 }
  const sandbox = await startSandbox({ nodes: [], machines: testMachines(), times, ...options })
  return createSandboxTarget(sandbox, { name, releases, patience: 6, openNode: (wish) => openNode(sandbox, wish) })
}
