/** A Dockerfile that names more images than this has something else in mind. */
const mostImages = 100
const longestImage = 1024
const longestTemplate = 4096

/** The character that continues a line, which a first comment may change (Dockerfile: parser directives). */
function findEscape(lines: readonly string[]): string {
  for (const line of lines) {
    const [, name = '', value] = /^\s*#\s*([a-z]+)\s*=\s*(.*?)\s*$/i.exec(line) ?? []
    if (name === '') return '\\'
    if (name.toLowerCase() === 'escape') return value === '`' ? '`' : '\\'
  }
  return '\\'
}

/** The words that end the here-documents which begin on a line, in their order. */
function listHereDocuments(line: string): { word: string; isIndented: boolean }[] {
  if (!/^(?:run|copy|add)\s/i.test(line)) return []
  return [...line.matchAll(/(?<![<\w])<<(-?)(["']?)([A-Za-z_]\w*)\2/g)].map(([, dash, , word = '']) => ({
    word,
    isIndented: dash === '-',
  }))
}

/** The instructions of a Dockerfile, each on one line; comments and the content of here-documents are left out. */
export function listInstructions(text: string): string[] {
  const lines = text.replace(/^\ufeff/, '').split(/\r?\n/)
  const escape = findEscape(lines)
  const instructions: string[] = []
  let pending = ''
  for (let at = 0; at < lines.length; at += 1) {
    const line = lines[at] ?? ''
    // Comments and, within an instruction, empty lines do not end it.
    if (/^\s*#/.test(line) || line.trim() === '') continue
    const isContinued = line.trimEnd().endsWith(escape)
    pending += isContinued ? line.trimEnd().slice(0, -1) : line
    if (isContinued) continue
    instructions.push(pending.trim())
    at = skipHereDocuments(lines, at, pending.trim())
    pending = ''
  }
  return pending.trim() === '' ? instructions : [...instructions, pending.trim()]
}

/** The number of the last line of what begins on the line `at`: a here-document that nothing ends goes on to the last. */
function skipHereDocuments(lines: readonly string[], at: number, instruction: string): number {
  let last = at
  for (const { word, isIndented } of listHereDocuments(instruction)) {
    last += 1
    while (last < lines.length && (isIndented ? lines[last]?.replace(/^\t+/, '') : lines[last]) !== word) last += 1
    if (last >= lines.length) return lines.length
  }
  return last
}

const unquote = (text: string): string => /^(["'])(.*)\1$/s.exec(text)?.[2] ?? text

/** `$X`, `${X}`, `${X:-otherwise}` and `${X:+instead}`, as FROM lines may have them; what is not known is empty. */
function expand(text: string, variables: ReadonlyMap<string, string>): string {
  const short = unquote(text.slice(0, longestTemplate))
  const full = short.replace(/\$(?:\w+|\{\w+(?::[-+][^}]*)?\})/g, (variable) => {
    const [, name = '', operator, word = ''] = /^\$\{?(\w+)(?::([-+])([^}]*))?/.exec(variable) ?? []
    const value = variables.get(name) ?? ''
    if (operator === '-') return value === '' ? word : value
    return operator === '+' && value !== '' ? word : value
  })
  // Arguments may be made of each other: what is too long for a name is kept too long, and no longer.
  return full.slice(0, longestImage + 1)
}

function readArguments(
  words: readonly string[],
  given: ReadonlyMap<string, string>,
  variables: Map<string, string>,
): void {
  for (const word of words) {
    const [, name = '', fallback = ''] = /^([^=]+)(?:=(.*))?$/s.exec(word) ?? []
    if (name !== '') variables.set(name, given.get(name) ?? expand(fallback, variables))
  }
}

/** The words behind an instruction's name: quotes hold spaces together. */
const splitWords = (text: string): string[] => text.match(/(?:"[^"]*"|'[^']*'|[^\s"'])+/g) ?? []

/** What is known while the instructions of a Dockerfile are gone through. */
class BaseImages {
  readonly found = new Set<string>()
  readonly #given: ReadonlyMap<string, string>
  readonly #variables = new Map<string, string>()
  readonly #stages = new Set(['scratch'])
  #hasStage = false

  constructor(given: ReadonlyMap<string, string>) {
    this.#given = given
  }

  take(instruction: string): void {
    const [name = '', ...words] = splitWords(instruction)
    switch (name.toUpperCase()) {
      case 'ARG':
        if (!this.#hasStage) readArguments(words, this.#given, this.#variables)
        break
      case 'COPY':
      case 'ADD':
        for (const image of listCopied(words)) this.#add(image)
        break
      case 'RUN':
        for (const image of listMounted(words)) this.#add(image)
        break
      case 'FROM':
        this.#takeStage(words.filter((word) => !word.startsWith('--')))
        break
      default:
    }
  }

  #takeStage([image = '', as = '', stage = '']: readonly string[]): void {
    this.#hasStage = true
    this.#add(expand(image, this.#variables))
    if (as.toUpperCase() === 'AS') this.#stages.add(stage.toLowerCase())
  }

  #add(image: string): void {
    const isName = image !== '' && image.length <= longestImage
    if (isName && this.found.size < mostImages && !this.#stages.has(image.toLowerCase())) this.found.add(image)
  }
}

/** Stages may be named by their number too. */
const isNumber = (source: string): boolean => /^\d+$/.test(source)

function listCopied(words: readonly string[]): string[] {
  const sources = words.filter((word) => word.startsWith('--from=')).map((word) => unquote(word.slice(7)))
  return sources.filter((source) => !isNumber(source))
}

/** What the flags of a RUN line mount; they stand before its command. */
function listMounted(words: readonly string[]): string[] {
  const end = words.findIndex((word) => !word.startsWith('--'))
  const mounts = words.slice(0, end < 0 ? undefined : end).filter((word) => word.startsWith('--mount='))
  const sources = mounts.flatMap((mount) => [...mount.matchAll(/[=,]from=([^,]+)/g)].map(([, name = '']) => name))
  return sources.filter((source) => !isNumber(source))
}

/**
 * The images that a Dockerfile starts from (`FROM`), copies from (`COPY --from`, `ADD --from`) or mounts (`RUN --mount=…,from=`), with
 * build arguments put in: those of `given`, else the defaults of the `ARG` lines before the first `FROM`. Stages of the file itself and
 * `scratch` are not among them; at most 100 are looked at. A name may be none that a registry can be asked for.
 */
export function listBaseImages(dockerfile: string, given: ReadonlyMap<string, string>): string[] {
  const images = new BaseImages(given)
  for (const instruction of listInstructions(dockerfile)) images.take(instruction)
  return [...images.found]
}
