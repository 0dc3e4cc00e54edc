import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Node } from 'kubernetes-types/core/v1.js'
import { hasCode } from '../../../src/errors/error.ts'
import type { KubeClient } from '../../../src/kube/client.ts'
import { nodes } from '../../../src/kube/core-resources.ts'
import type { ControlPlane } from '../../../src/sandbox/kubernetes/control-plane.ts'
import { buildBinaries, readSources } from '../../../src/sandbox/kubernetes/build.ts'
import { findFreePort } from '../../../src/sandbox/kubernetes/free-port.ts'
import type { MachineFirmware } from '../../../src/sandbox/qemu/machine-options.ts'
import { type Machine, startMachine } from '../../../src/sandbox/qemu/machine.ts'
import { MachineTargetNode } from '../machine-target-node.ts'
import { testMachines } from '../machines.ts'
import { type NodeImage, provideNodeLayer } from './guest-layer.ts'
import { argumentsFile, buildNodeFiles } from './node-files.ts'
import { rehearse } from './rehearse.ts'

/** What a node with a real kubelet is to be. */
export interface KubeletNodeOptions {
  controlPlane: ControlPlane
  /** An administrator's. */
  client: KubeClient
  name: string
  /** The stock Debian kernel that it boots. */
  release: string
  /** `127.0.0.1:port`. */
  registry: string
  /** What it has besides the worker's base and the image of pods' own containers. */
  images?: readonly NodeImage[]
  /** Boots by EFI, such as under Secure Boot. */
  firmware?: MachineFirmware
}

/** So much that no page has to be given up: Debian's 6.1.0-55 fails when ext4's own index pages were (mballoc.c). */
const memoryMb = 1_536
const dataMb = 4_096
const readyMs = 300_000
const awayMs = 300_000
const pollMs = 200
const bootIdFile = '/proc/sys/kernel/random/boot_id'

/** The kubelet of this package's Go module, built if need be: one that is installed somewhere may be of another version. */
async function provideKubelet(cache: string, tell: (line: string) => void): Promise<string> {
  const sources = await readSources('test/cluster')
  await buildBinaries({ sources, cache, environment: process.env, tell })
  return join(cache, 'kubernetes', sources.version, 'bin', 'kubelet')
}

const isReady = (node: Node): boolean =>
  node.status?.conditions?.some(({ type, status }) => type === 'Ready' && status === 'True') ?? false

/** A node of a real control plane: kubelet and containerd in a QEMU machine with a stock Debian kernel. */
export class KubeletNode extends MachineTargetNode {
  readonly name: string
  readonly machine: Machine
  readonly #options: KubeletNodeOptions

  /** Use `startKubeletNode`. */
  constructor(machine: Machine, options: KubeletNodeOptions) {
    super()
    this.name = options.name
    this.machine = machine
    this.#options = options
  }

  async reboot({ kernel, downMs = 0 }: { kernel?: string; downMs?: number } = {}): Promise<void> {
    await this.machine.powerOff()
    if (downMs > 0) {
      await sleep(downMs)
      await this.#waitForNode('not Ready', awayMs, (node) => !isReady(node))
    }
    await this.machine.powerOn(kernel)
    await this.untilReady()
  }

  /** Resolves when its Node is Ready as of the boot that the machine is in. */
  async untilReady(): Promise<void> {
    const bootId = await this.bootId()
    await this.#waitForNode('Ready', readyMs, (node) => isReady(node) && node.status?.nodeInfo?.bootID === bootId)
  }

  async label(labels: Readonly<Record<string, string | null>>): Promise<void> {
    const patch = { type: 'merge' as const, body: { metadata: { labels } } }
    await this.#options.client.patch(nodes, { name: this.name }, patch)
  }

  /** The last lines of what its kubelet and containerd have logged. */
  async describe(lines = 20): Promise<string> {
    const { stdout } = await this.machine.run(['tail', '-n', String(lines), '/run/kubelet.log', '/run/containerd.log'])
    return stdout.toString()
  }

  /** Ends the machine and removes its Node. */
  async close(): Promise<void> {
    await this.machine.stop()
    await this.#options.client.delete(nodes, { name: this.name }).catch((error: unknown) => {
      if (!hasCode(error, 'NotFound')) throw error
    })
  }

  /** Makes the machine this node and starts its kubelet. */
  async join(port: number): Promise<void> {
    // Containers have a /proc of their own, and so would know another boot than the kubelet.
    await this.machine.run(['umount', bootIdFile])
    const { controlPlane, registry } = this.#options
    const files = buildNodeFiles({
      name: this.name,
      credentials: controlPlane.kubeletCredentials(this.name),
      port,
      registryPort: Number(registry.split(':')[1]),
      leaseSeconds: Math.ceil(controlPlane.nodeGraceMs / 1_000),
    })
    await this.machine.runChecked(['hostname', this.name])
    const { [argumentsFile]: last = '', ...others } = files
    await Promise.all(Object.entries(others).map(([path, text]) => this.machine.writeFile(path, text, 0o600)))
    await this.machine.writeFile(argumentsFile, last)
    await this.untilReady()
  }

  async #waitForNode(what: string, timeoutMs: number, holds: (node: Node) => boolean): Promise<void> {
    const started = Date.now()
    for (;;) {
      const node = await this.#options.client.get(nodes, { name: this.name }).catch((error: unknown) => {
        if (!hasCode(error, 'NotFound')) throw error
      })
      if (node && holds(node)) return
      if (Date.now() - started > timeoutMs) {
        const last = this.machine.isOn ? await this.describe() : 'it is off'
        throw new Error(
          `node ${this.name} not ${what} within ${timeoutMs / 1_000} s: ${JSON.stringify(node?.status)}\n${last}`,
        )
      }
      await sleep(pollMs)
    }
  }
}

/** Starts a node with a real kubelet and waits until it is Ready. */
export async function startKubeletNode(options: KubeletNodeOptions): Promise<KubeletNode> {
  const { name, release, images = [], firmware } = options
  const machines = testMachines()
  const kubelet = await provideKubelet(machines.cache, machines.progress ?? (() => undefined))
  const layer = await provideNodeLayer(kubelet, images, machines)
  const port = await findFreePort()
  const machine = await startMachine({
    ...machines,
    name,
    release,
    agentProgram: 'dist/guest-agent.js',
    memoryMb,
    dataMb,
    layers: [layer],
    hostForwards: [{ host: port, guest: port }],
    saved: { key: 'kubelet-3', prepare: rehearse },
    ...(firmware && { firmware }),
  })
  const node = new KubeletNode(machine, options)
  try {
    await node.join(port)
    return node
  } catch (error) {
    await machine.stop()
    throw error
  }
}
