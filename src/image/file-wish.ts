import { KmmError } from '../errors/error.ts'
import { isModuleFileName } from '../kmod/module-name.ts'
import { isWithin } from '../oci/extract-paths.ts'
import { quoteUntrusted } from '../oci/text.ts'
import { matchesName, type NamePattern, parseNamePattern } from './glob.ts'

/** Which files of an image are meant. Paths are from the image's root, without a slash before them. */
export type FileWish = { text: string } & (
  | { kind: 'path'; path: string }
  | { kind: 'glob'; parts: readonly NamePattern[] }
  /** All module files below a directory. */
  | { kind: 'tree'; path: string }
)

const mostWishes = 1000
const longestText = 4096

const refuse = (text: string, why: string): KmmError =>
  new KmmError(`"${quoteUntrusted(text)}" cannot be signed: ${why}`, { code: 'FilesToSignInvalid', fate: 'terminal' })

/**
 * Parses `filesToSign`: absolute paths and globs as a POSIX shell knows them, variables substituted. With a `dirName` all have
 * to lie below it; without any path everything below it is meant. Throws FilesToSignInvalid that names the entry.
 */
export function parseFileWishes(texts: readonly string[], dirName: string | undefined): FileWish[] {
  if (texts.length > mostWishes)
    throw refuse(texts[mostWishes] ?? '', `filesToSign has more than ${mostWishes} entries; use a glob`)
  const root = (dirName ?? '/')
    .split('/')
    .filter((part) => part !== '' && part !== '.')
    .join('/')
  if (texts.length === 0) return [{ kind: 'tree', path: root, text: `/${root}` }]
  return [...new Set(texts)].map((text) => parseWish(text, root))
}

function parseWish(text: string, root: string): FileWish {
  if (text.length > longestText) throw refuse(text, `it is longer than ${longestText} characters`)
  if (!text.startsWith('/')) throw refuse(text, 'write the path from the root of the image, such as /opt/lib/modules/…')
  if (text.includes('\0')) throw refuse(text, 'it holds a NUL character')
  if (/\$\{|\$[A-Z_]/.test(text)) throw refuse(text, 'it holds a variable that was not substituted')
  const words = text.split('/').filter((part) => part !== '' && part !== '.')
  if (words.includes('..')) throw refuse(text, 'it contains ".."; write the path without it')
  const parts = words.map(parseNamePattern)
  const fixed = parts.slice(0, parts.findIndex((part) => !part.isPlain) >>> 0).map((part) => part.text)
  if (!isWithin(root, fixed.join('/')) || words.length === 0)
    throw refuse(text, `it lies outside of dirName: all files to sign have to be below /${root}`)
  if (fixed.length < parts.length) return { kind: 'glob', parts, text }
  return { kind: 'path', path: fixed.join('/'), text }
}

/** True when a file at this path is meant, as long as no directory above it is a link. */
export function isWished(wish: FileWish, path: string): boolean {
  switch (wish.kind) {
    case 'path':
      return wish.path === path
    case 'tree':
      return isModuleFileName(path) && isWithin(wish.path, path)
    case 'glob': {
      if (!isModuleFileName(path)) return false
      const names = path.split('/')
      return names.length === wish.parts.length && wish.parts.every((part, at) => matchesName(part, names[at] ?? ''))
    }
  }
}

/** The directory below which a glob or a tree looks for files; everything above it is written out. */
export function findFixedDirectory(wish: FileWish): string {
  if (wish.kind !== 'glob') return wish.path
  const end = wish.parts.findIndex((part) => !part.isPlain)
  return wish.parts
    .slice(0, end)
    .map((part) => part.text)
    .join('/')
}
