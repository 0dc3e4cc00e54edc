import { join } from 'node:path'
import type { Event as CoreEvent, Node, Pod } from 'kubernetes-types/core/v1.js'
import type { Module } from '../../src/api/module.ts'
import type { ModuleImagesConfig } from '../../src/api/module-images-config.ts'
import type { NodeModulesConfig } from '../../src/api/node-modules-config.ts'
import { parseOperatorConfig } from '../../src/api/operator-config.ts'
import { moduleImagesConfigs, modules, nodeModulesConfigs } from '../../src/api/resources.ts'
import { readModulesTree } from '../../src/cli/demo/modules-image.ts'
import type { KubeClient } from '../../src/kube/client.ts'
import { type Clock, realClock } from '../../src/kube/clock.ts'
import { events, namespaces, nodes, pods } from '../../src/kube/core-resources.ts'
import { createKubeClient } from '../../src/kube/http-client.ts'
import { loadKubeconfig } from '../../src/kube/kubeconfig.ts'
import { defineResource } from '../../src/kube/resource.ts'
import { createWatchCache, type WatchCache } from '../../src/kube/watch-cache.ts'
import { createOperator, type Operator } from '../../src/main/compose/operator.ts'
import { buildImage, type ImageFile } from '../../src/oci/image-builder.ts'
import { pushImage } from '../../src/oci/push.ts'
import { parseReference } from '../../src/oci/reference.ts'
import { createRegistry } from '../../src/oci/registry.ts'
import { createLogger } from '../../src/runtime/logger.ts'
import { createMetrics } from '../../src/runtime/metrics.ts'
import { type Sandbox, type SandboxOptions, startSandbox } from '../../src/sandbox/sandbox.ts'

/** The kernels for which examples/kmod holds compiled modules. */
export const kernel56 = '6.1.0-56-amd64'
export const kernel55 = '6.1.0-55-amd64'

export const workerLabel = { 'node-role.kubernetes.io/worker': '' }

const operatorNamespace = 'kmm-operator-system'

export const moduleResource = defineResource<Module>(modules)
export const nmcResource = defineResource<NodeModulesConfig>(nodeModulesConfigs)
export const micResource = defineResource<ModuleImagesConfig>(moduleImagesConfigs)

const keep = <T>(object: T): T => object

/** What a test looks at. */
interface View {
  nodes: WatchCache<Node, Node>
  modules: WatchCache<Module, Module>
  configs: WatchCache<NodeModulesConfig, NodeModulesConfig>
  images: WatchCache<ModuleImagesConfig, ModuleImagesConfig>
  pods: WatchCache<Pod, Pod>
  events: WatchCache<CoreEvent, CoreEvent>
}

/** How an operator of a test differs from the shipped one. */
export interface OperatorOverrides {
  unverifiedAfterMs?: number
  config?: string
  clock?: Clock
  /** Stands between the operator and the API server. */
  wrap?: (client: KubeClient) => KubeClient
}

/** A sandbox with an operator in this process, and a view of both. */
export class Cluster {
  readonly sandbox: Sandbox
  readonly view: View
  readonly log: string[] = []
  #operators: { operator: Operator; close: () => Promise<void> }[] = []

  private constructor(sandbox: Sandbox) {
    this.sandbox = sandbox
    const options = { client: sandbox.client, onError: () => undefined }
    this.view = {
      nodes: createWatchCache({ ...options, resource: nodes, trim: keep<Node> }),
      modules: createWatchCache({ ...options, resource: moduleResource, trim: keep<Module> }),
      configs: createWatchCache({ ...options, resource: nmcResource, trim: keep<NodeModulesConfig> }),
      images: createWatchCache({ ...options, resource: micResource, trim: keep<ModuleImagesConfig> }),
      pods: createWatchCache({ ...options, resource: pods, trim: keep<Pod> }),
      events: createWatchCache({ ...options, resource: events, trim: keep<CoreEvent> }),
    }
  }

  static async start(options: SandboxOptions = {}): Promise<Cluster> {
    const given = options.nodes ?? [{ name: 'n1', kernel: kernel56, labels: workerLabel }]
    const cluster = new Cluster(await startSandbox({ ...options, nodes: given }))
    for (const cache of Object.values(cluster.view)) cache.start()
    await Promise.all(Object.values(cluster.view).map((cache) => cache.whenSynced()))
    return cluster
  }

  /** Starts an operator as the only leader; the answer ends it. */
  async startOperator(overrides: OperatorOverrides = {}): Promise<() => Promise<void>> {
    const connection = loadKubeconfig({ text: this.sandbox.kubeconfig })
    const http = createKubeClient({ connection, userAgent: 'kmm-operator/test' })
    const logger = createLogger('debug', { write: (line) => void this.log.push(line.trimEnd()) })
    const starting = createOperator(
      {
        client: overrides.wrap ? overrides.wrap(http) : http,
        config: parseOperatorConfig(overrides.config ?? '').config,
        namespace: operatorNamespace,
        workerImage: this.sandbox.workerImage,
        clock: overrides.clock ?? realClock,
        random: Math.random,
        logger,
        metrics: createMetrics(),
        ...(overrides.unverifiedAfterMs === undefined ? {} : { unverifiedAfterMs: overrides.unverifiedAfterMs }),
      },
      new AbortController().signal,
    )
    const operator = await starting.catch(async (error: unknown) => {
      await http.close()
      throw error
    })
    const entry = { operator, close: () => http.close() }
    this.#operators.push(entry)
    await operator.sync()
    operator.start()
    return async () => {
      this.#operators = this.#operators.filter((each) => each !== entry)
      await operator.stop()
      await http.close()
    }
  }

