import { isJsonObject, joinPath, memberOf } from './json.ts'
import type { Json, StructuralSchema } from './schema.ts'

/** The fields of a whole object that the API server checks by itself, whatever the schema says. */
const rootFields: readonly string[] = ['apiVersion', 'kind', 'metadata']

/** What pruning needs to know besides the schema. */
export interface PruneOptions {
  /** The value is a whole object: `apiVersion`, `kind` and `metadata` are left alone. */
  root: boolean
  /** Only lists the unknown fields. */
  keep?: boolean
}

/** Removes, in place, the fields that the schema does not know, and returns their paths: `spec.modules[0].foo`. */
export function pruneUnknown(value: Json, schema: StructuralSchema, options: PruneOptions): string[] {
  const unknown: string[] = []

  const pruneField = (object: { [key: string]: Json }, name: string, path: string, parent: StructuralSchema): void => {
    const field = object[name]
    const member = memberOf(parent, name)
    if (member !== undefined && field !== undefined) return prune(field, member, path, false)
    if (parent['x-kubernetes-preserve-unknown-fields'] === true) return
    unknown.push(path)
    if (options.keep !== true) delete object[name]
  }

  const prune = (node: Json, nodeSchema: StructuralSchema, path: string, isRoot: boolean): void => {
    if (Array.isArray(node)) {
      const items = nodeSchema.items
      if (items) node.forEach((item, index) => prune(item, items, `${path}[${index}]`, false))
    } else if (isJsonObject(node)) {
      const whole = isRoot || nodeSchema['x-kubernetes-embedded-resource'] === true
      for (const name of Object.keys(node))
        if (!(whole && rootFields.includes(name))) pruneField(node, name, joinPath(path, name), nodeSchema)
    }
  }

  prune(value, schema, '', options.root)
  return unknown
}
