import type { ImageFile } from '../../../src/oci/image-builder.ts'
import type { LayerEntry } from '../../../src/sandbox/registry/types.ts'

const isModule = ({ name }: LayerEntry): boolean => name.endsWith('.ko')

const contentOf = ({ content }: LayerEntry): Buffer => Buffer.from(content ?? '')

/** The files of a layer for an image; the module's bytes are others if they are given. */
export function toFiles(layer: readonly LayerEntry[], module?: Uint8Array): Record<string, ImageFile> {
  const files = layer.map((entry): [string, ImageFile] => [
    entry.name,
    { data: isModule(entry) && module !== undefined ? Buffer.from(module) : contentOf(entry) },
  ])
  return Object.fromEntries(files)
}

/** The module of a layer with one letter of its texts changed; whatever was appended to it stays. */
export function tamper(layer: readonly LayerEntry[]): Buffer {
  const entry = layer.find(isModule)
  const module = entry === undefined ? Buffer.alloc(0) : contentOf(entry)
  const at = module.indexOf('ready to count')
  if (at < 0) throw new Error('the module has no such text')
  module.write('R', at)
  return module
}