  async stop(): Promise<void> {
    for (const { operator, close } of this.#operators) {
      await operator.stop()
      await close()
    }
    await Promise.all(Object.values(this.view).map((cache) => cache.stop()))
    await this.sandbox.stop()
  }

  /** Resolves when `holds` does, looking again at each change of anything; fails with the operator's last words. */
  async until(what: string, holds: () => unknown, timeoutMs = 30_000): Promise<void> {
    const started = Date.now()
    while (!holds()) {
      if (Date.now() - started > timeoutMs)
        throw new Error(
          `not within ${timeoutMs / 1000} s: ${what}\n${this.describe()}\n${this.log.slice(-25).join('\n')}`,
        )
      await new Promise((resolve) => setTimeout(resolve, 5))
    }
  }

  /** Resolves once nobody has written anything for a while. */
  async quiet(forMs = 400): Promise<void> {
    let seen = -1
    while (seen !== this.sandbox.api.writes.length) {
      seen = this.sandbox.api.writes.length
      await new Promise((resolve) => setTimeout(resolve, forMs))
    }
  }

  describe(): string {
    const show = (object: unknown): string => JSON.stringify(object)
    return [
      ...this.view.modules.list().map((module) => `Module ${show(module.metadata.finalizers)} ${show(module.status)}`),
      ...this.view.configs
        .list()
        .map(
          (config) =>
            `NMC ${config.metadata.name} ${show(config.spec?.modules?.map(({ name, config: { containerImage } }) => [name, containerImage]))} ${show(config.status)}`,
        ),
      ...this.view.images.list().map((images) => `MIC ${show(images.status)}`),
      ...this.view.pods
        .list()
        .map((pod) => `Pod ${pod.metadata?.name} ${pod.status?.phase} ${show(pod.status?.containerStatuses)}`),
    ].join('\n')
  }

  /** The operator's writes since `from`, the Lease's left out, as `verb resource/subresource`. */
  operatorWrites(from = 0): string[] {
    return this.sandbox.api.writes
      .slice(from)
      .filter(({ userAgent, resource }) => userAgent.startsWith('kmm-operator') && resource !== 'leases')
      .map(({ verb, resource, subresource }) => `${verb} ${resource}${subresource ? `/${subresource}` : ''}`)
  }

  module(name = 'demo', namespace = 'demo'): Module | undefined {
    return this.view.modules.get({ namespace, name })
  }

  nmc(node = 'n1'): NodeModulesConfig | undefined {
    return this.view.configs.get({ name: node })
  }

  labels(node = 'n1'): Record<string, string> {
    return this.view.nodes.get({ name: node })?.metadata?.labels ?? {}
  }

  isReady(node = 'n1', name = 'demo', namespace = 'demo'): boolean {
    return this.labels(node)[`kmm.node.kubernetes.io/${namespace}.${name}.ready`] === ''
  }

  condition(type: string, name = 'demo', namespace = 'demo') {
    return this.module(name, namespace)?.status?.conditions?.find((condition) => condition.type === type)
  }

  /** The reason in the node's NodeModulesConfig. */
  workerReason(node = 'n1'): string | undefined {
    return this.nmc(node)?.status?.workers?.[0]?.reason
  }

  kernel(node = 'n1') {
    const found = this.sandbox.node(node)
    if (!found) throw new Error(`no node ${node}`)
    return found.kernel
  }

  async createNamespace(
    name = 'demo',
    labels: Record<string, string> = { 'pod-security.kubernetes.io/enforce': 'privileged' },
  ): Promise<void> {
    await this.sandbox.client.create(namespaces, { metadata: { name, labels } })
  }

  image(tag: string, repository = 'kmm-demo'): string {
    return `${this.sandbox.registry.address}/${repository}:${tag}`
  }

  /** Pushes files as a one-layer image; without files the compiled example modules for the kernel in `tag`. */
  async push(tag: string, files?: Record<string, ImageFile>): Promise<string> {
    const image = this.image(tag)
    const registry = createRegistry({ settings: {}, tls: { insecure: true, insecureSkipTLSVerify: false } })
    try {
      const content = files ?? (await exampleFiles(tag))
      await pushImage(registry, parseReference(image), await buildImage({ files: content }))
    } finally {
      await registry.close()
    }
    return image
  }

  async createModule(module: Module): Promise<Module> {
    return this.sandbox.client.create(moduleResource, module)
  }

  async patchModule(spec: unknown, name = 'demo', namespace = 'demo'): Promise<void> {
    await this.sandbox.client.patch(moduleResource, { namespace, name }, { type: 'merge', body: { spec } })
  }

  async deleteModule(name = 'demo', namespace = 'demo'): Promise<void> {
    await this.sandbox.client.delete(moduleResource, { namespace, name })
  }
}

/** The compiled example modules for a kernel, as they lie in a kmod image. */
export function exampleFiles(kernel: string, source = 'prebuilt'): Promise<Record<string, ImageFile>> {
  return readModulesTree(join('examples/kmod', source, kernel), kernel)
}

/** A Module `demo/demo` that loads kmm_demo from an image of the sandbox's registry. */
export function demoModule(image: string, change: (module: Module) => void = () => undefined): Module {
  const module: Module = {
    apiVersion: 'kmm.sigs.x-k8s.io/v1beta1',
    kind: 'Module',
    metadata: { namespace: 'demo', name: 'demo' },
    spec: {
      selector: workerLabel,
      moduleLoader: {
        container: {
          modprobe: { moduleName: 'kmm_demo' },
          registryTLS: { insecure: true },
          kernelMappings: [{ regexp: '^.+$', containerImage: image }],
        },
      },
    },
  }
  change(module)
  return module
}
