/** What a modprobe command line asks for (kmod 30). */
export interface ModprobeOptions {
  names: string[]
  remove: boolean
  all: boolean
  firstTime: boolean
  force: boolean
  dryRun: boolean
  verbose: boolean
  quiet: boolean
  useBlacklist: boolean
  showDepends: boolean
  resolveAlias: boolean
  removeHolders: boolean
  waitMs: number
  dirname: string | undefined
  version: string | undefined
  configs: string[]
  /** Asked for instead of work. */
  show: 'version' | 'help' | 'config' | undefined
}

type Flag = (options: ModprobeOptions, value: string) => void

const flags: Readonly<Record<string, Flag>> = {
  a: (options) => (options.all = true),
  r: (options) => (options.remove = true),
  w: (options, value) => (options.waitMs = Number(value)),
  R: (options) => (options.resolveAlias = true),
  i: () => undefined,
  b: (options) => (options.useBlacklist = true),
  f: (options) => (options.force = true),
  D: (options) => Object.assign(options, { showDepends: true, dryRun: true }),
  c: (options) => (options.show = 'config'),
  n: (options) => (options.dryRun = true),
  C: (options, value) => options.configs.push(value),
  d: (options, value) => (options.dirname = value),
  S: (options, value) => (options.version = value),
  s: () => undefined,
  q: (options) => (options.quiet = true),
  v: (options) => (options.verbose = true),
  V: (options) => (options.show ??= 'version'),
  h: (options) => (options.show ??= 'help'),
  firstTime: (options) => (options.firstTime = true),
  removeHolders: (options) => (options.removeHolders = true),
}

const takesValue = new Set(['w', 'C', 'd', 'S'])

const longNames: Readonly<Record<string, string>> = {
  all: 'a',
  remove: 'r',
  'remove-dependencies': 'removeHolders',
  'remove-holders': 'removeHolders',
  wait: 'w',
  'resolve-alias': 'R',
  'first-time': 'firstTime',
  'ignore-install': 'i',
  'ignore-remove': 'i',
  'use-blacklist': 'b',
  force: 'f',
  'force-modversion': 'f',
  'force-vermagic': 'f',
  'show-depends': 'D',
  showconfig: 'c',
  'show-config': 'c',
  'dry-run': 'n',
  show: 'n',
  config: 'C',
  dirname: 'd',
  'set-version': 'S',
  syslog: 's',
  quiet: 'q',
  verbose: 'v',
  version: 'V',
  help: 'h',
}

/** Thrown for a command line that modprobe does not understand; the message is modprobe's, without its name. */
export class UsageError extends Error {}

function findLongName(given: string): string {
  if (longNames[given] !== undefined) return given
  const candidates = Object.keys(longNames).filter((name) => name.startsWith(given))
  const meanings = new Set(candidates.map((name) => longNames[name]))
  const [only] = candidates
  if (only === undefined) throw new UsageError(`unrecognized option '--${given}'`)
  if (meanings.size > 1) {
    const list = candidates.map((name) => `'--${name}'`).join(' ')
    throw new UsageError(`option '--${given}' is ambiguous; possibilities: ${list}`)
  }
  return only
}

function applyLong(options: ModprobeOptions, word: string, following: string[]): void {
  const equals = word.indexOf('=')
  const name = findLongName(equals < 0 ? word.slice(2) : word.slice(2, equals))
  const flag = longNames[name] ?? ''
  if (!takesValue.has(flag)) {
    if (equals >= 0) throw new UsageError(`option '--${name}' doesn't allow an argument`)
    flags[flag]?.(options, '')
    return
  }
  const value = equals < 0 ? following.shift() : word.slice(equals + 1)
  if (value === undefined) throw new UsageError(`option '--${name}' requires an argument`)
  flags[flag]?.(options, value)
}

function applyShort(options: ModprobeOptions, word: string, following: string[]): void {
  for (let at = 1; at < word.length; at += 1) {
    const letter = word.charAt(at)
    const flag = letter.length === 1 ? flags[letter] : undefined
    if (flag === undefined) throw new UsageError(`invalid option -- '${letter}'`)
    if (!takesValue.has(letter)) {
      flag(options, '')
      continue
    }
    const value = at + 1 < word.length ? word.slice(at + 1) : following.shift()
    if (value === undefined) throw new UsageError(`option requires an argument -- '${letter}'`)
    flag(options, value)
    return
  }
}

/** Parses modprobe's arguments as GNU getopt does: options may stand after names, `--` ends them. Throws UsageError. */
export function parseOptions(argv: readonly string[]): ModprobeOptions {
  const options: ModprobeOptions = {
    names: [],
    remove: false,
    all: false,
    firstTime: false,
    force: false,
    dryRun: false,
    verbose: false,
    quiet: false,
    useBlacklist: false,
    showDepends: false,
    resolveAlias: false,
    removeHolders: false,
    waitMs: 0,
    dirname: undefined,
    version: undefined,
    configs: [],
    show: undefined,
  }
  const words = [...argv]
  for (let word = words.shift(); word !== undefined; word = words.shift()) {
    if (word === '--') return { ...options, names: [...options.names, ...words] }
    if (word.startsWith('--')) applyLong(options, word, words)
    else if (word.startsWith('-') && word.length > 1) applyShort(options, word, words)
    else options.names.push(word)
  }
  return options
}
