import { parse } from 'yaml'
import { type ModuleConfig, moduleConfig } from '../api/node-modules-config.ts'
import { formatFieldError } from '../api/schema/field-error.ts'
import type { Json } from '../api/schema/schema.ts'
import { applySchema } from '../api/schema/structural.ts'
import { describeError, KmmError } from '../errors/error.ts'

const maxConfigLength = 1024 * 1024

const invalid = (what: string, cause?: unknown): KmmError =>
  new KmmError(
    `The worker's configuration cannot be used: ${what}. The operator writes it; see that operator and worker have the same version.`,
    {
      code: 'ConfigurationInvalid',
      fate: 'terminal',
      cause,
    },
  )

/**
 * Parses the worker's configuration, YAML or JSON. Strict: a field that is not known is an error that names it, because to
 * ignore it could mean to load something else than was asked for (upstream: configuration file).
 */
export function parseConfig(text: string): ModuleConfig {
  if (text.length > maxConfigLength) throw invalid(`it is longer than ${maxConfigLength} characters`)
  let document: unknown
  try {
    document = parse(text, { version: '1.2', uniqueKeys: true, maxAliasCount: 0 })
  } catch (error) {
    throw invalid(`it is not YAML (${describeError(error).split('\n')[0]})`, error)
  }
  const value = dropNulls(document as Json)
  const { errors, unknownFields } = applySchema(moduleConfig.schema, value, { root: false })
  if (unknownFields[0] !== undefined) throw invalid(`unknown field "${unknownFields[0]}"`)
  if (errors[0] !== undefined) throw invalid(formatFieldError(errors[0]))
  return value as unknown as ModuleConfig
}

/** The Go operator writes absent lists and objects as null (upstream: serialisation). */
function dropNulls(value: Json): Json {
  if (Array.isArray(value)) return value.map(dropNulls)
  if (typeof value !== 'object' || value === null) return value
  const kept = Object.entries(value).filter(([, each]) => each !== null)
  return Object.fromEntries(kept.map(([name, each]) => [name, dropNulls(each)]))
}
