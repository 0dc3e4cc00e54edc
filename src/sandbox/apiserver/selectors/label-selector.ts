import { badRequest } from '../status-error.ts'
import { explainSubdomain } from '../validation/names.ts'

/** Answers whether labels match. */
export type LabelMatcher = (labels: Readonly<Record<string, string>> | undefined) => boolean

type Requirement = (labels: Readonly<Record<string, string>>) => boolean

const keyPattern = /^([a-z0-9]([-a-z0-9.]*[a-z0-9])?\/)?([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]$/
const valuePattern = /^(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?$/
const tokenPattern = /\s*([!(),<>]|!=|==?|[^\s!(),<>=]+)/y

/** Parses a selector in the query's form (`a=b,c in (d,e),!f`); undefined when it selects everything. */
export function parseLabelSelector(text: string | null | undefined): LabelMatcher | undefined {
  if (text === null || text === undefined || text.trim() === '') return undefined
  const tokens = tokenize(text)
  const requirements: Requirement[] = []
  do {
    if (requirements.length > 0 && tokens.peek() === ',') throw badRequest("found ',', expected: identifier after ','")
    requirements.push(parseRequirement(tokens))
  } while (tokens.accept(','))
  if (tokens.peek() !== undefined) throw badRequest(`found '${tokens.peek()}', expected: ',' or 'end of string'`)
  return (labels = {}) => requirements.every((requirement) => requirement(labels))
}

interface Tokens {
  peek(): string | undefined
  next(): string | undefined
  accept(token: string): boolean
}

function tokenize(text: string): Tokens {
  const list: string[] = []
  tokenPattern.lastIndex = 0
  while (tokenPattern.lastIndex < text.trimEnd().length) {
    const match = nextToken(text)
    list.push(match)
  }
  let position = 0
  return {
    peek: () => list[position],
    next: () => list[position++],
    accept: (token) => {
      if (list[position] !== token) return false
      position++
      return true
    },
  }
}

function nextToken(text: string): string {
  const start = tokenPattern.lastIndex
  const match = tokenPattern.exec(text)
  if (!match) throw unparsable(`unexpected text at ${JSON.stringify(text.slice(start))}`)
  // The pattern takes `!` alone first, because it may stand before a key.
  if (match[1] === '!' && text[tokenPattern.lastIndex] === '=') {
    tokenPattern.lastIndex++
    return '!='
  }
  return match[1] ?? ''
}

function parseRequirement(tokens: Tokens): Requirement {
  if (tokens.accept('!')) {
    const absent = parseKey(tokens)
    return (labels) => labels[absent] === undefined
  }
  const key = parseKey(tokens)
  const operator = tokens.peek()
  if (operator === undefined || operator === ',') return (labels) => labels[key] !== undefined
  tokens.next()
  return parseOperation(key, operator, tokens)
}

function parseOperation(key: string, operator: string, tokens: Tokens): Requirement {
  switch (operator) {
    case '=':
    case '==': {
      const value = parseValue(tokens)
      return (labels) => labels[key] === value
    }
    case '!=': {
      const value = parseValue(tokens)
      return (labels) => labels[key] !== value
    }
    case 'in': {
      const values = parseValues(tokens)
      return (labels) => labels[key] !== undefined && values.has(labels[key])
    }
    case 'notin': {
      const values = parseValues(tokens)
      return (labels) => labels[key] === undefined || !values.has(labels[key])
    }
    case '<':
    case '>':
      return parseComparison(key, operator, tokens)
    default:
      throw unparsable(`found '${operator}', expected: in, notin, =, ==, !=, gt, lt`)
  }
}

function parseComparison(key: string, operator: '<' | '>', tokens: Tokens): Requirement {
  const text = parseValue(tokens)
  if (!/^[-+]?\d+$/.test(text)) {
    throw unparsable(
      `values[0]: Invalid value: ${JSON.stringify(text)}: for 'Gt', 'Lt' operators, the value must be an integer`,
    )
  }
  const limit = Number(text)
  return (labels) => {
    const value = labels[key]
    if (value === undefined || !/^[-+]?\d+$/.test(value)) return false
    return operator === '<' ? Number(value) < limit : Number(value) > limit
  }
}

function parseKey(tokens: Tokens): string {
  const key = tokens.next()
  if (key === undefined || /^[=!<>(),]/.test(key))
    throw badRequest(`found '${key ?? ''}', expected: !, identifier, or 'end of string'`)
  if (!keyPattern.test(key)) throw unparsable(`<nil>: Invalid value: ${JSON.stringify(key)}: ${explainKey(key)}`)
  return key
}

function explainKey(key: string): string {
  const slash = key.indexOf('/')
  const why = slash < 0 ? undefined : explainSubdomain(key.slice(0, slash))
  return why === undefined ? 'is no label key' : `prefix part ${why}`
}

/** A value may be empty: `a=` selects objects whose label `a` is the empty string. */
function parseValue(tokens: Tokens): string {
  const next = tokens.peek()
  if (next === undefined || next === ',') return ''
  tokens.next()
  if (!valuePattern.test(next)) throw unparsable(`values: Invalid value: ${JSON.stringify(next)}: is no label value`)
  return next
}

function parseValues(tokens: Tokens): Set<string> {
  if (!tokens.accept('(')) throw unparsable(`found '${tokens.peek() ?? ''}' expected: '('`)
  const values = new Set<string>()
  do values.add(tokens.peek() === ')' || tokens.peek() === ',' ? '' : parseValue(tokens))
  while (tokens.accept(','))
  if (!tokens.accept(')')) throw unparsable(`found '${tokens.peek() ?? ''}', expected: ',' or ')'`)
  return values
}

const unparsable = (why: string): Error => badRequest(`unable to parse requirement: ${why}`)
