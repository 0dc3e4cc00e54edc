/** One challenge of a WWW-Authenticate header: the scheme in lower case and its parameters, names in lower case. */
export interface Challenge {
  scheme: string
  parameters: Readonly<Record<string, string>>
}

const maximumLength = 16_384
const maximumChallenges = 16
const tokenPattern = /[!#$%&'*+.^_`|~0-9A-Za-z-]+/y
const token68Pattern = /[A-Za-z0-9._~+/-]+=*(?=[ \t]*(?:,|$))/y

class Scanner {
  readonly text: string
  position = 0

  constructor(text: string) {
    this.text = text
  }

  take(pattern: RegExp): string | undefined {
    pattern.lastIndex = this.position
    const match = pattern.exec(this.text)?.[0]
    if (match !== undefined) this.position += match.length
    return match
  }

  takeCharacter(character: string): boolean {
    if (this.text[this.position] !== character) return false
    this.position += 1
    return true
  }

  skip(characters: string): void {
    while (this.position < this.text.length && characters.includes(this.text.charAt(this.position))) this.position += 1
  }

  get done(): boolean {
    return this.position >= this.text.length
  }
}

function takeQuoted(scanner: Scanner): string | undefined {
  if (!scanner.takeCharacter('"')) return undefined
  let value = ''
  while (!scanner.done) {
    const character = scanner.text.charAt(scanner.position)
    scanner.position += 1
    if (character === '"') return value
    if (character !== '\\') value += character
    else {
      value += scanner.text.charAt(scanner.position)
      scanner.position += 1
    }
  }
  return undefined
}

/** Takes `name = value`; what is no parameter leaves the position where it was. */
function takeParameter(scanner: Scanner): [string, string] | undefined {
  const start = scanner.position
  const name = scanner.take(new RegExp(tokenPattern))
  scanner.skip(' \t')
  if (name !== undefined && scanner.takeCharacter('=')) {
    scanner.skip(' \t')
    const value = scanner.text[scanner.position] === '"' ? takeQuoted(scanner) : scanner.take(new RegExp(tokenPattern))
    if (value !== undefined) return [name.toLowerCase(), value]
  }
  scanner.position = start
  return undefined
}

function takeParameters(scanner: Scanner): Map<string, string> {
  const parameters = new Map<string, string>()
  for (;;) {
    const start = scanner.position
    scanner.skip(', \t')
    const parameter = takeParameter(scanner)
    if (!parameter) {
      scanner.position = start
      return parameters
    }
    // The first value of a name stands: a second one is a mistake or an attack.
    if (!parameters.has(parameter[0])) parameters.set(...parameter)
  }
}

/**
 * Parses the WWW-Authenticate headers of an answer (RFC 9110, section 11): several challenges in one header, quoted strings,
 * bare tokens. It never throws: what cannot be read ends the list, and headers over 16 KiB are ignored.
 */
export function parseChallenges(header: string | readonly string[] | undefined): Challenge[] {
  const text = typeof header === 'string' ? header : (header ?? []).join(', ')
  if (text.length > maximumLength) return []
  const scanner = new Scanner(text)
  const challenges: Challenge[] = []
  while (challenges.length < maximumChallenges) {
    scanner.skip(', \t')
    const scheme = scanner.take(new RegExp(tokenPattern))
    if (scheme === undefined) break
    scanner.skip(' \t')
    const parameters = takeParameters(scanner)
    if (parameters.size === 0) scanner.take(new RegExp(token68Pattern))
    challenges.push({ scheme: scheme.toLowerCase(), parameters: Object.fromEntries(parameters) })
  }
  return challenges
}
