import type { Json } from './compare.ts'

/** One behaviour: `observe` makes it happen on a target and answers with what was seen there, as plain JSON. */
export interface Case<Context> {
  /** A sentence; unique in its file. */
  name: string
  observe(context: Context): Promise<unknown>
}

/** A rule that replaces what differs from run to run by a word that says what it was. */
export type Replacement = readonly [pattern: RegExp, word: string]

const uuid = /\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b/g
const versionInText = /(resourceVersion[^0-9\n]{0,60}?|resource version[^0-9\n]{0,20}?|current: )(\d+)\b/gi

const everywhere: readonly Replacement[] = [
  [/\b\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z/g, '<time>'],
  [/\b\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d [+\w]+/g, '<time>'],
  // A patch that leaves no object is told of with the object in full, whatever else has been written to it.
  [/(?<=patch: Invalid value: |^Invalid value: )"\{\\?"apiVersion.*\}"(?=: )/s, '<object>'],
  [/https:\/\/kubernetes\.default\.svc(\.cluster\.local)?(?=$|")/g, '<issuer>'],
  [/kube-api-access-[a-z0-9]{5}\b/g, 'kube-api-access-<suffix>'],
  [/\((\d+[smhd]){1,2} ago\)/g, '(<age> ago)'],
  [/\beyJ[\w-]+\.[\w-]+\.[\w-]+/g, '<token>'],
]

/** An age in a column of a table. */
const age = /^(\d+[smhdy]){1,2}( ago)?$/

type Fields = Record<string, unknown>

const isFields = (value: unknown): value is Fields =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

/** Numbers things in the order in which they are first seen, so that what is the same stays recognisable. */
class Numbering {
  readonly #numbers = new Map<string, number>()
  readonly #word: string

  constructor(word: string) {
    this.#word = word
  }

  nameOf(text: string): string {
    const number = this.#numbers.get(text) ?? this.#numbers.size + 1
    this.#numbers.set(text, number)
    return `<${this.#word} ${number}>`
  }

  has(text: string): boolean {
    return this.#numbers.has(text)
  }
}

/** Makes observations of one case comparable: uids, versions, times and generated names become words. */
export class Normaliser {
  readonly #uids = new Numbering('uid')
  readonly #versions = new Numbering('version')
  readonly #generated = new Map<string, string>()
  readonly #replacements: readonly Replacement[]

  /** `replacements` come before those that every case needs. */
  constructor(replacements: readonly Replacement[] = []) {
    this.#replacements = [...replacements, ...everywhere]
  }

  normalise(value: unknown): Json {
    this.#learnNames(value)
    return this.#visit(value)
  }

  /** The server finds the faults of an object in any order. */
  #failure(status: Fields, details: Fields, causes: unknown[]): Json {
    const text = (cause: unknown): string =>
      isFields(cause) ? `${String(cause['field'])} ${String(cause['message'])}` : ''
    const sorted = causes.toSorted((a, b) => (text(a) < text(b) ? -1 : 1))
    const message = String(status['message']).replace(/ is invalid: \[.*\]$/s, ' is invalid: [<causes>]')
    return this.#fields({ ...status, message, details: { ...details, causes: sorted } })
  }

  #learnNames(value: unknown): void {
    if (Array.isArray(value)) for (const each of value) this.#learnNames(each)
    if (!isFields(value)) return
    const { name, generateName } = value
    if (typeof name === 'string' && typeof generateName === 'string' && name.length === generateName.length + 5)
      if (!this.#generated.has(name)) this.#generated.set(name, `${generateName}<suffix ${this.#generated.size + 1}>`)
    for (const each of Object.values(value)) this.#learnNames(each)
  }

  #visit(value: unknown): Json {
    if (typeof value === 'string') return this.#text(value)
    if (typeof value === 'number' || typeof value === 'boolean' || value === null) return value
    if (Array.isArray(value)) return value.map((each) => this.#visit(each))
    if (!isFields(value)) return null
    const { kind, details } = value
    if (kind === 'Status' && isFields(details) && Array.isArray(details['causes']) && details['causes'].length > 1)
      return this.#failure(value, details, details['causes'])
    return this.#fields(value)
  }

  #fields(value: Fields): Json {
    const isList = Array.isArray(value['items']) || value['kind'] === 'Table'
    const names = Object.keys(value).sort()
    const entries = names.flatMap((name): [string, Json][] => {
      const child = value[name]
      if (child === undefined || name === 'managedFields') return []
      if (name === 'metadata' && isList && isFields(child)) return [[name, this.#listMeta(child)]]
      return [[this.#text(name), this.#field(name, child)]]
    })
    return Object.fromEntries(entries)
  }

  /** A list's version depends on everything that happens in the cluster. */
  #listMeta(metadata: Fields): Json {
    const { resourceVersion, ...rest } = metadata
    const visited = this.#visit(rest) as { [name: string]: Json }
    return resourceVersion === undefined ? visited : { ...visited, resourceVersion: '<list version>' }
  }

  #field(name: string, child: unknown): Json {
    if (typeof child !== 'string' || child === '') return this.#visit(child)
    if (name === 'resourceVersion') return this.#versions.nameOf(child)
    if (name === 'continue') return '<continue>'
    if (name === 'controller-revision-hash') return '<hash>'
    return this.#visit(child)
  }

  #text(text: string): string {
    if (age.test(text)) return '<age>'
    let result = text
    for (const [name, word] of this.#generated) result = result.replaceAll(name, word)
    for (const [pattern, word] of this.#replacements) result = result.replace(pattern, word)
    result = result.replace(uuid, (uid) => this.#uids.nameOf(uid))
    return result.replace(versionInText, (_whole, before: string, version: string) =>
      this.#versions.has(version) ? before + this.#versions.nameOf(version) : `${before}<some version>`,
    )
  }
}
