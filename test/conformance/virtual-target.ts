import { spawn } from 'node:child_process'
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import type { VirtualNode } from '../../src/sandbox/node/virtual-node.ts'
import { type AnySandbox, type Sandbox, type SandboxOptions, startSandbox } from '../../src/sandbox/sandbox.ts'
import { tally } from '../control-plane/tally.ts'
import { KillSwitch } from '../scenario/kill-switch.ts'
import { type OperatorPlace, startTestOperator } from '../scenario/test-operator.ts'
import { inTreeModules } from './kernel/in-tree-modules.ts'
import { trustedCertificate } from './kernel/images.ts'
import type {
  LoadedModule,
  NodeWish,
  OperatorWish,
  ProgramResult,
  Target,
  TargetNode,
  TargetOperator,
  TargetRegistry,
} from './target.ts'

const releases = ['6.1.0-56-amd64', '6.1.0-55-amd64']

/** Starts an operator that can be killed, in this process. */
export async function startTargetOperator(
  place: Omit<OperatorPlace, 'log'>,
  wish: OperatorWish = {},
): Promise<TargetOperator> {
  const log: string[] = []
  const killSwitch = new KillSwitch()
  const end = await startTestOperator({ ...place, log }, { ...wish, wrap: killSwitch.wrap })
  const kill = (): Promise<void> => {
    killSwitch.diedAt = 'a signal'
    return end()
  }
  return { log, kill, stop: end }
}

/** The sandbox's registry as scenarios use it. */
export function createTargetRegistry(registry: Sandbox['registry'], address = registry.address): TargetRegistry {
  let lift: (() => void) | undefined
  return {
    address,
    push: async ({ repository, tag, layers }) => {
      const { digest } = await registry.push({ repository, tag, layers: layers.map((entries) => ({ entries })) })
      return { image: `${address}/${repository}:${tag}`, digest }
    },
    tags: async (repository) => {
      const answer = await fetch(`${registry.url}/v2/${repository}/tags/list`)
      const { tags } = (await answer.json()) as { tags: string[] }
      return tags.toSorted()
    },
    lose: (repository, reference) => registry.lose(repository, reference),
    takeDown: () => {
      lift ??= registry.fail({ action: { do: 'reset' } })
    },
    bringBack: () => {
      lift?.()
      lift = undefined
    },
    get requestCount() {
      return registry.requests.length
    },
  }
}

const splitLines = (text: string): string[] => (text === '' ? [] : text.replace(/\n$/, '').split('\n'))

/** A virtual node as scenarios use it. */
class VirtualTargetNode implements TargetNode {
  readonly #node: VirtualNode
  readonly #modprobe: string

  constructor(node: VirtualNode, modprobe: string) {
    this.#node = node
    this.#modprobe = modprobe
  }

  get name(): string {
    return this.#node.name
  }

  release(): Promise<string> {
    return Promise.resolve(this.#node.kernel.release)
  }

  bootId(): Promise<string> {
    return Promise.resolve(this.#node.kernel.bootId)
  }

  loadedModules(names: readonly string[] = []): Promise<LoadedModule[]> {
    const all = this.#node.kernel.loadedModules()
    return Promise.resolve(all.filter(({ name, taint }) => taint.includes('O') || names.includes(name)))
  }

  dmesg(): Promise<string[]> {
    return Promise.resolve(this.#node.kernel.dmesg())
  }

  async writeFile(path: string, content: string | Uint8Array): Promise<void> {
    await mkdir(dirname(this.#path(path)), { recursive: true })
    await writeFile(this.#path(path), content)
  }

  async removeFile(path: string): Promise<void> {
    await rm(this.#path(path), { force: true })
  }

  async readFile(path: string): Promise<string | undefined> {
    try {
      return await readFile(this.#path(path), 'utf8')
    } catch (error) {
      if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined
      throw error
    }
  }

  modprobe(args: readonly string[]): Promise<ProgramResult> {
    const { root, kernel } = this.#node
    const child = spawn(this.#modprobe, args, { env: { KMM_NODE_ROOT: root, KMM_KERNEL_RELEASE: kernel.release } })
    const said = { stdout: '', stderr: '' }
    for (const name of ['stdout', 'stderr'] as const)
      child[name].setEncoding('utf8').on('data', (text: string) => {
        said[name] += text
      })
    return new Promise((resolve, reject) => {
      child.once('error', reject)
      child.once('close', (status) =>
        resolve({ status: status ?? -1, stdout: splitLines(said.stdout), stderr: splitLines(said.stderr) }),
      )
    })
  }

  hold(module: string): Promise<() => Promise<void>> {
    const { kernel } = this.#node
    kernel.setInUse(module, 1)
    const free = (): Promise<void> => Promise.resolve(kernel.setInUse(module, 0))
    return Promise.resolve(free)
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

  #path(path: string): string {
    return join(this.#node.root, path)
  }
}

async function openNode(sandbox: Sandbox, wish: NodeWish): Promise<TargetNode> {
  const {
    name,
    release = releases[0] ?? '',
    labels = {},
    inTree = [],
    enforcing = false,
    trusts = trustedCertificate(),
  } = wish
  const node = await sandbox.addNode({ name, kernel: release, labels })
  for (const module of inTree)
    for (const each of releases) node.kernel.addInTree(module, { ...inTreeModules[module], release: each })
  // As in machines, whose firmware has the certificate only where signatures are enforced.
  if (enforcing) node.kernel.trustCertificate(trusts)
  node.kernel.setEnforce(enforcing)
  return new VirtualTargetNode(node, join(sandbox.folder, 'modprobe'))
}

/** What of a target differs between sandboxes. */
type SandboxTargetOptions = Pick<Target, 'name' | 'releases' | 'patience' | 'openNode'>

/** A sandbox as a target; what its nodes are is the caller's affair. */
export function createSandboxTarget(sandbox: AnySandbox, options: SandboxTargetOptions): Target {
  const { kubeconfig, client, workerImage } = sandbox
  return {
    ...options,
    client,
    registry: createTargetRegistry(sandbox.registry),
    startOperator: (wish) => startTargetOperator({ kubeconfig, workerImage }, wish),
    loseWorkerImage: () => {
      const bringBack = sandbox.rules.add({ match: { image: `^${workerImage}$` }, behaviour: { do: 'imagePullError' } })
      return Promise.resolve(() => Promise.resolve(bringBack()))
    },
    stop: () => {
      if (sandbox.engine === 'kubernetes') tally(sandbox.controlPlane)
      return sandbox.stop()
    },
  }
}

/** Virtual nodes with virtual kernels, on the embedded API server unless the options say otherwise. */
export async function openVirtualTarget(name: string, options: SandboxOptions = {}): Promise<Target> {
  const sandbox = await startSandbox({ nodes: [], times: { restartBaseMs: 500 }, ...options })
  const patience = options.engine === 'kubernetes' ? 4 : 1
  return createSandboxTarget(sandbox, { name, releases, patience, openNode: (wish) => openNode(sandbox, wish) })
}
