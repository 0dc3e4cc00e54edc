import type { StoreEvent } from '../apiserver/history.ts'
import type { ApiObject } from '../apiserver/object.ts'
import { change, type Controller, type ControllerContext, keyOfObject, nodes, pods } from './controller.ts'
import { KeyQueue } from './key-queue.ts'
import { matchesNode, type Node, placePod } from './placement.ts'
import { type NewCondition, type Pod, setCondition } from './pod-conditions.ts'

function countWords(count: number, words: string): string[] {
  return count === 0 ? [] : [`${count} node(s) ${words}`]
}

function explainRefusal(pod: Pod, all: readonly Node[]): string {
  const matching = all.filter((node) => matchesNode(pod.spec, node))
  const parts = [
    ...countWords(matching.length, 'had untolerated taint(s)'),
    ...countWords(all.length - matching.length, "didn't match Pod's node affinity/selector"),
  ]
  return `0/${all.length} nodes are available${parts.length === 0 ? '' : `: ${parts.join(', ')}`}.`
}

const gatedWords = 'Scheduling is blocked due to non-empty scheduling gates'

class Scheduler implements Controller {
  readonly #context: ControllerContext
  readonly #queue: KeyQueue
  /** Pods without a node, which a change of a node may help. */
  readonly #waiting = new Set<string>()
  readonly #ends: (() => void)[]

  constructor(context: ControllerContext) {
    const { store, timers } = context
    this.#context = context
    this.#queue = new KeyQueue({ timers, reconcile: (key) => this.#reconcile(key) })
    this.#ends = [
      store.subscribe(pods, (event) => this.#onPod(event)),
      store.subscribe(nodes, () => {
        for (const key of this.#waiting) this.#queue.add(key)
      }),
    ]
    for (const object of store.list(pods)) this.#onPod({ type: 'ADDED', object, resourceVersion: 0 })
  }

  drained(): Promise<void> {
    return this.#queue.drained()
  }

  async stop(): Promise<void> {
    for (const end of this.#ends) end()
    await this.#queue.stop()
  }

  #onPod({ type, object }: StoreEvent): void {
    const { spec, metadata } = object as Pod
    const key = `${metadata.namespace}/${metadata.name}`
    if (type === 'DELETED' || spec?.nodeName) this.#waiting.delete(key)
    else if (!this.#waiting.has(key)) {
      this.#waiting.add(key)
      this.#queue.add(key)
    }
  }

  #reconcile(key: string): void {
    const { store } = this.#context
    const [namespace = '', name = ''] = key.split('/')
    const pod = store.find(pods, { namespace, name }) as Pod | undefined
    if (pod === undefined || !isForUs(pod)) return
    if ((pod.spec?.schedulingGates ?? []).length > 0) return this.#refuse(pod, 'SchedulingGated', gatedWords)
    const all = store.list(nodes) as Node[]
    const node = this.#choose(pod, all)
    if (node === undefined) this.#refuse(pod, 'Unschedulable', explainRefusal(pod, all))
    else this.#report(pod, { type: 'PodScheduled', status: 'True' }, node.metadata.name)
  }

  /** The node with the fewest pods, of those that the pod may run on. */
  #choose(pod: Pod, all: readonly Node[]): Node | undefined {
    const fitting = all.filter((node) => placePod(pod.spec, node).mayRun)
    if (fitting.length < 2) return fitting[0]
    const placed = (this.#context.store.list(pods) as Pod[]).map((each) => each.spec?.nodeName)
    const load = ({ metadata }: Node): number => placed.filter((name) => name === metadata.name).length
    const loads = new Map(fitting.map((node) => [node, load(node)]))
    return fitting.reduce((best, node) => ((loads.get(node) ?? 0) < (loads.get(best) ?? 0) ? node : best))
  }

  #refuse(pod: Pod, reason: string, message: string): void {
    const known = pod.status?.conditions?.find(({ type }) => type === 'PodScheduled')
    if (known?.message === message) return
    this.#report(pod, { type: 'PodScheduled', status: 'False', reason, message })
  }

  #report(pod: Pod, condition: NewCondition, nodeName?: string): void {
    const { store, timers } = this.#context
    const apply = (object: ApiObject): void => {
      const { spec, status } = object as Pod
      if (nodeName !== undefined && spec !== undefined) spec.nodeName = nodeName
      object['status'] = { ...status, conditions: setCondition(status?.conditions, condition, timers.now()) }
    }
    change(store, pods, keyOfObject(pod), { subresource: 'binding', apply })
  }
}

function isForUs({ spec, metadata }: Pod): boolean {
  if (spec?.nodeName || metadata.deletionTimestamp !== undefined) return false
  return (spec?.schedulerName ?? 'default-scheduler') === 'default-scheduler'
}

/** Binds each pod without a node to one that selector, affinity and taints allow: the one with the fewest pods. */
export function startScheduler(context: ControllerContext): Controller {
  return new Scheduler(context)
}
