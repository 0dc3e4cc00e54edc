import type { Node, Pod } from 'kubernetes-types/core/v1.js'
import { expect } from 'vitest'
import { getKernelModuleReadyNodeLabel, roleLabel, workerActionLabel } from '../../src/api/labels.ts'
import type { NodeModulesConfig } from '../../src/api/node-modules-config.ts'
import type { Scene } from './scene.ts'

/** Something that happened, and when: the API server numbers its writes of all kinds together. */
interface Entry {
  at: number
  what: string
}

const versionOf = (object: { metadata?: { resourceVersion?: string } }): number =>
  Number(object.metadata?.resourceVersion ?? 0)

const isDeleting = (pod: Pod | undefined): boolean => pod?.metadata?.deletionTimestamp !== undefined

/** What a pod is to a scene: `load`, `unload`, `plugin`, or nothing. */
function nameRole({ metadata }: Pod): string | undefined {
  const action = metadata?.labels?.[workerActionLabel]
  if (action !== undefined) return action.toLowerCase()
  return metadata?.labels?.[roleLabel] === 'device-plugin' ? 'plugin' : undefined
}

/**
 * What happens to one Module of a scene on its node, from watch events, in the order in which the API server stored it:
 * `boot 2`, `label`, `no label`, `loaded in boot 2`, `not loaded`, and of each pod `load`, `load goes`, `load gone`.
 */
export class Chronicle {
  readonly #scene: Scene
  readonly #namespace: string
  readonly #entries: Entry[] = []
  readonly #boots: string[] = []
  #label = false
  #loadedIn = ''

  constructor(scene: Scene, namespace = scene.name) {
    this.#scene = scene
    this.#namespace = namespace
    const { nodes, configs, pods } = scene.cluster.view
    for (const node of nodes.list()) this.#readNode(node)
    this.#readConfig(configs.get({ name: scene.name }))
    nodes.onChange(({ after }) => after && this.#readNode(after))
    configs.onChange(({ before, after }) => {
      if ((after ?? before)?.metadata.name === scene.name) this.#readConfig(after)
    })
    pods.onChange(({ before, after }) => this.#readPod(before, after))
  }

  /** All that was seen, in order. */
  get entries(): string[] {
    return this.#entries.toSorted((left, right) => left.at - right.at).map(({ what }) => what)
  }

  /** What was seen since something happened last; nothing where it has not happened. */
  since(what: string): string[] {
    const { entries } = this
    const index = entries.lastIndexOf(what)
    return index < 0 ? [] : entries.slice(index)
  }

  /** Demands that these have happened in this order, whatever happened in between. */
  async expectOrder(...wanted: readonly string[]): Promise<void> {
    await this.#scene.cluster.caughtUp()
    const rest = [...wanted]
    for (const entry of this.entries) if (entry === rest[0]) rest.shift()
    expect(rest, `missing in this order in ${this.entries.join(', ')}`).toEqual([])
  }

  /** Demands that the label was never given in a boot for which nothing said that the module is loaded. */
  async expectNoEarlyLabel(): Promise<void> {
    await this.#scene.cluster.caughtUp()
    let boot = ''
    let loadedIn = ''
    for (const entry of this.entries) {
      if (entry.startsWith('boot ')) boot = entry
      if (entry.startsWith('loaded in ')) loadedIn = entry.slice('loaded in '.length)
      if (entry === 'not loaded') loadedIn = ''
      if (entry === 'label') expect(loadedIn, this.entries.join(', ')).toBe(boot)
    }
  }

  #add(at: number, what: string): void {
    this.#entries.push({ at, what })
  }

  #nameBoot(bootId: string): string {
    if (!this.#boots.includes(bootId)) this.#boots.push(bootId)
    return `boot ${this.#boots.indexOf(bootId) + 1}`
  }

  #readNode(node: Node): void {
    if (node.metadata?.name !== this.#scene.name) return
    const bootId = node.status?.nodeInfo?.bootID ?? ''
    if (bootId !== '' && !this.#boots.includes(bootId)) this.#add(versionOf(node), this.#nameBoot(bootId))
    const label = getKernelModuleReadyNodeLabel(this.#namespace, 'demo') in (node.metadata.labels ?? {})
    if (label === this.#label) return
    this.#label = label
    this.#add(versionOf(node), label ? 'label' : 'no label')
  }

  #readConfig(config: NodeModulesConfig | undefined): void {
    const found = config?.status?.modules?.find(({ namespace }) => namespace === this.#namespace)
    const loadedIn = found?.bootId ?? ''
    if (loadedIn === this.#loadedIn) return
    this.#loadedIn = loadedIn
    if (config !== undefined)
      this.#add(versionOf(config), loadedIn ? `loaded in ${this.#nameBoot(loadedIn)}` : 'not loaded')
  }

  #readPod(before: Pod | undefined, after: Pod | undefined): void {
    const pod = after ?? before
    const role = pod && nameRole(pod)
    if (pod?.metadata?.namespace !== this.#namespace || role === undefined) return
    if (after === undefined) return this.#add(this.#wentAt(pod), `${role} gone`)
    if (before === undefined) this.#add(versionOf(after), role)
    if (isDeleting(after) && !isDeleting(before)) this.#add(versionOf(after), `${role} goes`)
  }

  #wentAt(pod: Pod): number {
    return this.#scene.cluster.view.pods.wentAt.get(pod.metadata?.uid ?? '') ?? versionOf(pod)
  }
}
