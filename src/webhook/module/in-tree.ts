import type { ModuleLoaderContainer } from '../../api/module.ts'
import { type InTreeFields, nonEmpty } from '../../kernel/merge.ts'

interface Place {
  path: string
  hasSingle: boolean
  hasList: boolean
}

const describe = (fields: InTreeFields, path: string): Place => ({
  path,
  hasSingle: nonEmpty(fields.inTreeModuleToRemove) !== undefined,
  hasList: fields.inTreeModulesToRemove !== undefined,
})

/**
 * Both forms of the in-tree modules together, in one place or over container and mapping. Upstream refuses that; here both count,
 * because the mission's own example has them both.
 */
export function warnOfInTreeForms(container: ModuleLoaderContainer, path: string): string[] {
  const whole = describe(container, path)
  const mappings = container.kernelMappings.map((each, index) => describe(each, `${path}.kernelMappings[${index}]`))
  const together = [whole, ...mappings].filter(({ hasSingle, hasList }) => hasSingle && hasList)
  const mixed = mappings.filter(
    (each) =>
      (each.hasList && !each.hasSingle && whole.hasSingle) || (each.hasSingle && !each.hasList && whole.hasList),
  )
  return [
    ...together.map(
      (each) =>
        `${each.path}.inTreeModuleToRemove: is deprecated and adds to inTreeModulesToRemove beside it; write all names into the list`,
    ),
    ...mixed.map(
      (each) =>
        `${each.path}: one of inTreeModuleToRemove and inTreeModulesToRemove adds to the other one of the container; use the list in both places`,
    ),
  ]
}
