import { type Convert, createConvert } from './conversion/webhook-conversion.ts'
import { asDefinition, toServed, type Definition } from './definition.ts'
import { cleanupFinalizer } from './definition-strategy.ts'
import type { StoreEvent } from './history.ts'
import type { GroupResource } from './object.ts'
import type { Registry } from './registry.ts'
import type { Store } from './store.ts'
import { customStrategy } from './strategy.ts'
import type { WebhookOptions } from './webhook-call.ts'

/** Where definitions are stored. */
export const definitions: GroupResource = { group: 'apiextensions.k8s.io', plural: 'customresourcedefinitions' }

/** Serves the kinds of the definitions that are stored, from the moment of their creation until their deletion. */
export function followDefinitions(store: Store, registry: Registry, webhooks: WebhookOptions): void {
  const watched = new Set<string>()
  const onDefinition = (event: StoreEvent): void => {
    const definition = asDefinition(event.object)
    if (!definition) return
    const kind = { group: definition.spec.group, plural: definition.spec.names.plural }
    if (event.type === 'DELETED') {
      registry.withdraw(kind)
      store.undefine(kind)
      watched.delete(definition.metadata.name)
      return
    }
    const find = (): Definition | undefined => {
      const current = store.find(definitions, { name: definition.metadata.name })
      return current && asDefinition(current)
    }
    serveVersions({ store, registry, convert: createConvert(find, webhooks) }, definition)
    if (!watched.has(definition.metadata.name)) {
      watched.add(definition.metadata.name)
      store.subscribe(kind, (change) => {
        if (change.type === 'DELETED') releaseWhenEmpty(store, definition.metadata.name, kind)
      })
    }
    if (definition.metadata.deletionTimestamp !== undefined) removeInstances(store, definition.metadata.name, kind)
  }
  store.subscribe(definitions, onDefinition)
}

interface Serving {
  store: Store
  registry: Registry
  convert: Convert
}

function serveVersions({ store, registry, convert }: Serving, definition: Definition): void {
  const { group, names, versions, scope } = definition.spec
  const stored = versions.find((version) => version.storage)
  if (!stored) return
  store.define({
    group,
    version: stored.name,
    kind: names.kind,
    plural: names.plural,
    namespaced: scope === 'Namespaced',
    strategy: customStrategy(versions.some((version) => version.subresources?.status !== undefined)),
  })
  const served = versions.filter((version) => version.served)
  registry.withdraw(
    { group, plural: names.plural },
    served.map((version) => version.name),
  )
  for (const version of served) registry.serve(toServed(definition, version, convert))
}

function removeInstances(store: Store, name: string, kind: GroupResource): void {
  for (const object of store.list(kind)) {
    if (object.metadata.deletionTimestamp !== undefined) continue
    const { namespace } = object.metadata
    store.delete(kind, { name: object.metadata.name, ...(namespace === undefined ? {} : { namespace }) })
  }
  releaseWhenEmpty(store, name, kind)
}

/** Removes the finalizer of a definition that is being deleted once no object of its kind is left. */
function releaseWhenEmpty(store: Store, name: string, kind: GroupResource): void {
  const definition = store.find(definitions, { name })
  if (definition?.metadata.deletionTimestamp === undefined || store.list(kind).length > 0) return
  const finalizers = (definition.metadata.finalizers ?? []).filter((finalizer) => finalizer !== cleanupFinalizer)
  if (finalizers.length === definition.metadata.finalizers?.length) return
  store.update(definitions, { ...definition, metadata: { ...definition.metadata, finalizers } })
}
