import type { Pod } from 'kubernetes-types/core/v1.js'
import type { Module } from '../../../src/api/module.ts'
import type { ImageStatus } from '../../../src/api/module-images-config.ts'
import type { NodeModulesConfig, WorkerStatus } from '../../../src/api/node-modules-config.ts'
import { namespaces } from '../../../src/kube/core-resources.ts'
import type { LayerEntry } from '../../../src/sandbox/registry/types.ts'
import { demoModule } from '../../scenario/cluster.ts'
import { moduleResource, type View } from '../../scenario/view.ts'
import type { LoadedModule, NodeWish, Target, TargetNode } from '../target.ts'
import { exampleLayer } from './images.ts'
import { Jobs } from './jobs.ts'
import type { Scenario } from './scenario.ts'
import type { Stage } from './stage.ts'
import { Words } from './words.ts'

type Spec = NonNullable<Module['spec']>
type Container = NonNullable<Spec['moduleLoader']>['container']
/** What else a Module of a scenario has: parts of its spec, and of its metadata. */
type Rest = Partial<Spec> & Pick<Partial<Module['metadata']>, 'name' | 'annotations'>

const pauseMs = 10

/** One scenario on a stage: its namespace, its Module `demo`, its nodes, and all that is told of them. */
export class Story {
  readonly stage: Stage
  /** The name of the namespace. */
  readonly name: string
  readonly words: Words
  /** The pods that build and sign its images. */
  readonly jobs: Jobs
  /** The labels of its nodes. */
  readonly selector: Readonly<Record<string, string>>
  readonly #nodes: TargetNode[] = []
  #nodesAsked = 0

  private constructor(stage: Stage, { name }: Scenario) {
    this.stage = stage
    this.name = `kernel-${name}`
    this.words = new Words(this.name)
    this.words.replace(stage.target.registry.address, 'REGISTRY')
    this.jobs = new Jobs(this.name)
    this.selector = { 'scenario.example/name': this.name }
  }

  static async open(stage: Stage, scenario: Scenario): Promise<Story> {
    const story = new Story(stage, scenario)
    story.words.listen(stage.view)
    story.jobs.listen(stage.view)
    const labels = { 'pod-security.kubernetes.io/enforce': 'privileged' }
    await stage.target.client.create(namespaces, { metadata: { name: story.name, labels } })
    return story
  }

  get target(): Target {
    return this.stage.target
  }

  get view(): View {
    return this.stage.view
  }

  /** The release that nodes run unless they are asked for another one. */
  get release(): string {
    return this.target.releases[0] ?? ''
  }

  /** The other one that they can boot. */
  get otherRelease(): string {
    return this.target.releases[1] ?? ''
  }

  get module(): Module | undefined {
    return this.view.modules.get({ namespace: this.name, name: 'demo' })
  }

  /** The pods in its namespace. */
  get pods(): readonly Pod[] {
    return this.view.pods.list().filter(({ metadata }) => metadata?.namespace === this.name)
  }

