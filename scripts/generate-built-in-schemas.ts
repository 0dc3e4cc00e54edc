/**
 * Writes src/sandbox/apiserver/validation/built-in.generated.ts, the shapes of the built-in kinds that the sandbox serves,
 * from Kubernetes' own OpenAPI document, without its prose.
 *
 *   go mod download k8s.io/kubernetes@v1.36.2
 *   npx tsx scripts/generate-built-in-schemas.ts "$(go env GOMODCACHE)/k8s.io/kubernetes@v1.36.2/api/openapi-spec"
 *
 * The result is committed, so `npm run generate` needs no Go. Run it again when the sandbox serves another built-in kind.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { builtInResources } from '../src/sandbox/apiserver/built-in-resources.ts'

const output = 'src/sandbox/apiserver/validation/built-in.generated.ts'
const dropped = ['description', 'x-kubernetes-group-version-kind', 'x-kubernetes-unions', 'externalDocs']

type Node = { [key: string]: unknown }

const isNode = (value: unknown): value is Node => typeof value === 'object' && value !== null && !Array.isArray(value)

const folder = process.argv[2]
if (folder === undefined) {
  console.error(
    'Usage: tsx scripts/generate-built-in-schemas.ts FOLDER, where FOLDER is api/openapi-spec of k8s.io/kubernetes',
  )
  process.exit(1)
}
const definitions: Record<string, Node> = JSON.parse(readFileSync(join(folder, 'swagger.json'), 'utf8')).definitions

/** `core.v1.Pod` for io.k8s.api.core.v1.Pod; for other packages the last three parts. */
function shorten(name: string): string {
  return name.split('.').slice(-3).join('.')
}

function trim(value: unknown, isProperties = false): unknown {
  if (Array.isArray(value)) return value.map((item) => trim(item))
  if (!isNode(value)) return value
  const kept = Object.entries(value).filter(([key]) => isProperties || !dropped.includes(key))
  return Object.fromEntries(
    kept.map(([key, child]) =>
      key === '$ref' && typeof child === 'string'
        ? ['$ref', shorten(child.slice('#/definitions/'.length))]
        : [key, trim(child, key === 'properties' && !isProperties)],
    ),
  )
}

function listReferences(value: unknown): string[] {
  if (Array.isArray(value)) return value.flatMap(listReferences)
  if (!isNode(value)) return []
  const own = typeof value['$ref'] === 'string' ? [value['$ref'].slice('#/definitions/'.length)] : []
  return [...own, ...Object.values(value).flatMap(listReferences)]
}

function findRoot(group: string, version: string, kind: string): string {
  const matches = (candidate: unknown): boolean =>
    isNode(candidate) && candidate['group'] === group && candidate['version'] === version && candidate['kind'] === kind
  const found = Object.entries(definitions).find(([, definition]) => {
    const names = definition['x-kubernetes-group-version-kind']
    return Array.isArray(names) && names.length === 1 && names.some(matches)
  })
  if (found === undefined) throw new Error(`the OpenAPI document has no ${group}/${version} ${kind}`)
  return found[0]
}

const roots: Record<string, string> = {}
const wanted = new Map<string, unknown>()
const queue: string[] = []
for (const { group, version, kind } of builtInResources) {
  const name = findRoot(group, version, kind)
  roots[`${group}/${version}/${kind}`] = shorten(name)
  queue.push(name)
}
for (let name = queue.shift(); name !== undefined; name = queue.shift()) {
  if (wanted.has(shorten(name))) continue
  const definition = definitions[name]
  if (definition === undefined) throw new Error(`the OpenAPI document has no ${name}`)
  wanted.set(shorten(name), trim(definition))
  queue.push(...listReferences(definition))
}
const sorted = Object.fromEntries([...wanted].sort(([a], [b]) => (a < b ? -1 : 1)))
writeFileSync(
  output,
  `// Written by scripts/generate-built-in-schemas.ts from Kubernetes' OpenAPI document. Do not edit.

/** A definition of the document; \`$ref\` is the name of another. */
export interface BuiltInDefinition {
  $ref?: string
  type?: string
  format?: string
  properties?: Record<string, BuiltInDefinition>
  items?: BuiltInDefinition
  additionalProperties?: BuiltInDefinition
  default?: unknown
  required?: string[]
  'x-kubernetes-patch-merge-key'?: string
  'x-kubernetes-patch-strategy'?: string
  'x-kubernetes-list-type'?: string
  'x-kubernetes-list-map-keys'?: string[]
  'x-kubernetes-map-type'?: string
}

/** The definition of each built-in kind, by \`group/version/Kind\`. */
export const builtInRoots: Readonly<Record<string, string>> = ${JSON.stringify(roots)}

// oxlint-disable-next-line
export const builtInDefinitions: Readonly<Record<string, BuiltInDefinition>> = ${JSON.stringify(sorted).replaceAll('},"', '},\n"')}
`,
)
