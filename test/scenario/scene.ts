import type { Module } from '../../src/api/module.ts'
import type { WorkerStatus } from '../../src/api/node-modules-config.ts'
import { parseWorkerReport, type WorkerReport } from '../../src/api/worker-report.ts'
import type { Change } from '../../src/kube/cache.ts'
import { namespaces } from '../../src/kube/core-resources.ts'
import type { ImageFile } from '../../src/oci/image-builder.ts'
import type { VirtualKernel } from '../../src/sandbox/kernel/virtual-kernel.ts'
import type { NodeOptions, VirtualNode } from '../../src/sandbox/node/virtual-node.ts'
import type { LayerEntry, PushedImage } from '../../src/sandbox/registry/types.ts'
import { patience } from './engine.ts'
import { type Cluster, demoModule, exampleFiles, kernel56, moduleResource, nmcResource } from './cluster.ts'

/** How a scene differs from a node with the usual kernel, in a namespace that allows everything. */
export interface SceneOptions {
  node?: Partial<NodeOptions>
  namespaceLabels?: Record<string, string>
  /** First part of the images' repository; a registry with users may let anybody read one and not another. */
  repository?: string
}

const privileged = { 'pod-security.kubernetes.io/enforce': 'privileged' }

/**
 * A node, a namespace and a Module `demo` that have nothing to do with others in the same cluster, so that many tests share
 * one. Remembers every reason that was told of the Module, and where.
 */
export class Scene {
  readonly cluster: Cluster
  /** The name of the namespace and of the node. */
  readonly name: string
  readonly repository: string
  readonly seen = {
    module: new Set<string>(),
    /** What was said of images, on the Module and on its ModuleImagesConfig. */
    images: new Set<string>(),
    imagesStatus: new Set<string>(),
    node: new Set<string>(),
    report: new Set<string>(),
  }
  readonly selector: Record<string, string>
  /** The pods that were made to load, and to unload, by uid. */
  readonly pods = { Load: new Set<string>(), Unload: new Set<string>() }
  /** Every report that was seen, some more than once. */
  readonly reports: WorkerReport[] = []

  private constructor(cluster: Cluster, name: string, { repository = 'open' }: SceneOptions) {
    this.cluster = cluster
    this.name = name
    this.repository = `${repository}/${name}`
    this.selector = { 'scene.example/name': name }
    this.#watch()
  }

  static async open(cluster: Cluster, name: string, options: SceneOptions = {}): Promise<Scene> {
    const scene = new Scene(cluster, name, options)
    await cluster.createNamespace(name, options.namespaceLabels ?? privileged)
    const { labels, ...node } = options.node ?? {}
    await cluster.sandbox.addNode({ name, kernel: kernel56, ...node, labels: { ...scene.selector, ...labels } })
    return scene
  }

  get node(): VirtualNode {
    const found = this.cluster.sandbox.nodes.findLast(({ name }) => name === this.name)
    if (!found) throw new Error(`no node ${this.name}`)
    return found
  }

  get kernel(): VirtualKernel {
    return this.node.kernel
  }

  get module(): Module | undefined {
    return this.cluster.module('demo', this.name)
  }

  /** What the node's NodeModulesConfig says of the last worker. */
  get worker(): WorkerStatus | undefined {
    return this.cluster.nmc(this.name)?.status?.workers?.find(({ namespace }) => namespace === this.name)
  }

  get podName(): string {
    return `kmm-worker-${this.name}-demo`
  }

  get pod() {
    return this.cluster.view.pods.get({ namespace: this.name, name: this.podName })
  }

  get isReady(): boolean {
    return this.cluster.isReady(this.name, 'demo', this.name)
  }

  condition(type: string) {
    return this.cluster.condition(type, 'demo', this.name)
  }

  image(tag: string): string {
    return `${this.cluster.sandbox.registry.address}/${this.repository}:${tag}`
  }

  /** Pushes a one-layer image: the compiled examples unless files are given. */
  async push(tag: string, files?: Record<string, ImageFile>): Promise<string> {
    return (await this.pushImage(tag, files && toEntries(files))).image
  }

  async pushImage(tag: string, entries?: readonly LayerEntry[]): Promise<PushedImage> {
    const layer = { entries: entries ?? toEntries(await exampleFiles(kernel56)) }
    return this.cluster.sandbox.registry.push({ repository: this.repository, tag, layers: [layer] })
  }

