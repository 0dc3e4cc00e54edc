import { hasCode } from '../errors/error.ts'
import { parseReference, type Reference } from '../oci/reference.ts'

/** More images than this are not looked for in one Dockerfile. */
const mostImages = 100

/**
 * The images that a Dockerfile may pull: of FROM, of COPY and ADD --from, of RUN --mount. They are read to know which registries
 * are talked to, and how; so a name too many does no harm, and what cannot be read is left to the builder. `buildArgs` are
 * `NAME=VALUE` each.
 */
export function listBaseImages(dockerfile: string, buildArgs: readonly string[]): Reference[] {
  const state: Scan = { given: new Map(buildArgs.map(splitPair)), values: new Map(), stages: new Set(['scratch']) }
  const names = new Set(joinLines(dockerfile).flatMap((line) => readLine(line, state)))
  return [...names].slice(0, mostImages).flatMap(tryParse)
}

/** What is known at a line. */
interface Scan {
  given: ReadonlyMap<string, string>
  /** Of the arguments that were declared so far. */
  values: Map<string, string>
  /** Names that are stages, and no images. */
  stages: Set<string>
}

/** The images that a line names; what it declares is noted. */
function readLine(line: string, { given, values, stages }: Scan): string[] {
  const [, instruction = '', rest = ''] = /^\s*([A-Za-z]+)\s+(.*)$/.exec(line) ?? []
  const word = instruction.toUpperCase()
  if (word === 'ARG')
    for (const [name, value] of readArguments(rest)) values.set(name, given.get(name) ?? substitute(value, values))
  const { images, stage }: ReturnType<typeof readFrom> =
    word === 'FROM' ? readFrom(rest) : { images: listSources(word, rest) }
  const names = images.map((text) => substitute(text, values)).filter((name) => isImage(name, stages))
  if (stage !== undefined) stages.add(stage.toLowerCase())
  return names
}

/** Stages have names and numbers. */
function isImage(name: string, stages: ReadonlySet<string>): boolean {
  return name !== '' && !stages.has(name.toLowerCase()) && !/^\d+$/.test(name)
}

function splitPair(pair: string): [string, string] {
  const at = pair.indexOf('=')
  return at < 0 ? [pair, ''] : [pair.slice(0, at), pair.slice(at + 1)]
}

/** Lines without comments, joined where they end in the escape character. */
function joinLines(text: string): string[] {
  const escape = /^\s*#\s*escape\s*=\s*`\s*$/im.test(text.slice(0, 500)) ? '`' : '\\'
  const lines: string[] = []
  let open = ''
  for (const line of text.split(/\r?\n/)) {
    if (/^\s*#/.test(line)) continue
    const trimmed = line.trimEnd()
    if (trimmed.endsWith(escape)) {
      open += `${trimmed.slice(0, -1)} `
      continue
    }
    lines.push(open + line)
    open = ''
  }
  return open === '' ? lines : [...lines, open]
}

function readArguments(rest: string): [string, string][] {
  const words = rest.match(/[A-Za-z_]\w*(?:=(?:"[^"]*"|'[^']*'|\S*))?/g) ?? []
  return words.map((word): [string, string] => {
    const [name, value] = splitPair(word)
    return [name, value.replace(/^(["'])(.*)\1$/, '$2')]
  })
}

function readFrom(rest: string): { images: string[]; stage?: string } {
  const words = rest.split(/\s+/).filter((word) => word !== '' && !word.startsWith('--'))
  const [image = '', as = '', stage] = words
  return { images: [image], ...(as.toLowerCase() === 'as' && stage !== undefined ? { stage } : {}) }
}

function listSources(word: string, rest: string): string[] {
  if (word === 'COPY' || word === 'ADD') return [...rest.matchAll(/(?:^|\s)--from=(\S+)/g)].map(([, name = '']) => name)
  if (word !== 'RUN') return []
  const mounts = rest.match(/--mount=\S+/g) ?? []
  return mounts.flatMap((mount) => [...mount.matchAll(/[=,]from=([^,\s]+)/g)].map(([, name = '']) => name))
}

/** `$X`, `${X}`, `${X:-otherwise}` and `${X:+instead}`. */
function substitute(text: string, values: ReadonlyMap<string, string>): string {
  return text.replace(/\$(?:\w+|\{\w+(?::[-+][^}]*)?\})/g, (variable) => {
    const [, name = '', operator, word = ''] = /^\$\{?(\w+)(?::([-+])([^}]*))?/.exec(variable) ?? []
    const value = values.get(name) ?? ''
    if (operator === '-') return value === '' ? word : value
    return operator === '+' && value !== '' ? word : value
  })
}

function tryParse(name: string): Reference[] {
  try {
    return [parseReference(name.replace(/^docker:\/\//, ''))]
  } catch (error) {
    if (hasCode(error, 'ReferenceInvalid')) return []
    throw error
  }
}
