import type { ModuleSpec } from '../../api/module.ts'
import type { FieldError } from '../../api/schema/field-error.ts'
import { quote, when, wrong } from './finding.ts'
import { isLabelValue } from './names.ts'

const versionOf = (spec: ModuleSpec): string => spec.moduleLoader?.container.version ?? ''

/** Ordered upgrade cannot be turned on or off for a Module that exists (upstream: Module rule on updates). */
export function validateVersionChange(spec: ModuleSpec, old: ModuleSpec, path: string): FieldError[] {
  const isTransition = (versionOf(spec) === '') !== (versionOf(old) === '')
  return when(spec.moduleLoader !== undefined && old.moduleLoader !== undefined && isTransition, () =>
    wrong(
      `${path}.moduleLoader.container.version`,
      'cannot be added to or removed from a Module that exists; delete the Module and create it anew',
    ),
  )
}

/** The label that says that `x.version` is loaded is the one that says the version of `x`. */
export function warnOfName(name: string): string[] {
  if (!name.endsWith('.version')) return []
  const other = name.slice(0, -'.version'.length)
  return [
    `metadata.name: where a Module ${quote(other)} of this namespace has a version, nodes have the same label for both; choose a name that does not end in .version`,
  ]
}

/** A version becomes the value of labels of nodes, which the API server refuses later if it cannot be one. */
export function warnOfVersion(spec: ModuleSpec, path: string): string[] {
  const version = versionOf(spec)
  if (isLabelValue(version)) return []
  return [
    `${path}.moduleLoader.container.version: ${quote(version)} cannot be the value of a node's label, so no node can be upgraded to it`,
  ]
}