  /** Creates the Module, which loads kmm_demo from the image unless it is changed. */
  async create(image: string, change: (module: Module) => void = () => undefined): Promise<Module> {
    const module = demoModule(image, ({ metadata, spec }) => {
      metadata.namespace = this.name
      if (spec) spec.selector = this.selector
    })
    change(module)
    return this.cluster.createModule(module)
  }

  async patch(spec: unknown): Promise<void> {
    await this.cluster.patchModule(spec, 'demo', this.name)
  }

  /** Changes part of `spec.moduleLoader.container`. */
  async patchContainer(container: unknown): Promise<void> {
    await this.patch({ moduleLoader: { container } })
  }

  async useImage(image: string): Promise<void> {
    await this.patchContainer({ kernelMappings: [{ regexp: '^.+$', containerImage: image }] })
  }

  async delete(name = 'demo'): Promise<void> {
    await this.cluster.deleteModule(name, this.name)
  }

  /** Sets annotations of the Module; null removes one. */
  async annotate(annotations: Readonly<Record<string, string | null>>): Promise<void> {
    const patch = { type: 'merge' as const, body: { metadata: { annotations } } }
    await this.cluster.sandbox.client.patch(moduleResource, { namespace: this.name, name: 'demo' }, patch)
  }

  async labelNamespace(labels: Record<string, string | null>): Promise<void> {
    const patch = { type: 'merge' as const, body: { metadata: { labels } } }
    await this.cluster.sandbox.client.patch(namespaces, { name: this.name }, patch)
  }

  /** Sets or, with an empty list, clears finalizers of somebody else. */
  async holdConfig(finalizers: readonly string[]): Promise<void> {
    const patch = { type: 'merge' as const, body: { metadata: { finalizers } } }
    await this.cluster.sandbox.client.patch(nmcResource, { name: this.name }, patch)
  }

  async patchFinalizers(finalizers: readonly string[]): Promise<void> {
    const patch = { type: 'merge' as const, body: { metadata: { finalizers } } }
    await this.cluster.sandbox.client.patch(moduleResource, { namespace: this.name, name: 'demo' }, patch)
  }

  /** Makes worker pods of this scene do as told, until the answer is called. */
  rule(behaviour: Parameters<Cluster['sandbox']['rules']['add']>[0]['behaviour'], name = '^kmm-worker-'): () => void {
    return this.cluster.sandbox.rules.add({
      match: { namespace: this.name, name },
      ...(behaviour ? { behaviour } : {}),
    })
  }

  async until(what: string, holds: () => unknown, timeoutMs = 40_000): Promise<void> {
    const started = Date.now()
    while (!(await holds())) {
      if (Date.now() - started > timeoutMs * patience)
        throw new Error(`not within ${timeoutMs / 1000} s: ${what}\n${this.describe()}`)
      await new Promise((resolve) => setTimeout(resolve, 5))
    }
  }

  /** Everything about this scene alone. */
  describe(): string {
    const { images, pods } = this.cluster.view
    const own = pods.list().filter(({ metadata }) => metadata?.namespace === this.name)
    const config = this.cluster.nmc(this.name)
    const parts = {
      seen: Object.fromEntries(Object.entries(this.seen).map(([where, reasons]) => [where, [...reasons]])),
      module: [this.module?.metadata.finalizers, this.module?.status],
      images: images.get({ namespace: this.name, name: 'demo' })?.status,
      plan: config?.spec?.modules?.map(({ config: { containerImage, imageDigest } }) => [containerImage, imageDigest]),
      node: config?.status,
      ...Object.fromEntries(own.map(({ metadata, status }) => [metadata?.name, status?.containerStatuses ?? status])),
      log: this.cluster.log.filter((line) => line.includes(this.name)).slice(-10),
    }
    return Object.entries(parts)
      .map(([what, value]) => `${what}: ${JSON.stringify(value)}`)
      .join('\n')
  }

  /** The Module's status says the reason, with its words for this node. */
  isToldOnModule(reason: string): boolean {
    const { reasons = [], worstNodes = [] } = this.module?.status ?? {}
    const worst = worstNodes.find(({ node }) => node === this.name)
    return reasons.some((each) => each.reason === reason) && worst?.reason === reason && worst.message !== ''
  }

  async untilTold(reason: string): Promise<void> {
    await this.until(`${reason} on the Module`, () => this.isToldOnModule(reason))
  }

