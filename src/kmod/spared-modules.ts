import { isModuleName, normalizeModuleName } from './module-name.ts'

/** The kernel modules that a worker must not take out along with others, one a line: an annotation's text, and the worker's file. */
export function formatSparedModules(names: readonly string[]): string {
  return names.map((name) => `${name}\n`).join('')
}

/** Reads such a text, in the kernel's spelling; what is no name of a module is left out. */
export function parseSparedModules(text: string): string[] {
  const names = text.split('\n').filter(isModuleName).map(normalizeModuleName)
  return [...new Set(names)]
}
