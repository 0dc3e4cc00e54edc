import { decompressModule, defaultModuleLimitBytes } from './compression.ts'
import { readElf } from './elf.ts'
import { moduleFileInvalid } from './invalid.ts'
import { normalizeModuleName } from './module-name.ts'
import { type AppendedSignature, findAppendedSignature } from './signature.ts'

/** GPU drivers list thousands of firmware files and aliases, in some 200 KB. */
const largestModinfoBytes = 8 * 1024 * 1024

/** One parameter that a module declares. */
export interface ModuleParameter {
  name: string
  /** As the kernel writes it: `int`, `bool`, `charp`, `array of int`; undefined if only described. */
  type: string | undefined
  description: string | undefined
}

/** What a `.ko` file says of itself, as `modinfo` shows it. All of it is hostile text: bound and clean it before showing it. */
export interface ModuleInfo {
  /** The kernel's spelling; undefined in modules of kernels before 4.13. */
  name: string | undefined
  version: string | undefined
  /** The sum over the source that `/sys/module/<name>/srcversion` shows too; undefined if the module was built without. */
  srcversion: string | undefined
  license: string | undefined
  description: string | undefined
  vermagic: string | undefined
  /** Names of the modules whose symbols it uses, in the kernel's spelling. */
  depends: string[]
  /** Firmware files that it may ask for, relative to the firmware path. */
  firmware: string[]
  aliases: string[]
  parameters: ModuleParameter[]
  /** True for a module of the kernel's own tree. */
  inTree: boolean
  /** As Kubernetes spells it, from the ELF header. */
  architecture: string | undefined
  signature: AppendedSignature | undefined
}

/** Reads a module file in any compression. Throws ModuleFileInvalid, and nothing else, whatever the bytes are. */
export async function readModuleFile(data: Uint8Array, limitBytes = defaultModuleLimitBytes): Promise<ModuleInfo> {
  return readModuleInfo(await decompressModule(data, limitBytes))
}

/** Reads a plain module file. Throws ModuleFileInvalid, and nothing else, whatever the bytes are. */
export function readModuleInfo(data: Uint8Array): ModuleInfo {
  const object = readElf(data)
  const section = object.findSection('.modinfo')
  if (section === undefined) throw moduleFileInvalid('is no kernel module: it has no .modinfo section')
  if (section.byteLength > largestModinfoBytes) {
    throw moduleFileInvalid(
      `has ${section.byteLength} bytes of .modinfo, more than the ${largestModinfoBytes} that are read`,
    )
  }
  const fields = parseModinfo(section)
  const first = (key: string): string | undefined => fields.get(key)?.[0]
  const name = first('name')
  return {
    name: name === undefined ? undefined : normalizeModuleName(name),
    version: first('version'),
    srcversion: first('srcversion'),
    license: first('license'),
    description: first('description'),
    vermagic: first('vermagic')?.trimEnd(),
    depends: splitList(first('depends')).map(normalizeModuleName),
    firmware: fields.get('firmware') ?? [],
    aliases: fields.get('alias') ?? [],
    parameters: collectParameters(fields.get('parm') ?? [], fields.get('parmtype') ?? []),
    inTree: first('intree') === 'Y',
    architecture: object.architecture,
    signature: findAppendedSignature(data),
  }
}

/** Splits a `.modinfo` section, `key=value` strings with a zero byte after each, into the values of each key in their order. */
export function parseModinfo(section: Uint8Array): ReadonlyMap<string, string[]> {
  const fields = new Map<string, string[]>()
  for (const entry of Buffer.from(section.buffer, section.byteOffset, section.byteLength)
    .toString('utf8')
    .split('\0')) {
    const equals = entry.indexOf('=')
    if (equals <= 0) continue
    const key = entry.slice(0, equals)
    const values = fields.get(key)
    if (values === undefined) fields.set(key, [entry.slice(equals + 1)])
    else values.push(entry.slice(equals + 1))
  }
  return fields
}

function splitList(text: string | undefined): string[] {
  return (text ?? '').split(',').filter((name) => name !== '')
}

function collectParameters(descriptions: readonly string[], types: readonly string[]): ModuleParameter[] {
  const parameters = new Map<string, ModuleParameter>()
  const find = (name: string): ModuleParameter => {
    const known = parameters.get(name) ?? { name, type: undefined, description: undefined }
    parameters.set(name, known)
    return known
  }
  for (const [name, text] of types.map(splitPair)) find(name).type = text
  for (const [name, text] of descriptions.map(splitPair)) find(name).description = text
  return [...parameters.values()]
}

function splitPair(entry: string): [string, string] {
  const colon = entry.indexOf(':')
  return colon < 0 ? [entry, ''] : [entry.slice(0, colon), entry.slice(colon + 1)]
}
