/** The longest name that the kernel gives a module: MODULE_NAME_LEN is 64 bytes less the size of a long, with a closing zero. */
const longestName = 55

const fileSuffix = /\.ko(?:\.(?:gz|xz|zst))?$/

/** The name as the kernel spells it: `-` and `_` mean the same, and `/sys/module` has `_`. */
export function normalizeModuleName(name: string): string {
  return name.replaceAll('-', '_')
}

/** True when both spellings name one module. */
export function isSameModule(left: string, right: string): boolean {
  return normalizeModuleName(left) === normalizeModuleName(right)
}

/** True when the kernel could have a module of that name; use it before a name becomes part of a path. */
export function isModuleName(name: string): boolean {
  return name.length <= longestName && /^[A-Za-z0-9_][A-Za-z0-9_.+-]*$/.test(name)
}

/** True for the file name of a kernel module, plain or compressed. */
export function isModuleFileName(fileName: string): boolean {
  return fileSuffix.test(fileName)
}

/** The kernel's name of the module in a file (`kernel/net/snd-foo.ko.xz` → `snd_foo`), or undefined for another file. */
export function parseModuleFileName(filePath: string): string | undefined {
  const fileName = filePath.slice(filePath.lastIndexOf('/') + 1)
  if (!isModuleFileName(fileName)) return undefined
  const name = fileName.replace(fileSuffix, '')
  return isModuleName(name) ? normalizeModuleName(name) : undefined
}
