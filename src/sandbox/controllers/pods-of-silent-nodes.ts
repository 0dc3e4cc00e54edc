import type { StoreEvent } from '../apiserver/history.ts'
import type { ApiObject } from '../apiserver/object.ts'
import { change, type Controller, type ControllerContext, keyOfObject, nodes, pods } from './controller.ts'
import { writeEvent } from './event-writer.ts'
import { KeyQueue } from './key-queue.ts'
import type { Node } from './placement.ts'
import { isReady, type Pod, setCondition } from './pod-conditions.ts'

function isNodeReady(node: ApiObject | undefined): boolean {
  const { conditions = [] } = (node as Node | undefined)?.status ?? {}
  return conditions.some(({ type, status }) => type === 'Ready' && status === 'True')
}

function markNotReady(context: ControllerContext, pod: Pod): void {
  const apply = (object: ApiObject): void => {
    const { status } = object as Pod
    const ready = status?.conditions?.find(({ type }) => type === 'Ready')
    const condition = { ...ready, type: 'Ready', status: 'False' }
    object['status'] = { ...status, conditions: setCondition(status?.conditions, condition, context.timers.now()) }
  }
  change(context.store, pods, keyOfObject(pod), { subresource: 'status', apply })
  const words = { type: 'Warning', reason: 'NodeNotReady', message: 'Node is not ready' } as const
  writeEvent(context, pod, { ...words, component: 'node-controller' })
}

/** Says of the pods of a node that is Ready no more that they are not either; their kubelet says otherwise when it is back. */
export function startPodsOfSilentNodes(context: ControllerContext): Controller {
  const { store, timers } = context
  const reconcile = (name: string): void => {
    const node = store.find(nodes, { name })
    if (node === undefined || isNodeReady(node)) return
    for (const pod of store.list(pods) as Pod[])
      if (pod.spec?.nodeName === name && isReady(pod)) markNotReady(context, pod)
  }
  const queue = new KeyQueue({ timers, reconcile })
  const end = store.subscribe(nodes, ({ type, object, before }: StoreEvent) => {
    if (type === 'MODIFIED' && isNodeReady(before) && !isNodeReady(object)) queue.add(object.metadata.name)
  })
  const stop = async (): Promise<void> => {
    end()
    await queue.stop()
  }
  return { drained: () => queue.drained(), stop }
}
