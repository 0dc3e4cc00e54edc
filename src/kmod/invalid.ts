import { KmmError } from '../errors/error.ts'

/** The one error that reading a module file or its companions throws; `what` follows "the module file". */
export function moduleFileInvalid(what: string, cause?: unknown): KmmError {
  return new KmmError(`the module file ${what}`, { code: 'ModuleFileInvalid', fate: 'terminal', cause })
}
