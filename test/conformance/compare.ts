/** A JSON value. */
export type Json = null | boolean | number | string | Json[] | { [name: string]: Json }

/** One place where two observations differ; an absent value is undefined. */
export interface Difference {
  /** `created.body.spec.containers[0].image`; empty for the whole observation. */
  path: string
  expected: Json | undefined
  got: Json | undefined
}

/** A difference of a named case. */
export interface Disagreement extends Difference {
  case: string
}

/** A difference that is known and accepted: at the path and everywhere below it. */
export interface AcceptedDifference {
  case: string
  path: string
  /** Why the engines may differ there. */
  reason: string
}

/** What comparing many observations with a recording came to. */
export interface Verdict {
  disagreements: Disagreement[]
  /** Accepted differences of these cases that do not differ any more. */
  needless: AcceptedDifference[]
}

type Fields = { [name: string]: Json }

const isFields = (value: Json | undefined): value is Fields =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

const join = (path: string, name: string): string => {
  const plain = /^[A-Za-z_$][\w$-]*$/.test(name)
  if (!plain) return `${path}[${JSON.stringify(name)}]`
  return path === '' ? name : `${path}.${name}`
}

/** Every place where `got` is not what was expected, in the order of the expected value. */
export function compare(expected: Json | undefined, got: Json | undefined, path = ''): Difference[] {
  if (Array.isArray(expected) && Array.isArray(got)) {
    const longest = expected.length > got.length ? expected : got
    return longest.flatMap((_, index) => compare(expected[index], got[index], `${path}[${index}]`))
  }
  if (isFields(expected) && isFields(got)) {
    const names = [...new Set([...Object.keys(expected), ...Object.keys(got)])]
    return names.flatMap((name) => compare(expected[name], got[name], join(path, name)))
  }
  return expected === got ? [] : [{ path, expected, got }]
}

/** True when `path` is `parent` or lies below it. */
function isWithin(path: string, parent: string): boolean {
  if (parent === '' || path === parent) return true
  return path.startsWith(parent) && ['.', '['].includes(path.charAt(parent.length))
}

/** Compares observations by their case's name with what was recorded; differences that are accepted are left out. */
export function judge(
  recorded: Readonly<Record<string, Json>>,
  observed: Readonly<Record<string, Json>>,
  accepted: readonly AcceptedDifference[] = [],
): Verdict {
  const found = Object.entries(observed).flatMap(([name, observation]): Disagreement[] =>
    compare(recorded[name], observation).map((difference) => ({ case: name, ...difference })),
  )
  const covers = (row: AcceptedDifference, each: Disagreement): boolean =>
    row.case === each.case && isWithin(each.path, row.path)
  return {
    disagreements: found.filter((each) => !accepted.some((row) => covers(row, each))),
    needless: accepted.filter((row) => Object.hasOwn(observed, row.case) && !found.some((each) => covers(row, each))),
  }
}

const show = (value: Json | undefined): string => (value === undefined ? '(absent)' : JSON.stringify(value))

/** The disagreement in words: the case, the path, what was expected and what was got. */
export function describeDisagreement({ case: name, path, expected, got }: Disagreement): string {
  return `${name}: at ${path === '' ? '(root)' : path}\n  expected ${show(expected)}\n  got      ${show(got)}`
}
