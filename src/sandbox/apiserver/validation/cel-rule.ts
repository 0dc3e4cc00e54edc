import { type Environment, Optional, type ParseResult } from '@marcbachmann/cel-js'
import type { StructuralSchema } from '../../../api/schema/schema.ts'
import { describeCompileError } from './cel-compile-error.ts'
import { checkHasArguments, createCelEnvironment, createTypedCelEnvironment } from './cel-library.ts'
import { type CelSyntax, longestInside, readCelSyntax } from './cel-syntax.ts'
import { CelTypes } from './cel-types.ts'

/** A rule of `x-kubernetes-validations`, with all that a CRD may say about it. */
export interface CelRule {
  rule: string
  message?: string
  messageExpression?: string
  reason?: string
  fieldPath?: string
  optionalOldSelf?: boolean
}

/** What an expression came to: its value, or the words of the run-time error; `isOverBudget` ends all validation. */
export type CelOutcome = { value: unknown } | { error: string; isOverBudget: boolean }

/** An expression that compiled. */
export interface CelProgram {
  usesOldSelf: boolean
  run(self: unknown, oldSelf: unknown): CelOutcome
}

/** A rule that compiled, or why it, or its message expression, did not. */
export interface CompiledRule {
  rule: CelRule
  program?: CelProgram
  error?: string
  message?: CelProgram
  messageError?: string
}

/** The steps that one expression may take; more is refused before it runs. */
const stepLimit = 1_000_000

const overBudget: CelOutcome = { error: 'operation cancelled: actual cost limit exceeded', isOverBudget: true }

function countSteps(syntax: CelSyntax, self: unknown, oldSelf: unknown): number {
  if (syntax.loopDepth === 0) return syntax.nodes
  const lengths = [self, oldSelf].map((value) => longestInside(value, syntax.splitsStrings))
  return syntax.nodes * Math.max(1, syntax.longestLiteral, ...lengths) ** syntax.loopDepth
}

function describeRuntimeError(error: unknown): string {
  const summary = error instanceof Error && 'summary' in error ? String(error.summary) : String(error)
  const words = summary.split('\n')[0] ?? ''
  return words.startsWith('No such key') ? words.replace('No such key', 'no such key') : words
}

function createProgram(expression: ParseResult, syntax: CelSyntax, optionalOldSelf: boolean): CelProgram {
  const run = (self: unknown, oldSelf: unknown): CelOutcome => {
    if (countSteps(syntax, self, oldSelf) > stepLimit) return overBudget
    const old = oldSelf === undefined ? Optional.none() : Optional.of(oldSelf)
    try {
      return { value: expression({ self, oldSelf: optionalOldSelf ? old : (oldSelf ?? null) }) }
    } catch (error) {
      return { error: describeRuntimeError(error), isOverBudget: false }
    }
  }
  return { usesOldSelf: syntax.identifiers.has('oldSelf'), run }
}

interface Environments {
  typed: Environment
  dynamic: Environment
}

function createEnvironments(schema: StructuralSchema, optionalOldSelf: boolean): Environments {
  const typed = createTypedCelEnvironment()
  const type = new CelTypes(typed).nameOf(schema)
  typed.registerVariable('self', type)
  typed.registerVariable('oldSelf', optionalOldSelf ? `optional<${type}>` : type)
  // Values are checked against the schema before rules see them; at run time the engine works untyped, on Maps.
  const dynamic = createCelEnvironment().registerVariable('self', 'dyn').registerVariable('oldSelf', 'dyn')
  return { typed, dynamic }
}

type Compiled = { program: CelProgram; type: string } | { error: string }

function compile(environments: Environments, text: string, optionalOldSelf: boolean): Compiled {
  try {
    const checked = environments.typed.parse(checkHasArguments(text))
    readCelSyntax(checked.ast)
    const result = checked.check()
    if (!result.valid) return { error: `compilation failed: ${describeCompileError(text, result.error)}` }
    const expression = environments.dynamic.parse(text)
    const syntax = readCelSyntax(expression.ast)
    if (syntax.patternError !== undefined) return { error: `program instantiation failed: ${syntax.patternError}` }
    return { program: createProgram(expression, syntax, optionalOldSelf), type: result.type ?? 'dyn' }
  } catch (error) {
    return { error: `compilation failed: ${describeCompileError(text, error)}` }
  }
}

function expectType(compiled: Compiled, type: string, words: string): Compiled {
  if ('error' in compiled || compiled.type === type || compiled.type === 'dyn') return compiled
  return { error: words }
}

function compileMessage(environments: Environments, rule: CelRule): Partial<CompiledRule> {
  if (rule.messageExpression === undefined) return {}
  const compiled = compile(environments, rule.messageExpression, rule.optionalOldSelf === true)
  if ('error' in compiled) return { messageError: `messageExpression ${compiled.error}` }
  if (compiled.type !== 'string' && compiled.type !== 'dyn')
    return { messageError: 'messageExpression must evaluate to a string' }
  return { message: compiled.program }
}

/** Compiles a rule against the schema that carries it; `schema` has the metadata of the root added where it is the root. */
export function compileCelRule(schema: StructuralSchema, rule: CelRule): CompiledRule {
  const optionalOldSelf = rule.optionalOldSelf === true
  const environments = createEnvironments(schema, optionalOldSelf)
  const compiled = expectType(
    compile(environments, rule.rule, optionalOldSelf),
    'bool',
    'cel expression must evaluate to a bool',
  )
  if ('error' in compiled) return { rule, error: compiled.error }
  return { rule, program: compiled.program, ...compileMessage(environments, rule) }
}
