import { formatTime } from '../apiserver/deletion.ts'
import type { StoreEvent } from '../apiserver/history.ts'
import { type ApiObject, isRecord } from '../apiserver/object.ts'
import type { Store } from '../apiserver/store.ts'
import type { StoredResource } from '../apiserver/strategy.ts'
import { change, type Controller, type ControllerContext, namespaces, remove } from './controller.ts'
import { KeyQueue } from './key-queue.ts'
import { watchAllKinds } from './kind-watch.ts'

interface Condition {
  type: string
  status: string
  reason: string
  message: string
  lastTransitionTime?: string
}

const done: readonly Condition[] = [
  {
    type: 'NamespaceDeletionDiscoveryFailure',
    status: 'False',
    reason: 'ResourcesDiscovered',
    message: 'All resources successfully discovered',
  },
  {
    type: 'NamespaceDeletionGroupVersionParsingFailure',
    status: 'False',
    reason: 'ParsedGroupVersions',
    message: 'All legacy kube types successfully parsed',
  },
  {
    type: 'NamespaceDeletionContentFailure',
    status: 'False',
    reason: 'ContentDeleted',
    message: 'All content successfully deleted, may be waiting on finalization',
  },
]

interface Remaining {
  resource: StoredResource
  objects: ApiObject[]
}

function describeContent(remaining: readonly Remaining[]): Condition {
  const type = 'NamespaceContentRemaining'
  const parts = remaining.map(
    ({ resource, objects }) => `${resource.plural}.${resource.group} has ${objects.length} resource instances`,
  )
  if (parts.length === 0)
    return { type, status: 'False', reason: 'ContentRemoved', message: 'All content successfully removed' }
  const message = `Some resources are remaining: ${parts.sort().join(', ')}`
  return { type, status: 'True', reason: 'SomeResourcesRemain', message }
}

function describeFinalizers(remaining: readonly Remaining[]): Condition {
  const type = 'NamespaceFinalizersRemaining'
  const counts = new Map<string, number>()
  for (const finalizer of remaining.flatMap(({ objects }) => objects.flatMap((each) => each.metadata.finalizers ?? [])))
    counts.set(finalizer, (counts.get(finalizer) ?? 0) + 1)
  const parts = [...counts].map(([finalizer, count]) => `${finalizer} in ${count} resource instances`)
  if (parts.length === 0) {
    const message = 'All content-preserving finalizers finished'
    return { type, status: 'False', reason: 'ContentHasNoFinalizers', message }
  }
  const message = `Some content in the namespace has finalizers remaining: ${parts.sort().join(', ')}`
  return { type, status: 'True', reason: 'SomeFinalizersRemain', message }
}

/** The conditions of a namespace that is going, as far as its content is there. */
export function describeRemaining(remaining: readonly Remaining[]): Condition[] {
  return [...done, describeContent(remaining), describeFinalizers(remaining)]
}

function listContent(store: Store, namespace: string): Remaining[] {
  return store.resources
    .filter((resource) => resource.namespaced)
    .map((resource) => ({ resource, objects: store.list(resource, namespace) }))
    .filter(({ objects }) => objects.length > 0)
}

const isOfPods = ({ resource }: Remaining): boolean => resource.group === '' && resource.plural === 'pods'

function removeContent(store: Store, content: readonly Remaining[]): void {
  for (const { resource, objects } of content)
    for (const object of objects) if (object.metadata.deletionTimestamp === undefined) remove(store, resource, object)
}

/** What is said while pods are left, which go first. */
function describeLeftPods(namespace: string, count: number): Condition[] {
  const message = `Failed to delete all resource types, ${count} remaining: unexpected items still remain in namespace: ${namespace} for gvr: /v1, Resource=pods`
  return describeRemaining([]).map((condition) =>
    condition.type === 'NamespaceDeletionContentFailure'
      ? { ...condition, status: 'True', reason: 'ContentDeletionFailed', message }
      : condition,
  )
}

const asConditions = (status: unknown): Condition[] =>
  isRecord(status) && Array.isArray(status['conditions']) ? (status['conditions'] as Condition[]) : []

function reportConditions(store: Store, name: string, conditions: readonly Condition[], nowMs: number): void {
  const apply = (namespace: ApiObject): void => {
    const old = asConditions(namespace['status'])
    const dated = conditions.map((condition) => {
      const same = old.find((each) => each.type === condition.type && each.message === condition.message)
      return { lastTransitionTime: same?.lastTransitionTime ?? formatTime(nowMs), ...condition }
    })
    namespace['status'] = { ...(isRecord(namespace['status']) ? namespace['status'] : {}), conditions: dated }
  }
  change(store, namespaces, { name }, { subresource: 'status', apply })
}

function releaseNamespace(store: Store, name: string): void {
  const apply = (namespace: ApiObject): void => {
    const spec = isRecord(namespace['spec']) ? namespace['spec'] : {}
    const finalizers: unknown[] = Array.isArray(spec['finalizers']) ? spec['finalizers'] : []
    namespace['spec'] = { ...spec, finalizers: finalizers.filter((each) => each !== 'kubernetes') }
  }
  change(store, namespaces, { name }, { subresource: 'finalize', apply })
}

/** Empties a namespace that is being deleted, says what still holds it, and lets it go when nothing does. */
export function startNamespaceDeletion({ store, timers }: ControllerContext): Controller {
  const reconcile = (name: string): void => {
    if (store.find(namespaces, { name })?.metadata.deletionTimestamp === undefined) return
    removeContent(store, listContent(store, name).filter(isOfPods))
    const left = listContent(store, name).find(isOfPods)
    if (left !== undefined) {
      // Nothing that a pod may still need goes before it.
      reportConditions(store, name, describeLeftPods(name, left.objects.length), timers.now())
      return
    }
    removeContent(store, listContent(store, name))
    const remaining = listContent(store, name)
    if (remaining.length === 0) releaseNamespace(store, name)
    else reportConditions(store, name, describeRemaining(remaining), timers.now())
  }
  const queue = new KeyQueue({ timers, reconcile })
  const onEvent = ({ type, object }: StoreEvent, resource: StoredResource): void => {
    if (resource.kind === 'Namespace' && resource.group === '') {
      if (type !== 'DELETED' && object.metadata.deletionTimestamp !== undefined) queue.add(object.metadata.name)
      return
    }
    const { namespace } = object.metadata
    if (namespace === undefined) return
    if (store.find(namespaces, { name: namespace })?.metadata.deletionTimestamp !== undefined) queue.add(namespace)
  }
  const end = watchAllKinds(store, onEvent)
  const stop = async (): Promise<void> => {
    end()
    await queue.stop()
  }
  return { drained: () => queue.drained(), stop }
}
