import { describeError } from '../../errors/error.ts'
import type { StoreEvent } from '../apiserver/history.ts'
import { type ApiObject, sameJson } from '../apiserver/object.ts'
import {
  change,
  type Controller,
  type ControllerContext,
  controllerRevisions,
  daemonSets,
  keyOfObject,
  nodes,
  pods,
  remove,
} from './controller.ts'
import { planDaemonSet } from './daemon-plan.ts'
import { buildDaemonPod, type DaemonSet, hashLabel, hashTemplate } from './daemon-template.ts'
import { type Occurrence, writeEvent } from './event-writer.ts'
import { FailedPods } from './failed-pods.ts'
import { KeyQueue } from './key-queue.ts'
import type { Node } from './placement.ts'
import type { Pod } from './pod-conditions.ts'

/** How DaemonSets behave. */
export interface DaemonSetOptions {
  /** Five random characters for the names of pods. */
  newSuffix: () => string
  /** The pause before a failed pod is deleted, which doubles each time; a real cluster begins with 1 s. */
  failedPodDelayMs?: number
}

const keyOf = ({ metadata }: ApiObject): string => `${metadata.namespace}/${metadata.name}`

class DaemonSetController implements Controller {
  readonly #context: ControllerContext
  readonly #options: DaemonSetOptions
  readonly #queue: KeyQueue
  readonly #failed: FailedPods
  readonly #ends: (() => void)[]

