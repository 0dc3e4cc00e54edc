import { hasCode } from '../../errors/error.ts'
import { listBaseImages } from '../../image/dockerfile.ts'
import { parseReference, type Reference } from '../../oci/reference.ts'

/**
 * The images that a Dockerfile may pull, to know which registries are talked to, and how: a name too many does no harm, and what is
 * no name is left to the builder. `buildArgs` are `NAME=VALUE` each.
 */
export function findBaseImages(dockerfile: string, buildArgs: readonly string[]): Reference[] {
  return listBaseImages(dockerfile, new Map(buildArgs.map(splitPair))).flatMap(tryParse)
}

function splitPair(pair: string): [string, string] {
  const at = pair.indexOf('=')
  return at < 0 ? [pair, ''] : [pair.slice(0, at), pair.slice(at + 1)]
}

function tryParse(name: string): Reference[] {
  try {
    return [parseReference(name.replace(/^docker:\/\//, ''))]
  } catch (error) {
    if (hasCode(error, 'ReferenceInvalid')) return []
    throw error
  }
}
