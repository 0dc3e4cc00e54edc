import { join } from 'node:path'
import type { Module } from '../../src/api/module.ts'
import type { NodeModulesConfig } from '../../src/api/node-modules-config.ts'
import { readModulesTree } from '../../src/cli/demo/modules-image.ts'
import { namespaces } from '../../src/kube/core-resources.ts'
import { buildImage, type ImageFile } from '../../src/oci/image-builder.ts'
import { pushImage } from '../../src/oci/push.ts'
import { parseReference } from '../../src/oci/reference.ts'
import { createRegistry } from '../../src/oci/registry.ts'
import type { WriteRecord } from '../../src/sandbox/apiserver/faults.ts'
import {
  type AnySandbox,
  type CommonOptions,
  type EmbeddedOptions,
  type EmbeddedSandbox,
  startSandbox,
} from '../../src/sandbox/sandbox.ts'
import { tally } from '../control-plane/tally.ts'
import { followView } from './catch-up.ts'
import { chooseEngine, patience } from './engine.ts'
import { type OperatorOverrides, startTestOperator } from './test-operator.ts'
import { createView, moduleResource, startView, stopView, type View } from './view.ts'

export { micResource, moduleResource, nmcResource } from './view.ts'

/** A kernel for which examples/kmod holds compiled modules. */
export const kernel56 = '6.1.0-56-amd64'

export const workerLabel = { 'node-role.kubernetes.io/worker': '' }

const usualNodes = [{ name: 'n1', kernel: kernel56, labels: workerLabel }]

/** A sandbox with an operator in this process, and a view of both. */
export class Cluster<S extends AnySandbox = AnySandbox> {
  readonly sandbox: S
  readonly view: View
  readonly log: string[] = []
  readonly #ask: ReturnType<typeof followView>
  readonly #operators = new Set<() => Promise<void>>()

  private constructor(sandbox: S) {
    this.sandbox = sandbox
    this.view = createView(sandbox.client)
    this.#ask = followView(this.view, sandbox.client)
  }

  /** A cluster on the engine that KMM_TEST_ENGINE names; without it, in this process. */
  static async start(options: CommonOptions = {}): Promise<Cluster> {
    return this.#around(await startSandbox({ nodes: usualNodes, ...options, ...(await chooseEngine()) }))
  }

  /** A cluster for what only the embedded engine can show, or make fail. */
  static async startEmbedded(options: EmbeddedOptions = {}): Promise<Cluster<EmbeddedSandbox>> {
    return this.#around(await startSandbox({ nodes: usualNodes, ...options }))
  }

  static async #around<S extends AnySandbox>(sandbox: S): Promise<Cluster<S>> {
    const cluster = new Cluster(sandbox)
    await startView(cluster.view)
    return cluster
  }

  /** Starts an operator as the only leader; the answer ends it. */
  async startOperator(overrides: OperatorOverrides = {}): Promise<() => Promise<void>> {
    const { kubeconfig, workerImage } = this.sandbox
    const end = await startTestOperator({ kubeconfig, workerImage, log: this.log }, overrides)
    this.#operators.add(end)
    return async () => {
      this.#operators.delete(end)
      await end()
    }
  }

  async stop(): Promise<void> {
    for (const end of this.#operators) await end()
    await stopView(this.view)
    const sandbox: AnySandbox = this.sandbox
    if (sandbox.engine === 'kubernetes') tally(sandbox.controlPlane)
    await sandbox.stop()
  }

  /** Resolves when `holds` does, looking again at each change of anything; fails with the operator's last words. */
  async until(what: string, holds: () => unknown, timeoutMs = 30_000): Promise<void> {
    const started = Date.now()
    while (!(await holds())) {
      if (Date.now() - started > timeoutMs * patience)
        throw new Error(
          `not within ${timeoutMs / 1000} s: ${what}\n${this.describe()}\n${this.log.slice(-25).join('\n')}`,
        )
      await new Promise((resolve) => setTimeout(resolve, 5))
    }
  }

  /** Resolves once nobody has written anything for a while, or nothing of what counts: others may never be quiet. */
  async quiet(forMs = 400, counts: (write: WriteRecord) => boolean = () => true): Promise<void> {
    let seen = -1
    const isCounted = (write: WriteRecord): boolean => write.resource !== 'leases' && counts(write)
    const count = (): number => this.sandbox.writes.filter(isCounted).length
    while (seen !== count()) {
      seen = count()
      await new Promise((resolve) => setTimeout(resolve, forMs))
    }
  }

  /** Resolves when the view has seen all that the API server holds now, whatever others write meanwhile. */
  async caughtUp(): Promise<void> {
    await this.until('the view shows what the API server holds', await this.#ask())
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
    return this.sandbox.writes
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
