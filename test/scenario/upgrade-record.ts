import type { Node, Pod } from 'kubernetes-types/core/v1.js'
import {
  getKernelModuleReadyNodeLabel,
  getKernelModuleVersionReadyNodeLabel,
  getSchedulePodVersionLabelName,
  getWorkerPodVersionLabelName,
  moduleNameLabel,
  roleLabel,
} from '../../src/api/labels.ts'
import type { NodeModulesConfig } from '../../src/api/node-modules-config.ts'
import type { KubeClient } from '../../src/kube/client.ts'
import { nodes, pods } from '../../src/kube/core-resources.ts'
import type { KubeObject } from '../../src/kube/object.ts'
import type { Resource } from '../../src/kube/resource.ts'
import { nmcResource } from './view.ts'

/** A Module on a node, whose upgrade is written down. */
export interface Subject {
  node: string
  namespace: string
  name: string
}

interface Entry {
  revision: bigint
  text: string
}

type Facts = Readonly<Record<string, string | undefined>>

/**
 * Writes down what becomes of one Module on one node, in the order in which the API server stored it: the watches of different
 * kinds may lag behind each other, their resource versions do not.
 */
export class UpgradeRecord {
  readonly #entries: Entry[] = []
  readonly #facts = new Map<string, string | undefined>()
  readonly #stop = new AbortController()
  readonly #watches: Promise<void>[] = []
  readonly #subject: Subject

  private constructor(subject: Subject) {
    this.#subject = subject
  }

  /** Begins to write, from what the API server holds now. */
  static async open(client: KubeClient, subject: Subject): Promise<UpgradeRecord> {
    const record = new UpgradeRecord(subject)
    await record.#watch(client, nodes, (node: Node) => record.#readNode(node))
    await record.#watch(client, nmcResource, (config, isGone) => record.#readConfig(config, isGone))
    await record.#watch(client, pods, (pod: Pod, isGone) => record.#readPod(pod, isGone))
    return record
  }

  /** Everything so far, and forgets it: `what: value`, or `no what`. */
  take(): string[] {
    const taken = this.#entries.splice(0).sort((one, other) => Number(one.revision - other.revision))
    return taken.map(({ text }) => text)
  }

  /** All of these have been written down: a watch may lag behind that of whoever asks. */
  holds(texts: readonly string[]): boolean {
    return texts.every((text) => this.#entries.some((entry) => entry.text === text))
  }

  async stop(): Promise<void> {
    this.#stop.abort()
    await Promise.all(this.#watches)
  }

  async #watch<T extends KubeObject>(
    client: KubeClient,
    resource: Resource<T>,
    read: (object: T, isGone: boolean) => Facts | undefined,
  ): Promise<void> {
    const { items, resourceVersion } = await client.list(resource)
    for (const item of items) this.#learn(read(item, false))
    this.take()
    const follow = async (): Promise<void> => {
      for await (const event of client.watch(resource, { resourceVersion, signal: this.#stop.signal })) {
        if (event.type === 'BOOKMARK') continue
        this.#learn(read(event.object, event.type === 'DELETED'), event.object.metadata?.resourceVersion)
      }
    }
    this.#watches.push(follow().catch((error: unknown) => this.#fail(error)))
  }

  #fail(error: unknown): void {
    if (!this.#stop.signal.aborted) throw error
  }

  #learn(facts: Facts | undefined, resourceVersion = '0'): void {
    for (const [what, value] of Object.entries(facts ?? {})) {
      if (this.#facts.get(what) === value) continue
      this.#facts.set(what, value)
      const text = value === undefined ? `no ${what}` : `${what}: ${value}`
      this.#entries.push({ revision: BigInt(resourceVersion), text })
    }
  }

  #readNode({ metadata }: Node): Facts | undefined {
    const { node, namespace, name } = this.#subject
    if (metadata?.name !== node) return undefined
    const labels: Facts = metadata.labels ?? {}
    return {
      'worker label': labels[getWorkerPodVersionLabelName(namespace, name)],
      'schedule label': labels[getSchedulePodVersionLabelName(namespace, name)],
      'ready label': labels[getKernelModuleReadyNodeLabel(namespace, name)],
      'version label': labels[getKernelModuleVersionReadyNodeLabel(namespace, name)],
    }
  }

  #readConfig({ metadata, spec, status }: NodeModulesConfig, isGone: boolean): Facts | undefined {
    const { node, namespace, name } = this.#subject
    if (metadata.name !== node) return undefined
    const isIt = (item: { namespace: string; name: string }): boolean =>
      item.namespace === namespace && item.name === name
    const [entry, loaded] = isGone ? [] : [spec?.modules?.find(isIt), status?.modules?.find(isIt)]
    return { plan: entry && (entry.version ?? ''), module: loaded && (loaded.version ?? '') }
  }

  #readPod({ metadata, spec }: Pod, isGone: boolean): Facts | undefined {
    const { node, namespace, name } = this.#subject
    const labels: Facts = metadata?.labels ?? {}
    if (metadata?.namespace !== namespace || labels[moduleNameLabel] !== name) return undefined
    if (labels[roleLabel] === undefined || spec?.nodeName !== node) return undefined
    return {
      [`pod of ${labels[getSchedulePodVersionLabelName(namespace, name)] ?? 'no version'}`]: isGone
        ? undefined
        : 'there',
    }
  }
}
