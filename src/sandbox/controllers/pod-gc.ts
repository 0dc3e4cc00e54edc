import type { ApiObject } from '../apiserver/object.ts'
import { change, type Controller, type ControllerContext, keyOfObject, nodes, pods, remove } from './controller.ts'
import { KeyQueue } from './key-queue.ts'
import { isFinished, type Pod, setCondition } from './pod-conditions.ts'

/** How pods of vanished nodes are treated. */
export interface PodGcOptions {
  /** How long a node must be gone; 40 s in a real cluster, at once unless said otherwise. */
  quarantineMs?: number
}

function failPod(pod: ApiObject, nowMs: number): void {
  const { status } = pod as Pod
  const condition = {
    type: 'DisruptionTarget',
    status: 'True',
    reason: 'DeletionByPodGC',
    message: 'PodGC: node no longer exists',
  }
  pod['status'] = { ...status, phase: 'Failed', conditions: setCondition(status?.conditions, condition, nowMs) }
}

/** Deletes, without grace, the pods that are bound to a node which does not exist; their kubelet cannot. */
export function startPodGc({ store, timers }: ControllerContext, { quarantineMs = 0 }: PodGcOptions = {}): Controller {
  const reconcile = (nodeName: string): void => {
    if (store.find(nodes, { name: nodeName }) !== undefined) return
    for (const pod of store.list(pods) as Pod[]) {
      if (pod.spec?.nodeName !== nodeName) continue
      if (!isFinished(pod))
        change(store, pods, keyOfObject(pod), {
          subresource: 'status',
          apply: (object) => failPod(object, timers.now()),
        })
      remove(store, pods, pod, { gracePeriodSeconds: 0 })
    }
  }
  const queue = new KeyQueue({ timers, reconcile })
  const suspect = (nodeName: string | undefined): void => {
    if (!nodeName || store.find(nodes, { name: nodeName }) !== undefined) return
    if (quarantineMs > 0) queue.addAfter(nodeName, quarantineMs)
    else queue.add(nodeName)
  }
  const ends = [
    store.subscribe(nodes, ({ type, object }) => {
      if (type === 'DELETED') suspect(object.metadata.name)
      if (type === 'ADDED') queue.cancel(object.metadata.name)
    }),
    store.subscribe(pods, ({ type, object, before }) => {
      const { spec } = object as Pod
      const isNews = type === 'ADDED' || spec?.nodeName !== (before as Pod | undefined)?.spec?.nodeName
      if (type !== 'DELETED' && isNews) suspect(spec?.nodeName)
    }),
  ]
  for (const pod of store.list(pods) as Pod[]) suspect(pod.spec?.nodeName)
  const stop = async (): Promise<void> => {
    for (const end of ends) end()
    await queue.stop()
  }
  return { drained: () => queue.drained(), stop }
}
