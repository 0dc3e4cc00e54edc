import type { OpenApiSchema } from '../hooks.ts'
import { type BuiltInDefinition, builtInDefinitions, builtInRoots } from '../validation/built-in.generated.ts'

/** The groups whose definitions are not in the package of API types. */
const machineryNames: Readonly<Record<string, string>> = {
  meta: 'io.k8s.apimachinery.pkg.apis.',
  api: 'io.k8s.apimachinery.pkg.',
  util: 'io.k8s.apimachinery.pkg.',
  pkg: 'io.k8s.apimachinery.',
  apiextensions: 'io.k8s.apiextensions-apiserver.pkg.apis.',
}

/** `io.k8s.api.core.v1.Pod` for `core.v1.Pod`. */
function longNameOf(name: string): string {
  const [first = ''] = name.split('.')
  return `${machineryNames[first] ?? 'io.k8s.api.'}${name}`
}

function describe(definition: BuiltInDefinition, isNested = false): OpenApiSchema {
  const { $ref, properties, items, additionalProperties, ...rest } = definition
  if ($ref !== undefined) {
    const link = { $ref: `#/components/schemas/${longNameOf($ref)}` }
    return isNested ? { allOf: [link], ...(isPlain($ref) ? {} : { default: {} }) } : link
  }
  const named = Object.entries(properties ?? {}).map(([name, each]) => [name, describe(each, true)])
  return {
    ...rest,
    ...(properties === undefined ? {} : { properties: Object.fromEntries(named) as OpenApiSchema }),
    ...(items === undefined ? {} : { items: describe(items, true) }),
    ...(additionalProperties === undefined ? {} : { additionalProperties: describe(additionalProperties, true) }),
  }
}

/** True for a definition that is a plain value, such as a time or a quantity. */
const isPlain = (name: string): boolean => builtInDefinitions[name]?.properties === undefined

function listReferences(definition: BuiltInDefinition): string[] {
  const { $ref, properties = {}, items, additionalProperties } = definition
  const inner = [...Object.values(properties), items, additionalProperties].filter((each) => each !== undefined)
  return [...($ref === undefined ? [] : [$ref]), ...inner.flatMap(listReferences)]
}

/** The schemas of the named definitions and of all that they refer to, by their long names. */
function collect(names: readonly string[]): Record<string, OpenApiSchema> {
  const found = new Set(names)
  for (const name of found) for (const each of listReferences(builtInDefinitions[name] ?? {})) found.add(each)
  return Object.fromEntries(
    [...found].sort().map((name) => [longNameOf(name), describe(builtInDefinitions[name] ?? {})]),
  )
}

/** The long name of a built-in kind's definition; undefined for a kind that is none. */
export function builtInComponentName(group: string, version: string, kind: string): string | undefined {
  const name = builtInRoots[`${group}/${version}/${kind}`]
  return name === undefined ? undefined : longNameOf(name)
}

/** The schema of a built-in kind with all that it refers to. */
export function builtInComponents(group: string, version: string, kind: string): Record<string, OpenApiSchema> {
  const name = builtInRoots[`${group}/${version}/${kind}`]
  return name === undefined ? {} : collect([name])
}

/** The name of the metadata of every object. */
export const metadataName = longNameOf('meta.v1.ObjectMeta')

/** The schema of the metadata of every object with all that it refers to. */
export const metadataComponents = (): Record<string, OpenApiSchema> => collect(['meta.v1.ObjectMeta'])
