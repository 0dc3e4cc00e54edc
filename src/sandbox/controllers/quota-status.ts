import { countUsed, type ResourceQuota } from '../apiserver/admission/resource-quota.ts'
import { type ApiObject, sameJson } from '../apiserver/object.ts'
import { change, type Controller, type ControllerContext, resourceQuotas } from './controller.ts'
import { KeyQueue } from './key-queue.ts'
import { watchAllKinds } from './kind-watch.ts'

/** Shows in each quota's status how much of it is used. Admission counts by itself and does not wait for this. */
export function startQuotaStatus({ store, timers }: ControllerContext): Controller {
  const reconcile = (namespace: string): void => {
    for (const quota of store.list(resourceQuotas, namespace) as ResourceQuota[]) {
      const hard = Object.entries(quota.spec?.hard ?? {}).map(([name, amount]) => [name, String(amount)])
      const used = hard.map(([name = '']) => [name, String(countUsed(store, namespace, name))])
      const status = { hard: Object.fromEntries(hard), used: Object.fromEntries(used) }
      if (sameJson(status, quota.status)) continue
      const apply = (object: ApiObject): void => {
        object['status'] = status
      }
      change(store, resourceQuotas, { namespace, name: quota.metadata.name }, { subresource: 'status', apply })
    }
  }
  const queue = new KeyQueue({ timers, reconcile })
  const end = watchAllKinds(store, (_event, { namespaced }) => {
    const { namespace } = _event.object.metadata
    if (namespaced && namespace !== undefined && store.list(resourceQuotas, namespace).length > 0) queue.add(namespace)
  })
  const stop = async (): Promise<void> => {
    end()
    await queue.stop()
  }
  return { drained: () => queue.drained(), stop }
}
