import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { normalizeModuleName, parseModuleFileName } from '../../kmod/module-name.ts'
import { lookUp } from '../kernel/module-index.ts'
import type { ModprobeConfiguration } from './configuration.ts'

/** A module that modprobe has found by a name. */
export interface FoundModule {
  name: string
  builtin: boolean
  /** The name asked for was an alias of this module's. */
  byAlias: boolean
}

/** One `lib/modules/<release>`: where it is, and as what modprobe speaks of it. */
export class ModuleTree {
  readonly label: string
  readonly folder: string
  readonly #dependencies: Buffer
  readonly #builtin: Buffer
  readonly #configuration: ModprobeConfiguration

  constructor(label: string, folder: string, configuration: ModprobeConfiguration) {
    this.label = label
    this.folder = folder
    this.#configuration = configuration
    this.#dependencies = readIndex(join(folder, 'modules.dep.bin'))
    this.#builtin = readIndex(join(folder, 'modules.builtin.bin'))
  }

  /** The module that a name or alias stands for; undefined where no index knows it. */
  find(given: string): FoundModule | undefined {
    const plain = normalizeModuleName(given)
    const alias = this.#configuration.aliases.get(plain)
    const name = alias ?? plain
    const byAlias = alias !== undefined
    if (lookUp(this.#dependencies, name).length > 0) return { name, builtin: this.isBuiltin(name), byAlias }
    return this.isBuiltin(name) ? { name, builtin: true, byAlias } : undefined
  }

  isBuiltin(name: string): boolean {
    return lookUp(this.#builtin, name).length > 0
  }

  /** Where a module's file is, relative to the tree unless absolute, as modules.dep has it. */
  pathOf(name: string): string | undefined {
    return this.#line(name)?.path
  }

  /** Names of what has to be loaded before a module, in that order. */
  dependenciesOf(name: string): string[] {
    const paths = this.#line(name)?.dependencies ?? []
    return paths.toReversed().flatMap((path) => parseModuleFileName(path) ?? [])
  }

  #line(name: string): { path: string; dependencies: string[] } | undefined {
    const [value] = lookUp(this.#dependencies, name)
    const colon = value?.indexOf(':') ?? -1
    if (value === undefined || colon < 0) return undefined
    const words = value.slice(colon + 1).split(' ')
    return { path: value.slice(0, colon), dependencies: words.filter((word) => word !== '') }
  }
}

function readIndex(path: string): Buffer {
  try {
    return readFileSync(path)
  } catch {
    return Buffer.alloc(0)
  }
}
