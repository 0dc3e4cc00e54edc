import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative, resolve } from 'node:path'

/** What each folder of src/ may import besides itself. `main` and tests may import all. See ARCHITECTURE.md. */
export const allowedImports: Readonly<Record<string, readonly string[]>> = {
  errors: [],
  api: ['errors'],
  kernel: ['api', 'errors'],
  kmod: ['errors'],
  oci: ['errors'],
  image: ['oci', 'kmod', 'api', 'errors'],
  kube: ['errors'],
  runtime: ['kube', 'errors'],
  controllers: ['runtime', 'kube', 'oci', 'kernel', 'kmod', 'image', 'api', 'errors'],
  hub: ['controllers', 'runtime', 'kube', 'oci', 'kernel', 'kmod', 'image', 'api', 'errors'],
  webhook: ['kube', 'kernel', 'api', 'errors'],
  worker: ['image', 'oci', 'kmod', 'api', 'errors'],
  cli: ['controllers', 'sandbox', 'image', 'kube', 'kernel', 'kmod', 'oci', 'api', 'errors'],
  sandbox: ['kube', 'api', 'oci', 'kmod', 'errors'],
}

const importPattern =
  /(?:^|\n)\s*(?:import|export)\s[^'"]*?from\s*['"](\.[^'"]+)['"]|import\s*\(\s*['"](\.[^'"]+)['"]\s*\)|(?:^|\n)\s*import\s*['"](\.[^'"]+)['"]/g

/** Every relative import of a source text, type imports included. */
export function parseRelativeImports(source: string): string[] {
  return [...source.matchAll(importPattern)].map((match) => match[1] ?? match[2] ?? match[3] ?? '')
}

function listSources(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith('.ts') && !entry.name.endsWith('.test.ts'))
    .map((entry) => join(entry.parentPath, entry.name))
    .sort()
}

function readImportGraph(src: string): Map<string, string[]> {
  const graph = new Map<string, string[]>()
  for (const file of listSources(src)) {
    const targets = parseRelativeImports(readFileSync(file, 'utf8')).map((target) => resolve(dirname(file), target))
    graph.set(file, targets)
  }
  return graph
}

const layerOf = (src: string, file: string): string => relative(src, file).split('/')[0] ?? ''

function findForbiddenImports(src: string, graph: Map<string, string[]>): string[] {
  const problems: string[] = []
  for (const [file, targets] of graph) {
    const from = layerOf(src, file)
    if (from === 'main') continue
    const allowed = allowedImports[from]
    if (!allowed) problems.push(`${relative(src, file)}: folder ${from}/ is not in scripts/layers.ts`)
    for (const target of targets) {
      const to = layerOf(src, target)
      if (!existsSync(target))
        problems.push(`${relative(src, file)} imports ${relative(src, target)}, which does not exist`)
      if (to !== from && allowed && !allowed.includes(to))
        problems.push(`${relative(src, file)} imports ${relative(src, target)}: ${from}/ must not import ${to}/`)
    }
  }
  return problems
}

function findCycles(src: string, graph: Map<string, string[]>): string[] {
  const done = new Set<string>()
  const problems: string[] = []
  const visit = (file: string, path: string[]): void => {
    const at = path.indexOf(file)
    if (at >= 0) {
      problems.push(`import cycle: ${[...path.slice(at), file].map((each) => relative(src, each)).join(' → ')}`)
      return
    }
    if (done.has(file)) return
    for (const target of graph.get(file) ?? []) visit(target, [...path, file])
    done.add(file)
  }
  for (const file of graph.keys()) visit(file, [])
  return problems
}

/** Lists every import in `src` that breaks the layers or closes a cycle, in words; empty when all is well. */
export function findLayerProblems(src: string): string[] {
  const graph = readImportGraph(src)
  return [...findForbiddenImports(src, graph), ...findCycles(src, graph)]
}
