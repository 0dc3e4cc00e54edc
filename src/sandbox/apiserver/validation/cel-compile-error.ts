import { describeError } from '../../../errors/error.ts'
import { linearMatches } from './cel-library.ts'

interface Located {
  code: string
  summary: string
  range?: { start: number }
}

function isLocated(error: unknown): error is Located {
  return error instanceof Error && 'summary' in error && typeof error.summary === 'string' && 'code' in error
}

const operatorNames: Readonly<Record<string, string>> = { in: '@in' }

function nameOverload(summary: string): string {
  const match = /^no such overload: (.+) (\S+) (.+)$/.exec(summary)
  if (match === null) return summary
  const [, left = '', operator = '', right = ''] = match
  return `found no matching overload for '${operatorNames[operator] ?? `_${operator}_`}' applied to '(${left}, ${right})'`
}

function phrase({ code, summary }: Located): string {
  const last = summary.slice(summary.lastIndexOf(':') + 1).trim()
  switch (code) {
    case 'no_such_key':
      return `undefined field '${last}'`
    case 'unknown_variable':
      return `undeclared reference to '${last}' (in container '')`
    case 'no_such_overload':
      return nameOverload(summary)
    case 'no_matching_overload':
      return summary
    default:
      return `Syntax error: ${summary}`
  }
}

function locate(rule: string, start: number): { line: number; column: number; text: string } {
  const before = rule.slice(0, start).split('\n')
  const line = before.length
  return { line, column: (before.at(-1) ?? '').length, text: rule.split('\n')[line - 1] ?? '' }
}

/** The words of the server for a rule that does not compile: what is wrong, its place, and the line with a mark under it. */
export function describeCompileError(rule: string, error: unknown): string {
  if (!isLocated(error)) return `ERROR: <input>:1:1: ${describeError(error)}\n | ${rule}\n | ^`
  const { line, column, text } = locate(rule, error.range?.start ?? 0)
  const words = phrase(error).replaceAll(linearMatches, 'matches')
  return `ERROR: <input>:${line}:${column + 1}: ${words}\n | ${text}\n | ${'.'.repeat(column)}^`
}