  constructor(context: ControllerContext, options: DaemonSetOptions) {
    const { store, timers } = context
    this.#context = context
    this.#options = options
    this.#queue = new KeyQueue({ timers, reconcile: (key) => this.#reconcile(key) })
    this.#failed = new FailedPods(context, {
      delayMs: options.failedPodDelayMs ?? 1000,
      remove: (pod) => this.#removeFinished(pod),
    })
    this.#ends = [
      store.subscribe(daemonSets, ({ object }) => this.#queue.add(keyOf(object))),
      store.subscribe(pods, (event) => this.#onPod(event)),
      store.subscribe(nodes, (event) => this.#onNode(event)),
    ]
    for (const daemonSet of store.list(daemonSets)) this.#queue.add(keyOf(daemonSet))
  }

  async drained(): Promise<void> {
    await this.#queue.drained()
    await this.#failed.drained()
  }

  async stop(): Promise<void> {
    for (const end of this.#ends) end()
    await Promise.all([this.#queue.stop(), this.#failed.stop()])
  }

  #onPod({ object }: StoreEvent): void {
    const owner = object.metadata.ownerReferences?.find((each) => each.controller === true)
    if (owner?.kind === 'DaemonSet') this.#queue.add(`${object.metadata.namespace}/${owner.name}`)
  }

  #onNode({ object, before }: StoreEvent): void {
    const placing = (node: ApiObject | undefined): unknown => [node?.metadata.labels, (node as Node | undefined)?.spec]
    // A heartbeat changes neither labels nor taints.
    if (before !== undefined && sameJson(placing(object), placing(before))) return
    for (const daemonSet of this.#context.store.list(daemonSets)) this.#queue.add(keyOf(daemonSet))
  }

  #find(key: string): DaemonSet | undefined {
    const [namespace = '', name = ''] = key.split('/')
    return this.#context.store.find(daemonSets, { namespace, name }) as DaemonSet | undefined
  }

  #listPods({ metadata }: DaemonSet): Pod[] {
    const isOwn = (pod: ApiObject): boolean =>
      pod.metadata.ownerReferences?.some((owner) => owner.controller === true && owner.uid === metadata.uid) === true
    return this.#context.store.list(pods, metadata.namespace).filter(isOwn) as Pod[]
  }

  async #reconcile(key: string): Promise<void> {
    const { store, timers } = this.#context
    const daemonSet = this.#find(key)
    // One that is going gets no more pods; the garbage collector removes those that it has.
    if (daemonSet === undefined || daemonSet.metadata.deletionTimestamp !== undefined) return
    this.#keepRevision(daemonSet)
    const state = { nodes: store.list(nodes) as Node[], pods: this.#listPods(daemonSet), nowMs: timers.now() }
    const plan = planDaemonSet({ daemonSet, ...state })
    for (const pod of plan.remove) this.#removePod(daemonSet, pod)
    for (const pod of plan.removeFinished) this.#failed.add(pod)
    this.#reportStatus(daemonSet, plan.status)
    if (plan.status['numberReady'] !== (plan.status['numberAvailable'] ?? 0))
      this.#queue.addAfter(key, (daemonSet.spec?.minReadySeconds ?? 0) * 1000)
    for (const nodeName of plan.createOn) await this.#createPod(daemonSet, nodeName)
  }

  async #createPod(daemonSet: DaemonSet, nodeName: string): Promise<void> {
    const pod = buildDaemonPod(daemonSet, nodeName, this.#options.newSuffix())
    try {
      await this.#context.create(pods, pod)
      this.#say(daemonSet, { type: 'Normal', reason: 'SuccessfulCreate', message: `Created pod: ${pod.metadata.name}` })
    } catch (error) {
      this.#say(daemonSet, {
        type: 'Warning',
        reason: 'FailedCreate',
        // The same words each time, so that they are one event.
        message: `Error creating: ${describeError(error).replaceAll(pod.metadata.name, `${daemonSet.metadata.name}-`)}`,
      })
      throw error
    }
  }

  #removePod(daemonSet: DaemonSet, pod: Pod): void {
    remove(this.#context.store, pods, pod)
    this.#say(daemonSet, { type: 'Normal', reason: 'SuccessfulDelete', message: `Deleted pod: ${pod.metadata.name}` })
  }

  #removeFinished(pod: Pod): void {
    const owner = pod.metadata.ownerReferences?.find((each) => each.controller === true)
    const daemonSet = this.#find(`${pod.metadata.namespace}/${owner?.name ?? ''}`)
    if (daemonSet === undefined) return
    const where = `daemon pod ${keyOf(pod)} on node ${pod.spec?.nodeName ?? ''}`
    const occurrence: Omit<Occurrence, 'component'> =
      pod.status?.phase === 'Failed'
        ? { type: 'Warning', reason: 'FailedDaemonPod', message: `Found failed ${where}, will try to kill it` }
        : { type: 'Normal', reason: 'SucceededDaemonPod', message: `Found succeeded ${where}, will try to delete it` }
    this.#say(daemonSet, occurrence)
    this.#removePod(daemonSet, pod)
  }

  #reportStatus(daemonSet: DaemonSet, status: Record<string, number>): void {
    if (sameJson(daemonSet.status, status)) return
    const apply = (object: ApiObject): void => {
      object['status'] = status
    }
    change(this.#context.store, daemonSets, keyOfObject(daemonSet), { subresource: 'status', apply })
  }

  /** Keeps each template under its hash, as `kubectl rollout history` reads them. */
  #keepRevision(daemonSet: DaemonSet): void {
    const { store } = this.#context
    const { name, namespace = '', uid = '' } = daemonSet.metadata
    const hash = hashTemplate(daemonSet)
    const key = { namespace, name: `${name}-${hash}` }
    if (store.find(controllerRevisions, key) !== undefined) return
    const isOwn = (object: ApiObject): boolean => object.metadata.ownerReferences?.[0]?.uid === uid
    const revision = store.list(controllerRevisions, namespace).filter(isOwn).length + 1
    store.create(controllerRevisions, {
      apiVersion: 'apps/v1',
      kind: 'ControllerRevision',
      metadata: {
        ...key,
        labels: { ...daemonSet.spec?.template?.metadata?.labels, [hashLabel]: hash },
        ownerReferences: [
          { apiVersion: 'apps/v1', kind: 'DaemonSet', name, uid, controller: true, blockOwnerDeletion: true },
        ],
      },
      data: { spec: { template: { ...daemonSet.spec?.template, $patch: 'replace' } } },
      revision,
    })
  }

  #say(daemonSet: DaemonSet, occurrence: Omit<Occurrence, 'component'>): void {
    writeEvent(this.#context, daemonSet, { ...occurrence, component: 'daemonset-controller' })
  }
}

/** Keeps one pod of each DaemonSet on each node that its template's selector, affinity and tolerations allow. */
export function startDaemonSets(context: ControllerContext, options: DaemonSetOptions): Controller {
  return new DaemonSetController(context, options)
}
