import { parseArgs } from 'node:util'

/** What the stand-in says, and the status that it ends with. */
export class BuildahFailure extends Error {
  readonly status: number

  constructor(message: string, status = 125) {
    super(message)
    this.status = status
  }
}

/** For everything that buildah can do and the stand-in cannot. */
export function refuse(what: string): never {
  throw new BuildahFailure(`the stand-in for buildah does not know ${what}`)
}

const text = { type: 'string' } as const
const texts = { type: 'string', multiple: true } as const

const options = {
  root: text,
  runroot: text,
  'storage-driver': text,
  'registries-conf': text,
  'registries-conf-dir': text,
  'signature-policy': text,
  authfile: text,
  'cert-dir': text,
  isolation: text,
  layers: text,
  format: text,
  pull: text,
  iidfile: text,
  digestfile: text,
  arch: text,
  'build-arg': texts,
  label: texts,
  volume: texts,
  file: text,
} as const

/** What the stand-in is asked for: the command lines of KMM's build program, and no others. */
export type Flags = ReturnType<typeof parseCommandLine>['flags']

/** Parses a command line. Throws BuildahFailure for one that is not understood. */
export function parseCommandLine(args: string[]) {
  try {
    const { values, positionals } = parseArgs({ args, options, allowPositionals: true })
    const [command = '', ...operands] = positionals
    return { flags: values, command, operands }
  } catch (error) {
    return refuse(error instanceof Error ? `this command line: ${error.message}` : 'this command line')
  }
}

/** The value of a flag that KMM always gives. */
export function need(flags: Flags, name: 'root' | 'iidfile' | 'digestfile' | 'file' | 'authfile' | 'registries-conf') {
  return flags[name] ?? refuse(`a command without --${name}`)
}
