import type { ASTNode } from '@marcbachmann/cel-js'
import { RE2JS } from 're2js'
import { describeError } from '../../../errors/error.ts'
import { linearMatches } from './cel-library.ts'

const loops = new Set(['all', 'exists', 'exists_one', 'existsOne', 'map', 'filter', 'transformList', 'transformMap'])

/** What a rule's syntax tree says before it runs. */
export interface CelSyntax {
  nodes: number
  /** How deep loops (`all`, `exists`, `map`, …) stand in one another. */
  loopDepth: number
  longestLiteral: number
  /** True when a call can make a list as long as a string. */
  splitsStrings: boolean
  identifiers: Set<string>
  /** Why a regular expression written as a literal is refused. */
  patternError?: string
}

interface Node {
  op: string
  args: unknown
}

function isNode(value: unknown): value is Node {
  return typeof value === 'object' && value !== null && 'op' in value && 'args' in value
}

function readLiteral(node: unknown): string | undefined {
  const first: unknown = Array.isArray(node) ? node.at(-1) : node
  return isNode(first) && first.op === 'value' && typeof first.args === 'string' ? first.args : undefined
}

function checkPattern(pattern: string | undefined): string | undefined {
  if (pattern === undefined) return undefined
  try {
    RE2JS.compile(pattern)
    return undefined
  } catch (error) {
    return describeError(error)
  }
}

function readCall(node: Node, args: unknown[], syntax: CelSyntax): void {
  const [name] = args
  if (name === 'split' || name === 'findAll') syntax.splitsStrings = true
  if (name !== 'matches') return
  args[0] = linearMatches
  const error = checkPattern(readLiteral(node.op === 'rcall' ? args[2] : args[1]))
  if (error !== undefined) syntax.patternError ??= error
}

function readArguments(node: Node, args: unknown[], syntax: CelSyntax): boolean {
  if (node.op === 'list' || node.op === 'map') syntax.longestLiteral = Math.max(syntax.longestLiteral, args.length)
  if (node.op === 'call' || node.op === 'rcall') readCall(node, args, syntax)
  return node.op === 'rcall' && loops.has(String(args[0]))
}

function visitNode(node: Node, depth: number, syntax: CelSyntax): void {
  syntax.nodes += 1
  syntax.loopDepth = Math.max(syntax.loopDepth, depth)
  if (node.op === 'id' && typeof node.args === 'string') syntax.identifiers.add(node.args)
  const isLoop = Array.isArray(node.args) && readArguments(node, node.args, syntax)
  visit(node.args, isLoop ? depth + 1 : depth, syntax)
}

function visit(value: unknown, depth: number, syntax: CelSyntax): void {
  if (Array.isArray(value)) for (const item of value) visit(item, depth, syntax)
  else if (isNode(value)) visitNode(value, depth, syntax)
}

/**
 * Reads a rule's syntax tree, and changes its calls of `matches`, which would run a backtracking engine, into calls of
 * the one that takes linear time.
 */
export function readCelSyntax(ast: ASTNode): CelSyntax {
  const syntax: CelSyntax = {
    nodes: 0,
    loopDepth: 0,
    longestLiteral: 0,
    splitsStrings: false,
    identifiers: new Set(),
  }
  visit(ast, 0, syntax)
  return syntax
}

/** The length of the longest list or object inside a value that rules see, and of its longest string if asked. */
export function longestInside(value: unknown, countStrings: boolean): number {
  if (typeof value === 'string') return countStrings ? value.length : 0
  const items = value instanceof Map ? [...value.values()] : Array.isArray(value) ? value : []
  return items.reduce<number>((longest, item) => Math.max(longest, longestInside(item, countStrings)), items.length)
}
