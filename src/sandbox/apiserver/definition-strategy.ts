import { asDefinition, type Definition, type DefinitionCondition } from './definition.ts'
import { formatTime } from './deletion.ts'
import { statusStrategy, type Strategy } from './strategy.ts'

/** Holds a definition until the objects of its kind are gone. */
export const cleanupFinalizer = 'customresourcecleanup.apiextensions.k8s.io'

function condition(type: string, words: { reason: string; message: string }, nowMs: number): DefinitionCondition {
  return { lastTransitionTime: formatTime(nowMs), message: words.message, reason: words.reason, status: 'True', type }
}

function fillNames(definition: Definition): void {
  const { names } = definition.spec
  names.singular ??= names.kind.toLowerCase()
  names.listKind ??= `${names.kind}List`
  definition.spec.conversion ??= { strategy: 'None' }
  const { service } = definition.spec.conversion.webhook?.clientConfig ?? {}
  if (service) service.port ??= 443
}

function establish(definition: Definition, nowMs: number): void {
  definition.status = {
    acceptedNames: definition.spec.names,
    conditions: [
      condition('NamesAccepted', { reason: 'NoConflicts', message: 'no conflicts found' }, nowMs),
      condition(
        'Established',
        { reason: 'InitialNamesAccepted', message: 'the initial names have been accepted' },
        nowMs,
      ),
    ],
    storedVersions: definition.spec.versions.filter((version) => version.storage).map((version) => version.name),
  }
}

/** Definitions are established at once: their kinds are served as soon as they are stored. */
export function definitionStrategy(now: () => number): Strategy {
  return {
    ...statusStrategy,
    prepareForCreate: (object) => {
      const definition = asDefinition(object)
      if (!definition) return
      fillNames(definition)
      establish(definition, now())
      const others = (object.metadata.finalizers ?? []).filter((finalizer) => finalizer !== cleanupFinalizer)
      object.metadata.finalizers = [...others, cleanupFinalizer]
    },
    prepareForUpdate: (object, old) => {
      statusStrategy.prepareForUpdate(object, old)
      const definition = asDefinition(object)
      if (!definition) return
      fillNames(definition)
      const stored = definition.spec.versions.filter((version) => version.storage).map((version) => version.name)
      const storedVersions = [...new Set([...(definition.status?.storedVersions ?? []), ...stored])]
      definition.status = { ...definition.status, acceptedNames: definition.spec.names, storedVersions }
    },
    prepareForDelete: (object) => {
      const definition = asDefinition(object)
      if (!definition) return
      const conditions = (definition.status?.conditions ?? []).filter((each) => each.type !== 'Terminating')
      const words = { reason: 'InstanceDeletionInProgress', message: 'CustomResource deletion is in progress' }
      definition.status = {
        ...definition.status,
        conditions: [...conditions, condition('Terminating', words, now())],
      }
    },
  }
}
