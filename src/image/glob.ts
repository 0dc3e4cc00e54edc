/** One step of a pattern for a file's name. */
type Token =
  | { kind: 'text'; text: string }
  | { kind: 'one' }
  | { kind: 'any' }
  | { kind: 'set'; isNegated: boolean; ranges: readonly [string, string][]; classes: readonly RegExp[] }

/** A pattern for one name between two slashes. */
export interface NamePattern {
  tokens: readonly Token[]
  /** True when no character of it is special: it is that name and no other. */
  isPlain: boolean
  /** The name that a plain pattern stands for. */
  text: string
}

/** Parses `*`, `?`, `[a-z]`, `[!a-z]`, `[[:digit:]]` and `\` as a POSIX shell does in the name of a file. */
export function parseNamePattern(text: string): NamePattern {
  const characters = Array.from(text)
  const tokens: Token[] = []
  for (let at = 0; at < characters.length; ) {
    const { token, length } = parseToken(characters, at)
    tokens.push(token)
    at += length
  }
  const plain = tokens.flatMap((token) => (token.kind === 'text' ? token.text : []))
  return { tokens, isPlain: plain.length === tokens.length, text: plain.join('') }
}

function parseToken(characters: readonly string[], at: number): { token: Token; length: number } {
  const character = characters[at] ?? ''
  const next = characters[at + 1]
  if (character === '*') return { token: { kind: 'any' }, length: 1 }
  if (character === '?') return { token: { kind: 'one' }, length: 1 }
  if (character === '\\' && next !== undefined) return { token: { kind: 'text', text: next }, length: 2 }
  const set = character === '[' ? parseSet(characters, at) : undefined
  return set ?? { token: { kind: 'text', text: character }, length: 1 }
}

/** Undefined when the bracket is not closed: it then stands for itself. */
function parseSet(characters: readonly string[], start: number): { token: Token; length: number } | undefined {
  const isNegated = characters[start + 1] === '!' || characters[start + 1] === '^'
  const first = start + (isNegated ? 2 : 1)
  // A closing bracket that stands first is a member.
  if (!characters.includes(']', first + 1)) return undefined
  const ranges: [string, string][] = []
  const classes: RegExp[] = []
  let at = first
  do {
    const { member, length } = parseMember(characters, at)
    if (member instanceof RegExp) classes.push(member)
    else ranges.push(member)
    at += length
  } while (at < characters.length && characters[at] !== ']')
  if (at >= characters.length) return undefined
  return { token: { kind: 'set', isNegated, ranges, classes }, length: at - start + 1 }
}

/** One character, a range or a class between brackets. */
function parseMember(characters: readonly string[], at: number): { member: [string, string] | RegExp; length: number } {
  const isClass = characters[at] === '[' && characters[at + 1] === ':'
  const [name] = (isClass && /^\[:[a-z]+:\]/.exec(characters.slice(at, at + 12).join(''))) || []
  const known = name === undefined ? undefined : characterClasses[name]
  if (name !== undefined && known !== undefined) return { member: known, length: name.length }
  const from = readMember(characters, at)
  const dash = at + from.length
  if (characters[dash] !== '-' || characters[dash + 1] === undefined || characters[dash + 1] === ']')
    return { member: [from.character, from.character], length: from.length }
  const to = readMember(characters, dash + 1)
  return { member: [from.character, to.character], length: from.length + 1 + to.length }
}

/** A character between brackets; behind a backslash it stands for itself. */
function readMember(characters: readonly string[], at: number): { character: string; length: number } {
  const [character = '', next] = characters.slice(at, at + 2)
  return character === '\\' && next !== undefined ? { character: next, length: 2 } : { character, length: 1 }
}

/** The classes of POSIX, as they are in the locale of containers. */
const characterClasses: Readonly<Record<string, RegExp>> = {
  '[:alpha:]': /[A-Za-z]/,
  '[:digit:]': /[0-9]/,
  '[:alnum:]': /[A-Za-z0-9]/,
  '[:lower:]': /[a-z]/,
  '[:upper:]': /[A-Z]/,
  '[:xdigit:]': /[0-9A-Fa-f]/,
  '[:punct:]': /[!-/:-@[-`{-~]/,
  '[:space:]': /[ \t-\r]/,
  '[:blank:]': /[ \t]/,
}

/** True when the pattern matches the whole name. As in a shell, only a written dot matches a dot at the name's beginning. */
export function matchesName({ tokens }: NamePattern, name: string): boolean {
  const characters = Array.from(name)
  if (characters[0] === '.' && !(tokens[0]?.kind === 'text' && tokens[0].text === '.')) return false
  // All tokens that can come next are followed at once, so that many stars cost no more than few.
  let states = skipStars(tokens, [0])
  for (const character of characters) {
    const next = states.flatMap((at) => {
      const token = tokens[at]
      if (token === undefined || !matchesCharacter(token, character)) return []
      return token.kind === 'any' ? at : at + 1
    })
    states = skipStars(tokens, next)
  }
  return states.includes(tokens.length)
}

/** Adds the places behind the stars, which may match nothing. */
function skipStars(tokens: readonly Token[], states: readonly number[]): number[] {
  const all = new Set(states)
  for (const at of all) if (tokens[at]?.kind === 'any') all.add(at + 1)
  return [...all]
}

function matchesCharacter(token: Token, character: string): boolean {
  if (token.kind === 'text') return token.text === character
  if (token.kind !== 'set') return true
  const { ranges, classes, isNegated } = token
  const isMember =
    ranges.some(([from, to]) => from <= character && character <= to) || classes.some((each) => each.test(character))
  return isMember !== isNegated
}
