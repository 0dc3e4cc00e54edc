/** What the patterns of one Module may cost together. The largest Modules of real life need a hundredth of it. */
export const mostPatternCost = 32_768

/** What a class may cost that is as large as a script, or goes through all of Unicode to ignore case. */
const largeClassCost = 256
/** RE2 repeats nothing more often, in nested repetitions neither. */
const mostTimes = 1_000
/** More is too much, however much it is. */
const ceiling = 1e9

/** Quoted text, flags, a class, an escape, a repetition, or a character; as RE2 reads them. */
const tokens =
  /\(\?[A-Za-z-]*\)|\\Q[\s\S]*?(?:\\E|$)|\[\^?\]?(?:\[:\^?\w{1,20}:\]|\\[\s\S]|[^\]\\])*\]?|\\[pP](?:\{[^}]{0,40}\}|[\s\S])|\\[\s\S]|\{(\d+)(?:,(\d*))?\}|[\s\S]/gu
/** What stands for nothing, so that a repetition behind it is one of what stands before. */
const nothing = /^(?:\(\?[A-Za-z-]*\)|\\Q(?:\\E)?|\\E)$/
const largeParts = /\\[pP]|\\x\{|[^\x20-\x7f]/g

/**
 * What it costs to compile an RE2 pattern and to match it, found out without doing so: about the instructions that it becomes, and
 * more for classes that are large before they are simplified. Of a broken pattern it is any number.
 */
export function estimatePatternCost(pattern: string): number {
  const groups: number[] = []
  let before = 0
  let last = 0
  const add = (cost: number): void => {
    before = Math.min(before + last, ceiling)
    last = Math.min(cost, ceiling)
  }
  for (const [token, least, most] of pattern.matchAll(tokens)) {
    if (token === '(') {
      groups.push(before + last)
      before = 0
      last = 1
    } else if (token === ')') {
      const inside = before + last + 1
      before = groups.pop() ?? 0
      last = 0
      add(inside)
    } else if (least !== undefined) last = Math.min(last * readTimes(least, most), ceiling)
    else if (nothing.test(token)) before = Math.min(before + token.length, ceiling)
    else add(costOf(token))
  }
  return groups.reduce((sum, each) => sum + each, before + last)
}

function costOf(token: string): number {
  if (token.length === 1 || token.startsWith('\\Q')) return token.length
  return token.length + (token.match(largeParts)?.length ?? 0) * largeClassCost
}

/** Of `{2}`, `{2,}` or `{2,3}`. */
function readTimes(least: string, most = ''): number {
  return Math.min(Math.max(1, Number(least), Number(most)), mostTimes)
}
