import type { Build, BuildArg, Sign } from '../api/module.ts'

/** The in-tree fields, which the container and each mapping have. */
export interface InTreeFields {
  inTreeModuleToRemove?: string
  inTreeModulesToRemove?: readonly string[]
}

/**
 * The build of a mapping (upstream: merging). Where container and mapping both have one, the mapping gives the Dockerfile, replaces
 * arguments of the same name, and adds its other arguments, sorted, and its secrets; the rest is the container's.
 */
export function mergeBuild(container: Build | undefined, mapping: Build | undefined): Build | undefined {
  if (container === undefined || mapping === undefined) return mapping ?? container
  const merged: Build = { ...container, dockerfileConfigMap: mapping.dockerfileConfigMap }
  const buildArgs = mergeBuildArguments(container.buildArgs ?? [], mapping.buildArgs ?? [])
  if (buildArgs.length > 0) merged.buildArgs = buildArgs
  const secrets = [...(container.secrets ?? []), ...(mapping.secrets ?? [])]
  if (secrets.length > 0) merged.secrets = secrets
  return merged
}

/** Replaces arguments by those of the same name, in their place, and appends the others sorted by name. */
export function mergeBuildArguments(present: readonly BuildArg[], overriding: readonly BuildArg[]): BuildArg[] {
  const values = new Map(overriding.map(({ name, value }) => [name, value]))
  const merged = present.map(({ name, value }) => ({ name, value: values.get(name) ?? value }))
  const replaced = new Set(present.map(({ name }) => name))
  const added = [...values].filter(([name]) => !replaced.has(name)).map(([name, value]) => ({ name, value }))
  return [...merged, ...added.toSorted((left, right) => (left.name < right.name ? -1 : 1))]
}

/**
 * The signing of a mapping (upstream: merging). Where container and mapping both have one, the mapping gives keys and, if it names
 * one, the unsigned image, and adds its files; the rest is the container's.
 */
export function mergeSign(container: Sign | undefined, mapping: Sign | undefined): Sign | undefined {
  if (container === undefined || mapping === undefined) return mapping ?? container
  const merged: Sign = { ...container, keySecret: mapping.keySecret, certSecret: mapping.certSecret }
  if (mapping.unsignedImage !== undefined && mapping.unsignedImage !== '') merged.unsignedImage = mapping.unsignedImage
  const files = [...(container.filesToSign ?? []), ...(mapping.filesToSign ?? [])]
  if (files.length > 0) merged.filesToSign = files
  return merged
}

/**
 * The in-tree modules to remove before a load. The mapping's list if it has one (also an empty one), else the container's; the single
 * form likewise; then both together without duplicates (mission: its example sets both; upstream let the single replace the list).
 */
export function mergeInTreeModules(container: InTreeFields, mapping: InTreeFields): string[] {
  const list = mapping.inTreeModulesToRemove ?? container.inTreeModulesToRemove ?? []
  const single = nonEmpty(mapping.inTreeModuleToRemove) ?? nonEmpty(container.inTreeModuleToRemove)
  return [...new Set(single === undefined ? list : [...list, single])]
}

/** The text, or undefined when it is empty. */
export function nonEmpty(text: string | undefined): string | undefined {
  return text === '' ? undefined : text
}