  /** Waits for a condition of the Module with this status and reason. */
  async untilCondition(type: string, status: string, reason: string): Promise<void> {
    const holds = (): boolean => {
      const condition = this.condition(type)
      return condition?.status === status && condition.reason === reason
    }
    await this.until(`${type} is ${status}: ${reason}`, holds)
  }

  /** Waits until the ready label is off the node: each kind of object has a watch of its own, and one may lag behind. */
  async untilUnlabelled(): Promise<void> {
    await this.until('no ready label', () => !this.isReady)
  }

  /** Waits for the reason on the Module and on the node's NodeModulesConfig, tried at least `attempts` times. */
  async untilFailed(reason: string, attempts = 1): Promise<string> {
    await this.untilTold(reason)
    const isTried = (): boolean => this.worker?.reason === reason && this.worker.attempt >= attempts
    await this.until(`${reason} on the node, attempt ${attempts}`, isTried)
    return this.worker?.message ?? ''
  }

  /**
   * Waits until all is well after whatever the operator has begun by now, and shown by every watch: one that lags may still show
   * how well it was, or not yet why it is.
   */
  async untilReady(): Promise<void> {
    await this.cluster.caughtUp()
    const isWell = (): boolean => this.isReady && this.condition('Ready')?.status === 'True'
    await this.until('the Module is ready', isWell)
    await this.until('nothing is left of the failure', () => !this.worker && !this.module?.status?.reasons)
    await this.cluster.caughtUp()
  }

  async untilGone(): Promise<void> {
    await this.until('the Module is gone', () => this.module === undefined)
    await this.cluster.caughtUp()
  }

  /** Waits until there is no such namespace any more. */
  async untilNoNamespace(): Promise<void> {
    const { client } = this.cluster.sandbox
    const deadline = Date.now() + 60_000 * patience
    const isThere = async (): Promise<boolean> =>
      (await client.list(namespaces)).items.some(({ metadata }) => metadata?.name === this.name)
    while (await isThere()) {
      if (Date.now() > deadline) throw new Error(`namespace ${this.name} is still there`)
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
  }

  #watch(): void {
    const { modules, images, configs, pods } = this.cluster.view
    modules.onChange(({ after }) => {
      if (after?.metadata.namespace !== this.name) return
      for (const { reason } of after.status?.reasons ?? []) this.seen.module.add(reason)
      for (const { type, reason, message } of after.status?.conditions ?? []) {
        if (type === 'Ready') this.seen.module.add(reason)
        if (type !== 'ImagesReady' || message === '') continue
        this.seen.images.add(reason)
        const [, before] = /the attempt before: (\w+):/.exec(message) ?? []
        if (before !== undefined) this.seen.images.add(before)
      }
    })
    images.onChange(({ after }) => {
      if (after?.metadata.namespace !== this.name) return
      for (const { reason = '', message = '' } of after.status?.images ?? [])
        if (message !== '') this.seen.imagesStatus.add(reason)
    })
    configs.onChange(({ after }) => {
      for (const { namespace, reason } of after?.status?.workers ?? [])
        if (namespace === this.name) this.seen.node.add(reason)
    })
    pods.onChange(({ after }: Change<NonNullable<Scene['pod']>>) => {
      if (after?.metadata?.namespace !== this.name) return
      const action = after.metadata.labels?.['kmm.node.kubernetes.io/worker-action']
      if (action === 'Load' || action === 'Unload') this.pods[action].add(after.metadata.uid ?? '')
      const [{ state, lastState } = {}] = after.status?.containerStatuses ?? []
      for (const each of [state?.terminated, lastState?.terminated]) {
        const report = parseWorkerReport(each?.message ?? '')
        if (!report || action === undefined) continue
        this.seen.report.add(report.reason)
        this.reports.push(report)
      }
    })
  }
}

/** The report of a worker that has loaded the module on the scene's node. */
export function makeLoadReport({ kernel: { bootId, release } }: Scene): string {
  const report: WorkerReport = {
    v: 1,
    bootID: bootId,
    kernel: release,
    action: 'load',
    outcome: 'ok',
    alreadyLoaded: false,
    reason: 'Loaded',
    message: '',
    modules: [],
    durationsMs: {},
  }
  return JSON.stringify(report)
}

/** Files as the entries of a layer. */
export const toEntries = (files: Record<string, ImageFile>): LayerEntry[] =>
  Object.entries(files).map(([name, { data = '', linkname }]) =>
    linkname === undefined ? { name, content: Buffer.from(data) } : { name, type: 'symlink', linkname, content: '' },
  )
