import type { StoreEvent } from '../apiserver/history.ts'
import { type ApiObject, sameJson } from '../apiserver/object.ts'
import { change, type Controller, type ControllerContext, keyOfObject, nodes, pods, remove } from './controller.ts'
import { writeEvent } from './event-writer.ts'
import { KeyQueue } from './key-queue.ts'
import type { Node } from './placement.ts'
import { isFinished, type Pod, setCondition } from './pod-conditions.ts'
import { tolerationSeconds } from './tolerations.ts'

function evict(context: ControllerContext, pod: Pod): void {
  const condition = {
    type: 'DisruptionTarget',
    status: 'True',
    reason: 'DeletionByTaintManager',
    message: 'Taint manager: deleting due to NoExecute taint',
  }
  const apply = (object: ApiObject): void => {
    const { status } = object as Pod
    const conditions = setCondition(status?.conditions, condition, context.timers.now())
    object['status'] = { ...status, conditions }
  }
  change(context.store, pods, keyOfObject(pod), { subresource: 'status', apply })
  const message = `Marking for deletion Pod ${pod.metadata.namespace}/${pod.metadata.name}`
  writeEvent(context, pod, {
    type: 'Normal',
    reason: 'TaintManagerEviction',
    message,
    component: 'taint-eviction-controller',
  })
  remove(context.store, pods, pod)
}

/** For how long a pod may stay where it is, in milliseconds; 0 at once, infinite for ever. Undefined when it is no matter. */
function patienceMs({ store }: ControllerContext, pod: Pod | undefined): number | undefined {
  if (pod === undefined || pod.metadata.deletionTimestamp !== undefined || isFinished(pod)) return undefined
  const { nodeName = '', tolerations = [] } = pod.spec ?? {}
  const node = store.find(nodes, { name: nodeName }) as Node | undefined
  return node === undefined ? undefined : tolerationSeconds(node.spec?.taints ?? [], tolerations) * 1000
}

const evictingTaints = (node: ApiObject | undefined): string =>
  JSON.stringify((node as Node | undefined)?.spec?.taints?.filter((taint) => taint.effect === 'NoExecute') ?? [])

const placing = (pod: ApiObject | undefined): unknown => {
  const spec = (pod as Pod | undefined)?.spec
  return [spec?.nodeName, spec?.tolerations]
}

/** Deletes pods from nodes with a NoExecute taint that they do not tolerate, at once or when their patience ends. */
export function startPodEviction(context: ControllerContext): Controller {
  const { store, timers } = context
  /** key of a pod → when its time on the tainted node began */
  const since = new Map<string, number>()
  const reconcile = (key: string): void => {
    const [namespace = '', name = ''] = key.split('/')
    const pod = store.find(pods, { namespace, name }) as Pod | undefined
    const patience = patienceMs(context, pod)
    queue.cancel(key)
    if (pod === undefined || patience === undefined || patience === Number.POSITIVE_INFINITY) {
      since.delete(key)
      return
    }
    const start = since.get(key) ?? timers.now()
    since.set(key, start)
    const leftMs = start + patience - timers.now()
    if (leftMs <= 0) evict(context, pod)
    else queue.addAfter(key, leftMs)
  }
  const queue = new KeyQueue({ timers, reconcile })
  const keyOf = (pod: ApiObject): string => `${pod.metadata.namespace}/${pod.metadata.name}`
  const onPod = ({ type, object, before }: StoreEvent): void => {
    if (type === 'DELETED' || !sameJson(placing(object), placing(before))) queue.add(keyOf(object))
  }
  const onNode = ({ type, object, before }: StoreEvent): void => {
    if (type === 'DELETED' || evictingTaints(object) === evictingTaints(before)) return
    for (const pod of store.list(pods) as Pod[]) if (pod.spec?.nodeName === object.metadata.name) queue.add(keyOf(pod))
  }
  const ends = [store.subscribe(pods, onPod), store.subscribe(nodes, onNode)]
  for (const pod of store.list(pods)) queue.add(keyOf(pod))
  const stop = async (): Promise<void> => {
    for (const end of ends) end()
    await queue.stop()
  }
  return { drained: () => queue.drained(), stop }
}
