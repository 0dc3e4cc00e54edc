import { homedir } from 'node:os'
import type { Pod } from 'kubernetes-types/core/v1.js'
import { KmmError } from '../../../src/errors/error.ts'
import type { KubeClient } from '../../../src/kube/client.ts'
import type { BuiltImage } from '../../../src/oci/image-builder.ts'
import { pushImage } from '../../../src/oci/push.ts'
import { parseReference } from '../../../src/oci/reference.ts'
import { createRegistry } from '../../../src/oci/registry.ts'
import { findBinaries } from '../../../src/sandbox/kubernetes/binaries.ts'
import { type KubernetesSandbox, startSandbox } from '../../../src/sandbox/sandbox.ts'
import type { NodeWish, OperatorWish, Target, TargetOperator, TargetRegistry } from '../../conformance/target.ts'
import { createTargetRegistry, startTargetOperator } from '../../conformance/virtual-target.ts'
import { createView, startView, stopView, type View } from '../../scenario/view.ts'
import { testMachines } from '../machines.ts'
import { tally } from '../tally.ts'
import { provideWorkerImage } from './images.ts'
import { type KubeletNode, type KubeletNodeOptions, startKubeletNode } from './kubelet-node.ts'

/** More than a boot takes on a busy computer, so that a fast reboot stays unnoticed; the default of Kubernetes is 50 s. */
const nodeGraceMs = 50_000

const workerRepository = 'kmm-worker'
const workerTag = 'test'

/** True for a pod of which a kubelet has started a container. */
const hasRun = ({ status }: Pod): boolean =>
  status?.containerStatuses?.some(({ containerID = '' }) => containerID.startsWith('containerd://')) ?? false

async function pushBuilt(name: string, image: BuiltImage): Promise<string> {
  const registry = createRegistry({ settings: {}, tls: { insecure: true, insecureSkipTLSVerify: false } })
  try {
    await pushImage(registry, parseReference(name), image)
    return name
  } finally {
    await registry.close()
  }
}

/** A real control plane and nodes with real kubelets and kernels, whose workers are pods of the shipped worker image. */
export class KubeletCluster implements Target {
  readonly name = 'kubelets with real kernels on a real control plane'
  readonly releases = ['6.1.0-56-amd64', '6.1.0-55-amd64']
  readonly patience = 5
  readonly sandbox: KubernetesSandbox
  readonly registry: TargetRegistry
  readonly view: View
  /** Every pod of which a kubelet has started a container, as it was seen last, by uid. */
  readonly podsRun = new Map<string, Pod>()
  readonly #worker: BuiltImage
  #workerImage = ''
  #nodes: KubeletNode[] = []

  private constructor(sandbox: KubernetesSandbox, worker: BuiltImage) {
    this.sandbox = sandbox
    this.registry = createTargetRegistry(sandbox.registry)
    this.view = createView(sandbox.client)
    this.#worker = worker
    this.view.pods.onChange(({ after }) => {
      if (after && hasRun(after)) this.#notePod(after)
    })
  }

  /** Puts an image into the registry; answers its name. */
  pushBuilt(name: string, image: BuiltImage): Promise<string> {
    return pushBuilt(`${this.registry.address}/${name}`, image)
  }

  /** Starts a control plane and a registry with the worker image; there are no nodes yet. */
  static async start(): Promise<KubeletCluster> {
    const { progress: tell = () => undefined } = testMachines()
    const binaries = await findBinaries({ environment: process.env, home: homedir(), root: '.', tell })
    const worker = await provideWorkerImage(testMachines())
    const sandbox = await startSandbox({ engine: 'kubernetes', binaries, nodeGraceMs })
    const cluster = new KubeletCluster(sandbox, worker)
    try {
      tally({ what: 'kubernetes', version: sandbox.version })
      cluster.#workerImage = await pushBuilt(`${sandbox.registry.address}/${workerRepository}:${workerTag}`, worker)
      await startView(cluster.view)
      return cluster
    } catch (error) {
      await cluster.stop()
      throw error
    }
  }

  get client(): KubeClient {
    return this.sandbox.client
  }

  /** What worker pods run, as nodes pull it. */
  get workerImage(): string {
    return this.#workerImage
  }

  async openNode(wish: NodeWish & Pick<KubeletNodeOptions, 'images' | 'firmware'>): Promise<KubeletNode> {
    const { name, release = '', labels, enforcing = false, ...parts } = wish
    if (enforcing) throw new KmmError('no node with a kubelet enforces signatures', { code: 'Internal' })
    const node = await startKubeletNode({
      controlPlane: this.sandbox.controlPlane,
      client: this.client,
      name,
      release: release || (this.releases[0] ?? ''),
      registry: this.registry.address,
      ...parts,
    })
    this.#nodes.push(node)
    if (labels !== undefined) await node.label(labels)
    return node
  }

  startOperator(wish: OperatorWish & { workerImage?: string } = {}): Promise<TargetOperator> {
    const { workerImage = this.#workerImage, ...rest } = wish
    return startTargetOperator({ kubeconfig: this.sandbox.kubeconfig, workerImage }, rest)
  }

  /** Puts the worker image into the registry under another name and tag. */
  async pushWorkerAs(name: string): Promise<void> {
    await pushBuilt(`${this.registry.address}/${name}`, this.#worker)
  }

  async loseWorkerImage(): Promise<() => Promise<void>> {
    const { registry } = this.sandbox
    registry.lose(workerRepository, workerTag)
    registry.lose(workerRepository, this.#worker.digest)
    const remove = ['ctr', '--namespace', 'k8s.io', 'images', 'rm', '--sync', this.#workerImage]
    const running = this.#nodes.filter(({ machine }) => machine.isOn)
    await Promise.all(running.map(({ machine }) => machine.run(remove)))
    return async () => {
      await pushBuilt(this.#workerImage, this.#worker)
    }
  }

  /** Resolves when `holds` does. Fails with the state of everything, and the last words of the nodes. */
  async until(what: string, holds: () => unknown, timeoutMs = 180_000): Promise<void> {
    const started = Date.now()
    while (!(await holds())) {
      if (Date.now() - started > timeoutMs)
        throw new Error(`not within ${timeoutMs / 1_000} s: ${what}\n${await this.#describe()}`)
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
  }

  async stop(): Promise<void> {
    await stopView(this.view)
    await Promise.all(this.#nodes.map(({ machine }) => machine.stop()))
    await this.sandbox.stop()
  }

  #notePod(pod: Pod): void {
    const { uid = '', name = '', namespace = '' } = pod.metadata ?? {}
    const kubelet = this.view.nodes.get({ name: pod.spec?.nodeName ?? '' })?.status?.nodeInfo?.kubeletVersion
    if (!this.podsRun.has(uid) && kubelet !== undefined)
      tally({ what: 'podOfKubelet', kubelet, name: `${namespace}/${name}` })
    this.podsRun.set(uid, pod)
  }

  async #describe(): Promise<string> {
    const { modules, configs, pods } = this.view
    const show = (what: string, value: unknown): string => `${what}: ${JSON.stringify(value)}`
    const running = this.#nodes.filter(({ machine }) => machine.isOn)
    return [
      ...modules.list().map(({ metadata, status }) => show(`Module ${metadata.name}`, status)),
      ...configs.list().map(({ metadata, spec, status }) => show(`node ${metadata.name}`, [spec, status])),
      ...pods.list().map(({ metadata, status }) => show(`pod ${metadata?.name}`, status)),
      ...(await Promise.all(running.map((node) => node.describe(8)))),
    ].join('\n')
  }
}
