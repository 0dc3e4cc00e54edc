/** A selector as objects carry it: `matchLabels` and `matchExpressions`, all of which must hold. */
export interface LabelSelector {
  matchLabels?: Record<string, string>
  matchExpressions?: { key: string; operator: string; values?: string[] }[]
}

type Labels = Readonly<Record<string, string>>

function holds(labels: Labels, { key, operator, values = [] }: { key: string; operator: string; values?: string[] }) {
  const value = Object.hasOwn(labels, key) ? labels[key] : undefined
  switch (operator) {
    case 'In':
      return value !== undefined && values.includes(value)
    case 'NotIn':
      return value === undefined || !values.includes(value)
    case 'Exists':
      return value !== undefined
    case 'DoesNotExist':
      return value === undefined
    default:
      return false
  }
}

/** True when labels satisfy a selector; an empty or absent selector matches everything. */
export function matchesSelector(selector: LabelSelector | undefined, labels: Labels): boolean {
  const pairs = Object.entries(selector?.matchLabels ?? {})
  if (!pairs.every(([key, value]) => Object.hasOwn(labels, key) && labels[key] === value)) return false
  return (selector?.matchExpressions ?? []).every((expression) => holds(labels, expression))
}