  /** What is known of its images. */
  get images(): readonly ImageStatus[] {
    return this.view.images.get(this.#key)?.status?.images ?? []
  }

  condition(type: string, name = 'demo') {
    const module = this.view.modules.get({ namespace: this.name, name })
    return module?.status?.conditions?.find((condition) => condition.type === type)
  }

  /** A node that the Module selects. */
  async openNode(wish: Partial<NodeWish> = {}): Promise<TargetNode> {
    const index = this.#nodesAsked++
    const labels = { ...this.selector, ...wish.labels }
    const node = await this.target.openNode({ name: `${this.name}-n${index}`, ...wish, labels })
    this.words.replace(node.name, `NODE${index}`)
    this.#nodes.push(node)
    return node
  }

  /** Pushes an image; a tag is pushed anew by pushing it again. */
  async push(tag: string, ...layers: (readonly LayerEntry[])[]): Promise<string> {
    return (await this.target.registry.push({ repository: this.name, tag, layers })).image
  }

  /** The image with kmm_demo and what belongs to it, for the usual kernel. */
  async pushDemo(tag = '1', folder = 'prebuilt'): Promise<string> {
    return this.push(tag, await exampleLayer(folder, this.release))
  }

  /** The image with the other modules, whose `host` leads to the node's own. */
  async pushMore(): Promise<string> {
    return this.push('more', await exampleLayer('prebuilt-more', this.release))
  }

  /** Creates the Module: kmm_demo from the image on every kernel, unless the container or the rest says otherwise. */
  async create(image: string, container: Partial<Container> = {}, rest: Rest = {}): Promise<void> {
    const { name = 'demo', annotations = {}, ...more } = rest
    const module = demoModule(image, ({ metadata, spec }) => {
      Object.assign(metadata, { namespace: this.name, name, annotations })
      if (spec) Object.assign(spec, { selector: { ...this.selector } }, more)
      if (spec?.moduleLoader) Object.assign(spec.moduleLoader.container, container)
    })
    await this.target.client.create(moduleResource, module)
  }

  async patchContainer(container: unknown): Promise<void> {
    const body = { spec: { moduleLoader: { container } } }
    await this.target.client.patch(moduleResource, this.#key, { type: 'merge', body })
  }

  /** Has all images looked at anew, and made where they are missing. */
  async trigger(generation: number): Promise<void> {
    const body = { spec: { imageRebuildTriggerGeneration: generation } }
    await this.target.client.patch(moduleResource, this.#key, { type: 'merge', body })
  }

  async deleteModule(name = 'demo'): Promise<void> {
    await this.target.client.delete(moduleResource, { namespace: this.name, name })
  }

  /** Resolves when `holds` does. Fails with everything that is known of the scenario. */
  async until(what: string, holds: () => unknown, timeoutMs = 40_000): Promise<void> {
    const limitMs = timeoutMs * this.target.patience
    const started = Date.now()
    while (!(await holds())) {
      if (Date.now() - started > limitMs)
        throw new Error(`not within ${limitMs / 1000} s: ${what}\n${await this.#describe()}`)
      await new Promise((resolve) => setTimeout(resolve, pauseMs * this.target.patience))
    }
  }

  /** The Module is loaded on all nodes that want it, and nothing is said against it. */
  async untilReady(): Promise<void> {
    const isReady = (): boolean => {
      const ready = this.condition('Ready')
      return ready?.status === 'True' && ready.observedGeneration === this.module?.metadata.generation
    }
    const isQuiet = (): boolean => this.#nodes.every((node) => !this.worker(node)) && !this.module?.status?.reasons
    await this.until(
      'the Module is ready',
      () => isReady() && isQuiet() && this.#nodes.every((n) => this.isLabelled(n)),
    )
  }

  /** The worker on the node failed with the reason, at least so often, and the Module tells it. Answers its message. */
  async untilFailed(node: TargetNode, reason: string, attempts = 1): Promise<string> {
    const isTried = (): boolean => {
      const worker = this.worker(node)
      return worker?.reason === reason && worker.attempt >= attempts
    }
    await this.until(`${reason} on the node, attempt ${attempts}`, isTried)
    const isTold = (): boolean => this.module?.status?.worstNodes?.some((worst) => worst.reason === reason) ?? false
    await this.until(`${reason} on the Module`, isTold)
    return this.worker(node)?.message ?? ''
  }

  /**
   * The worker that has failed with the reason has done so once more, just now: its next try is a while off, and what is done
   * on the node meanwhile comes between two tries, and not into one.
   */
  async untilFailedAgain(node: TargetNode, reason: string): Promise<string> {
    return this.untilFailed(node, reason, (this.worker(node)?.attempt ?? 0) + 1)
  }

  /** The pods that built and signed are gone. */
  async untilCollected(): Promise<void> {
    await this.until('no pod that builds or signs', () => this.jobs.areGone)
  }

  async untilGone(): Promise<void> {
    await this.until('the Module is gone', () => this.module === undefined)
  }

  nmc(node: TargetNode): NodeModulesConfig | undefined {
    return this.view.configs.get({ name: node.name })
  }

  /** What the node's NodeModulesConfig says of the last worker. */
  worker(node: TargetNode): WorkerStatus | undefined {
    return this.nmc(node)?.status?.workers?.find(({ namespace }) => namespace === this.name)
  }

  /** The node has the label that says that the Module's modules are loaded. */
  isLabelled(node: TargetNode): boolean {
    const labels = this.view.nodes.get({ name: node.name })?.metadata?.labels
    return labels?.[`kmm.node.kubernetes.io/${this.name}.demo.ready`] === ''
  }

  /** Resolves when the node's kernel has this module and `holds` of it. */
  async untilLoaded(
    node: TargetNode,
    name: string,
    holds: (module: LoadedModule) => boolean = () => true,
  ): Promise<LoadedModule> {
    let found: LoadedModule | undefined
    const look = async (): Promise<boolean> => {
      found = (await node.loadedModules([name])).find((each) => each.name === name)
      return found !== undefined && holds(found)
    }
    await this.until(`${name} in the kernel of ${node.name}`, look)
    return found ?? { name, srcversion: '', taint: '', refcnt: 0, holders: [], parameters: {} }
  }

  /** Takes the Module away if it is still there, and gives the nodes back. */
  async close(): Promise<void> {
    if (this.module !== undefined) await this.deleteModule().catch(() => undefined)
    for (const node of this.#nodes) await node.close()
  }

  get #key(): { namespace: string; name: string } {
    return { namespace: this.name, name: 'demo' }
  }

  async #describe(): Promise<string> {
    const kernels = await Promise.all(
      this.#nodes.map(async (node) => [node.name, await node.loadedModules(), (await node.dmesg()).slice(-5)]),
    )
    const parts = {
      module: [this.module?.metadata.finalizers, this.module?.status],
      images: this.view.images.get(this.#key)?.status,
      nodes: this.#nodes.map((node) => [this.nmc(node)?.spec, this.nmc(node)?.status]),
      pods: this.pods.map(({ metadata, status }) => [metadata?.name, status?.phase, status?.containerStatuses]),
      kernels,
      told: this.words.toJson(),
      log: this.stage.log.filter((line) => line.includes(this.name)).slice(-10),
    }
    return Object.entries(parts)
      .map(([what, value]) => `${what}: ${JSON.stringify(value)}`)
      .join('\n')
  }
}
