import type { ModuleParameter } from '../../kmod/modinfo.ts'
import { normalizeModuleName } from '../../kmod/module-name.ts'
import type { Errno } from './errno.ts'

interface Range {
  minimum: bigint
  maximum: bigint
}

const ranges: Readonly<Record<string, Range>> = {
  byte: { minimum: 0n, maximum: 255n },
  short: { minimum: -32768n, maximum: 32767n },
  ushort: { minimum: 0n, maximum: 65535n },
  int: { minimum: -2147483648n, maximum: 2147483647n },
  uint: { minimum: 0n, maximum: 4294967295n },
  long: { minimum: -(2n ** 63n), maximum: 2n ** 63n - 1n },
  ulong: { minimum: 0n, maximum: 2n ** 64n - 1n },
  ullong: { minimum: 0n, maximum: 2n ** 64n - 1n },
  hexint: { minimum: 0n, maximum: 4294967295n },
}

const boolWords = new Map([
  ['y', 'Y'],
  ['Y', 'Y'],
  ['1', 'Y'],
  ['t', 'Y'],
  ['T', 'Y'],
  ['on', 'Y'],
  ['ON', 'Y'],
  ['n', 'N'],
  ['N', 'N'],
  ['0', 'N'],
  ['f', 'N'],
  ['F', 'N'],
  ['off', 'N'],
  ['OFF', 'N'],
])

/** One `name=value` of a module's argument string; a bare `name` has no value. */
export interface Argument {
  name: string
  value: string | undefined
}

/** Splits an argument string as the kernel does: at blanks outside double quotes, up to `--`. */
export function parseArguments(text: string): Argument[] {
  const words: string[] = text.match(/(?:[^\s"]|"[^"]*")+/g) ?? []
  const end = words.indexOf('--')
  return words.slice(0, end < 0 ? words.length : end).map((word) => {
    const plain = word.replaceAll('"', '')
    const equals = plain.indexOf('=')
    if (equals < 0) return { name: normalizeModuleName(plain), value: undefined }
    return { name: normalizeModuleName(plain.slice(0, equals)), value: plain.slice(equals + 1) }
  })
}

function parseInteger(text: string): bigint | undefined {
  const match = /^([+-]?)(0[xX][0-9a-fA-F]+|\d+)$/.exec(text)
  if (!match) return undefined
  const digits = match[2] ?? ''
  const octal = /^0[0-7]+$/.test(digits)
  if (!octal && /^0\d/.test(digits)) return undefined
  const value = BigInt(octal ? `0o${digits.slice(1)}` : digits)
  return match[1] === '-' ? -value : value
}

type Accepted = { text: string } | { errno: Errno }

const invalid: Accepted = { errno: 'EINVAL' }

function acceptNumber({ minimum, maximum }: Range, value: string | undefined): Accepted {
  const text = value ?? ''
  const number = parseInteger(text.trim())
  if (number === undefined || (minimum === 0n && text.startsWith('-'))) return invalid
  return number < minimum || number > maximum ? { errno: 'ERANGE' } : { text: String(number) }
}

function acceptBool(value: string | undefined): Accepted {
  const word = value === undefined ? 'Y' : boolWords.get(value)
  return word === undefined ? invalid : { text: word }
}

/** What a value becomes in sysfs, or the error that the kernel gives for it. */
function acceptValue(type: string, value: string | undefined): Accepted {
  if (type === 'bool' || type === 'invbool' || type === 'bint') return acceptBool(value)
  const range = ranges[type]
  if (range !== undefined) return acceptNumber(range, value)
  return value === undefined && type === 'charp' ? invalid : { text: value ?? '' }
}

function acceptArgument(type: string, value: string | undefined): Accepted {
  if (!type.startsWith('array of ')) return acceptValue(type, value)
  const parts = (value ?? '').split(',').map((part) => acceptValue(type.slice('array of '.length), part))
  const failed = parts.find((part) => 'errno' in part)
  return failed ?? { text: parts.map((part) => ('text' in part ? part.text : '')).join(',') }
}

/** The kernel has the same words for a value that is none and for one that is out of range; of a list it names the first. */
function complain(module: string, { name, value = '' }: Argument, type: string): string {
  const [first = ''] = type.startsWith('array of ') ? value.split(',') : [value]
  return `${module}: \`${first}' invalid for parameter \`${name}'`
}

/** The values of a module's parameters, or the error that ends its insertion; `log` is what dmesg says. */
export interface ParameterOutcome {
  values: Record<string, string>
  errno?: Errno
  log: string[]
}

/** Applies an argument string to the parameters that a module declares. Unknown ones are ignored with a line in dmesg. */
export function applyArguments(module: string, declared: readonly ModuleParameter[], text: string): ParameterOutcome {
  const values: Record<string, string> = {}
  const log: string[] = []
  for (const argument of parseArguments(text)) {
    const parameter = declared.find(({ name }) => normalizeModuleName(name) === argument.name)
    if (parameter === undefined) {
      log.push(`${module}: unknown parameter '${argument.name}' ignored`)
      continue
    }
    const { type = 'charp' } = parameter
    const accepted = acceptArgument(type, argument.value)
    if ('errno' in accepted) return { values, errno: accepted.errno, log: [...log, complain(module, argument, type)] }
    values[parameter.name] = accepted.text
  }
  return { values, log }
}
