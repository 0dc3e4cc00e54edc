import { KmmError } from '../errors/error.ts'

/** A mapping of the configuration, as YAML has it. */
export type Fields = Readonly<Record<string, unknown>>

/** Keys that upstream knows and this operator has no use for yet: no warning. */
const otherKeys: Readonly<Record<string, readonly string[]>> = {
  '': ['webhook'],
  worker: ['setFirmwareClassPath'],
}

/** The error of a value that cannot be used; `wanted` says what it has to be. */
export function invalid(path: string, wanted: string): KmmError {
  return new KmmError(
    `operator configuration: ${path} must be ${wanted}; correct the ConfigMap and restart the operator`,
    {
      code: 'ConfigurationInvalid',
      fate: 'terminal',
    },
  )
}

/** The mapping at the end of a path, empty where there is none. Throws ConfigurationInvalid. */
export function readSection(fields: Fields, path: string): Fields {
  const value = fields[path.slice(path.lastIndexOf('.') + 1)]
  if (value === undefined || value === null) return {}
  if (typeof value !== 'object' || Array.isArray(value)) throw invalid(path, 'a mapping')
  return value as Fields
}

/** The value at the end of a path, of the fallback's type. Throws ConfigurationInvalid. */
export function read<T extends string | number | boolean>(fields: Fields, path: string, fallback: T): T {
  const value = fields[path.slice(path.lastIndexOf('.') + 1)]
  if (value === undefined || value === null) return fallback
  if (typeof value !== typeof fallback) throw invalid(path, `a ${typeof fallback}`)
  return value as T
}

/** An absolute path without `..`. Throws ConfigurationInvalid. */
export function readPath(fields: Fields, path: string, fallback: string): string {
  const value = read(fields, path, fallback)
  if (!value.startsWith('/') || value.split('/').includes('..')) throw invalid(path, 'an absolute path without ".."')
  return value
}

/** A number of a port, or 0. Throws ConfigurationInvalid. */
export function readPort(fields: Fields, path: string, fallback: number): number {
  const value = read(fields, path, fallback)
  if (!Number.isInteger(value) || value < 0 || value > 65_535) throw invalid(path, 'a port from 0 to 65535')
  return value
}

/** One of several words. Throws ConfigurationInvalid. */
export function readChoice<T extends string>(fields: Fields, path: string, choices: readonly T[], fallback: T): T {
  const value = read<string>(fields, path, fallback)
  const choice = choices.find((each) => each === value)
  if (choice === undefined) throw invalid(path, `one of ${choices.join(', ')}`)
  return choice
}

/** The keys of a section that this operator does not know, with the section's path before them. */
export function listUnknown(fields: Fields, section: string, known: object): string[] {
  const allowed = new Set([...Object.keys(known), ...(otherKeys[section] ?? [])])
  return Object.keys(fields)
    .filter((key) => !allowed.has(key))
    .map((key) => (section === '' ? key : `${section}.${key}`))
}
