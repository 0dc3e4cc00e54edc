import { createHash } from 'node:crypto'
import type { ModuleIdentity } from '../../kernel/variables.ts'

/** Build and sign pods carry the name as a label. */
const longestName = 63
const mostNames = 8

const hash8 = (...parts: readonly unknown[]): string =>
  createHash('sha256').update(JSON.stringify(parts)).digest('hex').slice(0, 8)

function formatName(name: string, uid: string, attempt: number): string {
  const tail = `-preflight-${hash8(uid, ...(attempt === 0 ? [] : [attempt]))}`
  if (name.length + tail.length <= longestName) return `${name}${tail}`
  // Names that are cut may be alike.
  const cut = `-preflight-${hash8(uid, name, attempt)}`
  return `${name.slice(0, longestName - cut.length).replace(/[-.]+$/, '')}${cut}`
}

/**
 * The name of a Module's ModuleImagesConfig in a preflight: `<module>-preflight-<hash of the uid>`, at most 63 characters. Where that is
 * somebody else's, such as a Module's that is really called so, it has another hash.
 */
export function nameConfig({ name }: ModuleIdentity, uid: string, isTaken: (name: string) => boolean): string {
  for (let attempt = 0; attempt < mostNames; attempt++) {
    const each = formatName(name, uid, attempt)
    if (!isTaken(each)) return each
  }
  return formatName(name, uid, mostNames)
}
