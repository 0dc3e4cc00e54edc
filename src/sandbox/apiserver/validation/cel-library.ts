import { Environment } from '@marcbachmann/cel-js'
import { RE2JS } from 're2js'

/** The name under which the linear-time `matches` is registered; rules are rewritten to it. */
export const linearMatches = 'matchesRe2'

type Comparable = bigint | number | string | boolean

const orderedTypes = ['int', 'double', 'string', 'bool'] as const

const isBefore = (a: Comparable, b: Comparable): boolean => a < b

function pickFirst<T extends Comparable>(values: readonly T[], isBetter: (a: T, b: T) => boolean, name: string): T {
  const [first, ...rest] = values
  if (first === undefined) throw new Error(`${name} called on empty list`)
  return rest.reduce((best, each) => (isBetter(each, best) ? each : best), first)
}

function registerLists(environment: Environment): void {
  for (const type of orderedTypes) {
    environment.registerFunction(`list<${type}>.isSorted(): bool`, (list: Comparable[]) =>
      list.every((each, index) => index === 0 || !isBefore(each, list[index - 1] ?? each)),
    )
    environment.registerFunction(`list<${type}>.min(): ${type}`, (list: Comparable[]) =>
      pickFirst(list, isBefore, 'min'),
    )
    environment.registerFunction(`list<${type}>.max(): ${type}`, (list: Comparable[]) =>
      pickFirst(list, (a, b) => isBefore(b, a), 'max'),
    )
    environment.registerFunction(`list<${type}>.indexOf(${type}): int`, (list: Comparable[], item: Comparable) =>
      BigInt(list.indexOf(item)),
    )
    environment.registerFunction(`list<${type}>.lastIndexOf(${type}): int`, (list: Comparable[], item: Comparable) =>
      BigInt(list.lastIndexOf(item)),
    )
  }
  environment.registerFunction('list<int>.sum(): int', (list: bigint[]) => list.reduce((a, b) => a + b, 0n))
  environment.registerFunction('list<double>.sum(): double', (list: number[]) => list.reduce((a, b) => a + b, 0))
}

function registerPatterns(environment: Environment): void {
  const patterns = new Map<string, RE2JS>()
  const compile = (text: string): RE2JS => {
    const pattern = patterns.get(text) ?? RE2JS.compile(text)
    patterns.set(text, pattern)
    return pattern
  }
  const findAll = (text: string, pattern: string, limit: number): string[] => {
    const matcher = compile(pattern).matcher(text)
    const found: string[] = []
    while (found.length < limit && matcher.find()) found.push(matcher.group() ?? '')
    return found
  }
  const isMatch = (text: string, pattern: string): boolean => compile(pattern).matcher(text).find()
  environment.registerFunction(`string.${linearMatches}(string): bool`, isMatch)
  environment.registerFunction(`${linearMatches}(string, string): bool`, isMatch)
  environment.registerFunction('string.find(string): string', (text: string, pattern: string) => {
    return findAll(text, pattern, 1)[0] ?? ''
  })
  environment.registerFunction('string.findAll(string): list<string>', (text: string, pattern: string) =>
    findAll(text, pattern, Number.POSITIVE_INFINITY),
  )
  environment.registerFunction(
    'string.findAll(string, int): list<string>',
    (text: string, pattern: string, limit: bigint) =>
      findAll(text, pattern, limit < 0n ? Number.POSITIVE_INFINITY : Number(limit)),
  )
}

function registerStrings(environment: Environment): void {
  environment.registerFunction('string.replace(string, string): string', (text: string, from: string, to: string) =>
    text.replaceAll(from, () => to),
  )
  environment.registerFunction('string.charAt(int): string', (text: string, index: bigint) =>
    text.charAt(Number(index)),
  )
}

/**
 * The environment of CRD rules: the language with optional types, and of Kubernetes' library the lists, regular
 * expressions (RE2, linear time) and strings. A rule that uses another part of it is refused when the CRD is created.
 */
export function createCelEnvironment(): Environment {
  const environment = new Environment({ enableOptionalTypes: true, homogeneousAggregateLiterals: false })
  registerLists(environment)
  registerPatterns(environment)
  registerStrings(environment)
  return environment
}

/** Stands for `has` while a rule's types are checked, where it refuses fields that the schema does not know. */
const checkedHas = 'haz'
// String literals are matched first, so that the word inside one stays.
const hasCall =
  /"""[^]*?"""|'''[^]*?'''|[rR]"[^"]*"|[rR]'[^']*'|"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'|(?<![.\w])has(?=\s*\()/g

/** A rule with `has` replaced by its checked form, which is as long, so that places in the text stay. */
export function checkHasArguments(rule: string): string {
  return rule.replaceAll(hasCall, (match) => (match === 'has' ? checkedHas : match))
}

interface MacroNodes {
  args: unknown[]
}

interface TypeChecker {
  check(node: unknown, context: unknown): unknown
  getType(name: string): unknown
}

/** An environment for checking the types of rules, never for running them. */
export function createTypedCelEnvironment(): Environment {
  return createCelEnvironment().registerFunction(`${checkedHas}(ast): bool`, ({ args }: MacroNodes) => ({
    typeCheck: (checker: TypeChecker, _macro: unknown, context: unknown) => {
      checker.check(args[0], context)
      return checker.getType('bool')
    },
    evaluate: () => false,
  }))
}
