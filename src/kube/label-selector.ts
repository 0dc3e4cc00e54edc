import { KmmError } from '../errors/error.ts'

export type Labels = Readonly<Record<string, string>>

/** Whether an object with these labels is picked. */
export type LabelMatcher = (labels: Labels) => boolean

// One requirement: `!key`, `key`, `key=value`, `key!=value`, `key in (a,b)`, `key notin (a,b)`.
const requirement = /^(!?)([\w./-]+)\s*(?:(==|=|!=)\s*([\w.-]*)|\s(in|notin)\s*\(([^()]*)\))?$/

function splitRequirements(text: string): string[] {
  // Commas inside parentheses belong to the values.
  return text
    .split(/,(?![^(]*\))/)
    .map((part) => part.trim())
    .filter((part) => part !== '')
}

const operators = new Set(['', '!', '=', '==', '!=', 'in', 'notin'])

function parseSet(text: string): readonly (string | undefined)[] {
  return text.split(',').map((value) => value.trim())
}

function splitRequirement(text: string): { key: string; operator: string; operand: string } {
  const [, not = '', key = '', equality = '', value = '', membership = '', set = ''] = requirement.exec(text) ?? []
  const operator = `${not} ${equality}${membership}`.trim()
  if (key === '' || !operators.has(operator))
    throw new KmmError(`${JSON.stringify(text)} is not a requirement of a label selector`, {
      code: 'ConfigurationInvalid',
      fate: 'terminal',
    })
  return { key, operator, operand: value + set }
}

function parseRequirement(text: string): LabelMatcher {
  const { key, operator, operand } = splitRequirement(text)
  switch (operator) {
    case '!=':
      return (labels) => labels[key] !== operand
    case '=':
    case '==':
      return (labels) => labels[key] === operand
    case 'in':
      return (labels) => parseSet(operand).includes(labels[key])
    case 'notin':
      return (labels) => !parseSet(operand).includes(labels[key])
    default:
      return (labels) => (labels[key] === undefined) === (operator === '!')
  }
}

/** Parses a label selector in the form that list requests carry; an empty one picks everything. */
export function parseLabelSelector(text: string): LabelMatcher {
  const matchers = splitRequirements(text).map((part) => parseRequirement(part))
  return (labels) => matchers.every((matches) => matches(labels))
}
