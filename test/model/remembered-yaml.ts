import * as yaml from 'yaml'
import { deepFreeze } from '../../src/sandbox/apiserver/object.ts'

const most = 5_000
const parsed = new Map<string, unknown>()
const written = new Map<string, string>()

function keep<T>(known: Map<string, T>, key: string, make: () => T): T {
  const found = known.get(key)
  if (found !== undefined) return found
  if (known.size >= most) known.clear()
  const made = make()
  known.set(key, made)
  return made
}

/** `parse` of the package `yaml`; what it answers is frozen, so that nobody changes it for the next. */
export const parse = (text: string, options?: yaml.ParseOptions): unknown =>
  keep(parsed, text, () => deepFreeze<unknown>(yaml.parse(text, options)))

/** `stringify` of the package `yaml`. */
export const stringify = (value: unknown, options?: yaml.ToStringOptions): string =>
  keep(written, JSON.stringify([value, options]), () => yaml.stringify(value, options))
