import { isRecord } from '../object.ts'
import { badRequest } from '../status-error.ts'

/** Finds the values that a path leads to, in order; empty when there are none. */
export type JsonPath = (root: unknown) => unknown[]

type Step = (values: unknown[]) => unknown[]

const namePattern = /\.((?:\\.|[^.[\]\\])+)/y
const bracketPattern = /\[(?:'([^']*)'|"([^"]*)"|(-?\d+)|(\*)|(-?\d*):(-?\d*))\]/y
const filterPattern =
  /\[\?\(\s*@((?:\.[^\s=!<>)]+|\[[^\]]*\])*)\s*(?:(==|!=|<=|>=|<|>)\s*("[^"]*"|'[^']*'|[^\s)]+)\s*)?\)\]/y

/**
 * Parses a path as printer columns have them: `.a.b`, `['a']`, `[0]`, `[*]`, `[1:2]` and filters such as
 * `[?(@.type=="Ready")]`. Braces around it are allowed.
 */
export function parseJsonPath(text: string): JsonPath {
  const path = text.replace(/^\{(.*)\}$/s, '$1').replace(/^\$/, '')
  const steps: Step[] = []
  let position = 0
  while (position < path.length && path !== '.') {
    const read = readStep(path, position)
    if (!read) throw badRequest(`${JSON.stringify(text)} is no simple JSON path: see position ${position}`)
    steps.push(read.step)
    position = read.end
  }
  return (root) => steps.reduce<unknown[]>((values, step) => step(values), [root])
}

function readStep(path: string, position: number): { step: Step; end: number } | undefined {
  const match = (pattern: RegExp): RegExpExecArray | null => {
    pattern.lastIndex = position
    return pattern.exec(path)
  }
  const name = match(namePattern)
  if (name) return { step: stepInto((name[1] ?? '').replace(/\\(.)/g, '$1')), end: position + name[0].length }
  const bracket = match(bracketPattern)
  if (bracket) return { step: readBracket(bracket), end: position + bracket[0].length }
  const filter = match(filterPattern)
  if (filter) return { step: readFilter(filter), end: position + filter[0].length }
  return undefined
}

function stepInto(name: string): Step {
  if (name === '*') return everyMember
  return (values) => values.flatMap((value) => (isRecord(value) && value[name] !== undefined ? [value[name]] : []))
}

const everyMember: Step = (values) =>
  values.flatMap((value) => (Array.isArray(value) ? value : isRecord(value) ? Object.values(value) : []))

function readBracket(match: RegExpExecArray): Step {
  const [, single, double, index, star, from, to] = match
  const name = single ?? double
  if (name !== undefined) return stepInto(name)
  if (star !== undefined) return everyMember
  if (index !== undefined) return (values) => values.flatMap((value) => itemAt(value, Number(index)))
  const end = to === '' || to === undefined ? undefined : Number(to)
  return (values) => values.flatMap((value) => (Array.isArray(value) ? value.slice(Number(from ?? 0), end) : []))
}

function itemAt(value: unknown, index: number): unknown[] {
  const item: unknown = Array.isArray(value) ? value.at(index) : undefined
  return item === undefined ? [] : [item]
}

function readFilter(match: RegExpExecArray): Step {
  const [, path = '', operator, literal = ''] = match
  const find = parseJsonPath(path)
  const wanted = readLiteral(literal)
  const keep = (item: unknown): boolean => {
    const [found] = find(item)
    return operator === undefined ? found !== undefined : found !== undefined && compare(found, operator, wanted)
  }
  return (values) => values.flatMap((value) => (Array.isArray(value) ? value.filter(keep) : []))
}

function readLiteral(text: string): string | number | boolean {
  if (/^["']/.test(text)) return text.slice(1, -1)
  if (text === 'true' || text === 'false') return text === 'true'
  return Number(text)
}

function compare(found: unknown, operator: string, wanted: string | number | boolean): boolean {
  if (operator === '==') return found === wanted
  if (operator === '!=') return found !== wanted
  const comparable = typeof found === typeof wanted && (typeof found === 'number' || typeof found === 'string')
  if (!comparable) return false
  if (operator.endsWith('=') && found === wanted) return true
  return operator.startsWith('<') ? found < wanted : found > wanted
}
