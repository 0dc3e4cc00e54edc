import { KmmError } from '../../errors/error.ts'

/** The value of a variable of the environment that has to be set. Throws ConfigurationInvalid; `meaning` says what it holds. */
export function requireVariable(
  environment: Readonly<Record<string, string | undefined>>,
  name: string,
  meaning: string,
): string {
  const value = environment[name] ?? ''
  if (value !== '') return value
  throw new KmmError(`the environment variable ${name} is not set; it must hold ${meaning}`, {
    code: 'ConfigurationInvalid',
    fate: 'terminal',
  })
}
