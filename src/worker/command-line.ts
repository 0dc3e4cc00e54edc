import { parseArgs } from 'node:util'
import { describeError, KmmError } from '../errors/error.ts'
import type { WorkerAction } from './report.ts'

/** What the worker was started for. */
export interface WorkerCommand {
  action: WorkerAction
  /** Path of the configuration, below the host's root. */
  configPath: string
  /** Where firmware belongs on the node; undefined unless the flag was given. */
  firmwarePath: string | undefined
  /** Where the kubelet has mounted the image, for a load; undefined unless the flag was given. */
  imageFolder: string | undefined
}

const usage = 'Usage: worker kmod load|unload CONFIG [--firmware-path PATH] [--image-folder PATH]'

const refuse = (what: string): KmmError =>
  new KmmError(`${what}. ${usage}`, { code: 'ConfigurationInvalid', fate: 'terminal' })

/** Parses the worker's arguments (upstream: command line of the worker). Throws `ConfigurationInvalid`, with the usage. */
export function parseCommandLine(argv: readonly string[]): WorkerCommand {
  const [group, action, ...rest] = argv
  if (group !== 'kmod') throw refuse(`The command ${JSON.stringify(group ?? '')} is not known`)
  if (action !== 'load' && action !== 'unload') {
    throw refuse(`The command kmod ${JSON.stringify(action ?? '')} is not known`)
  }
  const { values, positionals } = parseFlags(rest)
  const [configPath, ...more] = positionals
  if (configPath === undefined || more.length > 0) throw refuse('Exactly one configuration file has to be named')
  return { action, configPath, firmwarePath: values['firmware-path'], imageFolder: values['image-folder'] }
}

function parseFlags(args: string[]) {
  try {
    const options = { 'firmware-path': { type: 'string' }, 'image-folder': { type: 'string' } } as const
    return parseArgs({ args, options, allowPositionals: true })
  } catch (error) {
    throw refuse(describeError(error))
  }
}
