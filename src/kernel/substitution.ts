import { KmmError } from '../errors/error.ts'

/** Values by name; a name that is not in it is unset. */
export type Variables = ReadonlyMap<string, string>

/**
 * Replaces shell-like variables (upstream: variable substitution): `$VAR`, `${VAR}`, `${VAR-word}`, `${VAR=word}`, `${VAR:-word}`, `${VAR:=word}`,
 * `${VAR+word}`, `${VAR:+word}`, and `$$` for a dollar sign. A word is text, or `$OTHER`. Unset variables are empty. `$_` and `${_}`
 * stay as they are. Throws MappingInvalid when a `${` is not closed on its line.
 */
export function substitute(template: string, variables: Variables): string {
  let result = ''
  let position = 0
  while (position < template.length) {
    const dollar = template.indexOf('$', position)
    if (dollar < 0) return result + template.slice(position)
    result += template.slice(position, dollar)
    const { text, end } = expand(template, dollar, variables)
    result += text
    position = end
  }
  return result
}

interface Expansion {
  text: string
  /** Where the text after it begins. */
  end: number
}

function expand(template: string, dollar: number, variables: Variables): Expansion {
  const next = template[dollar + 1]
  if (next === '$') return { text: '$', end: dollar + 2 }
  if (next === '{') return expandBraces(template, dollar, variables)
  const name = readIdentifier(template, dollar + 1)
  if (name === '' || name === '_') return { text: `$${name}`, end: dollar + 1 + name.length }
  return { text: variables.get(name) ?? '', end: dollar + 1 + name.length }
}

function expandBraces(template: string, dollar: number, variables: Variables): Expansion {
  const close = template.indexOf('}', dollar)
  const body = template.slice(dollar + 2, close)
  if (close < 0 || /[\r\n]/.test(body)) {
    throw new KmmError(
      `"${template}" has a "\${" without its "}": close it, or write "$$" where a dollar sign is meant`,
      {
        code: 'MappingInvalid',
        fate: 'terminal',
      },
    )
  }
  const name = readIdentifier(body, 0)
  const end = close + 1
  // Without a name it is no variable: the text stays, but for variables inside.
  if (name === '') return { text: `\${${substitute(body, variables)}}`, end }
  if (name === '_' && body === '_') return { text: '${_}', end }
  return { text: evaluate(name, body.slice(name.length), variables), end }
}

function evaluate(name: string, rest: string, variables: Variables): string {
  const value = variables.get(name)
  const operator = /^:?[-=+]/.exec(rest)?.[0] ?? ''
  const word = rest.slice(operator.length)
  // What is no operator is passed over, as the Go engine does, and so is an operator without a word.
  if (operator === '' || word === '') return value ?? ''
  return wantsWord(operator, value) ? evaluateWord(word, variables) : operator.endsWith('+') ? '' : (value ?? '')
}

/** `-` and `=` put the word in place of an unset variable, with `:` of an empty one too; `+` in place of a set one. */
function wantsWord(operator: string, value: string | undefined): boolean {
  if (operator.endsWith('+')) return value !== undefined
  return value === undefined || (operator.startsWith(':') && value === '')
}

/** A word that begins as a variable is one; any other is taken as it stands, dollar signs and all. */
function evaluateWord(word: string, variables: Variables): string {
  return word.startsWith('$') ? substitute(word, variables) : word
}

/** A name is letters, digits and `_` of any script, and may begin with a digit. */
function readIdentifier(text: string, start: number): string {
  return /^[\p{L}\p{Nd}_]+/u.exec(text.slice(start))?.[0] ?? ''
}
