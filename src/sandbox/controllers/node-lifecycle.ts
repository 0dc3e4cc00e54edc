import type { StoreEvent } from '../apiserver/history.ts'
import type { ApiObject } from '../apiserver/object.ts'
import { change, type Controller, type ControllerContext, leases, nodes } from './controller.ts'
import { KeyQueue } from './key-queue.ts'
import { settleTaints } from './node-taints.ts'
import type { Node } from './placement.ts'
import { setCondition } from './pod-conditions.ts'

/** Where kubelets renew their Leases. */
const leaseNamespace = 'kube-node-lease'

/** How the node lifecycle controller behaves. */
export interface NodeLifecycleOptions {
  /** A node that neither reports nor renews its Lease for so long becomes Unknown; never, when absent. A real cluster waits 50 s. */
  heartbeatTimeoutMs?: number
}

function setUnknown(node: ApiObject, nowMs: number): void {
  const { status = {} } = node as Node
  const condition = {
    type: 'Ready',
    status: 'Unknown',
    reason: 'NodeStatusUnknown',
    message: 'Kubelet stopped posting node status.',
  }
  node['status'] = { ...status, conditions: setCondition(status.conditions, condition, nowMs) }
}

const isUnknown = (node: Node): boolean =>
  node.status?.conditions?.some(({ type, status }) => type === 'Ready' && status === 'Unknown') === true

/** Keeps the taints of nodes as their conditions and `unschedulable` ask, and marks the silent as Unknown. */
export function startNodeLifecycle(context: ControllerContext, options: NodeLifecycleOptions = {}): Controller {
  const { store, timers } = context
  const { heartbeatTimeoutMs } = options
  const taint = new KeyQueue({
    timers,
    reconcile: (name) => {
      const node = store.find(nodes, { name }) as Node | undefined
      const taints = node === undefined ? undefined : settleTaints(node, timers.now())
      if (taints === undefined) return
      const apply = (object: ApiObject): void => {
        object['spec'] = { ...(object as Node).spec, taints }
      }
      change(store, nodes, { name }, { apply })
    },
  })
  const silence = new KeyQueue({
    timers,
    reconcile: (name) => {
      const node = store.find(nodes, { name }) as Node | undefined
      if (node === undefined || isUnknown(node)) return
      change(store, nodes, { name }, { subresource: 'status', apply: (each) => setUnknown(each, timers.now()) })
    },
  })
  const hear = (name: string): void => {
    if (heartbeatTimeoutMs !== undefined) silence.addAfter(name, heartbeatTimeoutMs)
  }
  const onNode = ({ type, object }: StoreEvent): void => {
    const { name } = object.metadata
    if (type === 'DELETED') {
      silence.cancel(name)
      return
    }
    taint.add(name)
    if (!isUnknown(object as Node)) hear(name)
  }
  const ends = [
    store.subscribe(nodes, onNode),
    store.subscribe(leases, ({ type, object }) => {
      const { namespace, name } = object.metadata
      if (type !== 'DELETED' && namespace === leaseNamespace && store.find(nodes, { name })) hear(name)
    }),
  ]
  for (const object of store.list(nodes)) onNode({ type: 'ADDED', object, resourceVersion: 0 })
  const stop = async (): Promise<void> => {
    for (const end of ends) end()
    await Promise.all([taint.stop(), silence.stop()])
  }
  const drained = async (): Promise<void> => {
    await Promise.all([taint.drained(), silence.drained()])
  }
  return { drained, stop }
}
