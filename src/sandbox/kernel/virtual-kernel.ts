import { randomUUID } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { KmmError } from '../../errors/error.ts'
import { readModuleInfo } from '../../kmod/modinfo.ts'
import { normalizeModuleName, parseModuleFileName } from '../../kmod/module-name.ts'
import { buildModuleTreeFiles, type TreeModule } from './depmod.ts'
import { insertModule } from './insert.ts'
import { buildModuleFile } from './module-file.ts'
import { type KernelEvent, type KernelState, type ModuleBehaviour, holdersOf, referencesOf } from './state.ts'
import { KernelStore } from './store.ts'
import { readModuleSymbols } from './symbols.ts'
import { readFirmwarePath, showBoot, showModule, showReferences, writeFirmwarePath } from './sysfs.ts'

export interface VirtualKernelOptions {
  /** The node's root directory; made if need be. */
  nodeRoot: string
  release: string
  /** Default amd64. */
  architecture?: string
  /** Names of modules that are part of the kernel. */
  builtin?: readonly string[]
  bootId?: string
}

/** A loaded module as tests look at it. */
export interface LoadedModuleView {
  name: string
  srcversion: string
  taint: string
  refcnt: number
  holders: string[]
  parameters: Record<string, string>
}

/** An in-tree module that is to be on a node's disk or in its kernel. */
export interface InTreeModule {
  srcversion?: string
  depends?: readonly string[]
  exports?: readonly string[]
  /** Its folder in the tree; default `kernel/drivers/misc`. */
  folder?: string
  /** The kernel in whose tree it is; default the one that runs. */
  release?: string
}

/**
 * A kernel that exists as files below a node's root: what is loaded, whom it trusts, what it says. modprobe, which runs as
 * another process, works on the same files.
 */
export class VirtualKernel {
  readonly nodeRoot: string
  readonly #store: KernelStore

  constructor(options: VirtualKernelOptions) {
    this.nodeRoot = options.nodeRoot
    this.#store = new KernelStore(options.nodeRoot)
    const state: KernelState = {
      release: options.release,
      architecture: options.architecture ?? 'amd64',
      bootId: options.bootId ?? randomUUID(),
      enforceSignatures: false,
      lockdown: false,
      trustedCertificates: [],
      modulesDisabled: false,
      builtin: (options.builtin ?? []).map(normalizeModuleName),
      missingSymbols: [],
      behaviours: {},
      said: [],
      loaded: {},
      history: [],
    }
    this.#store.create(state)
    this.#indexTree(state)
    showBoot(this.nodeRoot, state)
  }

  get release(): string {
    return this.#store.read().release
  }

  get bootId(): string {
    return this.#store.read().bootId
  }

  get architecture(): string {
    return this.#store.read().architecture
  }

  /** Everything that was inserted and removed since the node exists, over all boots. */
  get history(): KernelEvent[] {
    return this.#store.read().history
  }

  /** How often a module was inserted since the node exists. */
  insertions(name: string): number {
    return this.#count('insert', name)
  }

  /** How often a module was removed by modprobe since the node exists; a reboot is no removal. */
  removals(name: string): number {
    return this.#count('remove', name)
  }

  /** What is in the kernel, by name. */
  loadedModules(): LoadedModuleView[] {
    const state = this.#store.read()
    return Object.values(state.loaded)
      .map(({ name, srcversion, taint, parameters }) => ({
        name,
        srcversion,
        taint,
        refcnt: referencesOf(state, name),
        holders: holdersOf(state, name),
        parameters,
      }))
      .sort((a, b) => (a.name < b.name ? -1 : 1))
  }

  isLoaded(name: string): boolean {
    return this.#store.read().loaded[normalizeModuleName(name)] !== undefined
  }

  /** What the kernel has said since boot. */
  dmesg(): string[] {
    return this.#store.readLog()
  }

  /** The firmware folder that the worker has set; empty after boot. */
  firmwarePath(): string {
    return readFirmwarePath(this.nodeRoot)
  }

  setFirmwarePath(path: string): void {
    writeFirmwarePath(this.nodeRoot, path)
  }

  /** Puts a module of the kernel's own tree on the node's disk. */
  addInTree(name: string, module: InTreeModule = {}): void {
    const state = this.#store.read()
    const { folder = 'kernel/drivers/misc', release = state.release, ...rest } = module
    const path = join(this.#tree({ release }), folder, `${name}.ko`)
    mkdirSync(dirname(path), { recursive: true })
    writeFileSync(path, buildModuleFile({ name, release, inTree: true, ...rest }))
    this.#indexTree({ release, builtin: state.builtin })
  }

  /** Puts an in-tree module on the disk, if it is not there, and into the kernel, as the distribution does at boot. */
  insertInTree(name: string, module: InTreeModule = {}): void {
    const path = this.#findInTree(name)
    if (path === undefined) {
      this.addInTree(name, module)
      return this.insertInTree(name, module)
    }
    const data = readFileSync(path)
    const plain = normalizeModuleName(name)
    this.#store.update((state) => {
      const { errno } = insertModule(state, {
        nodeRoot: this.nodeRoot,
        name: plain,
        data,
        info: readModuleInfo(data),
        symbols: readModuleSymbols(data),
        parameters: '',
        force: false,
        ofDistribution: true,
      })
      if (errno !== undefined && errno !== 'EEXIST')
        throw new KmmError(`the virtual kernel refuses the in-tree module ${name}: ${errno}`, { code: 'Internal' })
      showModule(this.nodeRoot, state, plain)
    })
  }

  /** Makes a loaded module busy: with a number of references, or held by something of that name. 0 frees it. */
  setInUse(name: string, by: number | string): void {
    const plain = normalizeModuleName(name)
    this.#store.update((state) => {
      const module = state.loaded[plain]
      if (module === undefined)
        throw new KmmError(`${name} is not loaded on this node: it cannot be in use`, { code: 'NotFound' })
      module.uses = typeof by === 'number' ? by : 0
      module.holders = typeof by === 'string' ? [by] : []
      showReferences(this.nodeRoot, state, plain)
    })
  }

  /** Trusts the signatures of a PEM certificate, as one in the UEFI variable `db` or enrolled with mokutil. */
  trustCertificate(pem: string): void {
    this.#store.update((state) => state.trustedCertificates.push(pem))
  }

  /** Refuses modules without a trusted signature (`module.sig_enforce`), or stops doing so. */
  setEnforce(enforce: boolean): void {
    this.#change({ enforceSignatures: enforce })
  }

  /** Refuses the same as a kernel that is locked down and does not enforce signatures (`lockdown=integrity`). */
  setLockdown(lockdown: boolean): void {
    this.#change({ lockdown })
  }

  /** Refuses every insertion and removal (`kernel.modules_disabled`), or stops doing so. */
  setModulesDisabled(disabled: boolean): void {
    this.#change({ modulesDisabled: disabled })
  }

  /** Says what the code of a module does when it runs. */
  setBehaviour(name: string, behaviour: ModuleBehaviour): void {
    this.#store.update((state) => {
      state.behaviours[normalizeModuleName(name)] = behaviour
    })
  }

  /** Takes symbols out of the kernel's exports. */
  setMissingSymbols(symbols: readonly string[]): void {
    this.#change({ missingSymbols: [...symbols] })
  }

  /** Boots again, into another kernel if one is named: nothing is loaded, the boot ID is new, the disk is as it was. */
  reboot(release?: string, bootId: string = randomUUID()): void {
    const state = this.#store.update((before) => {
      before.loaded = {}
      before.said = []
      before.bootId = bootId
      before.release = release ?? before.release
      return before
    })
    this.#store.clearLog()
    this.#indexTree(state)
    showBoot(this.nodeRoot, state)
  }

  #count(action: KernelEvent['action'], name: string): number {
    const plain = normalizeModuleName(name)
    return this.history.filter((event) => event.action === action && event.module === plain).length
  }

  #change(change: Partial<KernelState>): void {
    this.#store.update((state) => Object.assign(state, change))
  }

  #tree({ release }: Pick<KernelState, 'release'>): string {
    return join(this.nodeRoot, 'lib/modules', release)
  }

  #findInTree(name: string): string | undefined {
    const tree = this.#tree(this.#store.read())
    const files = existsSync(tree) ? readdirSync(tree, { recursive: true, encoding: 'utf8' }) : []
    const file = files.find((path) => parseModuleFileName(path) === normalizeModuleName(name))
    return file === undefined ? undefined : join(tree, file)
  }

  /** Runs what stands for depmod over the node's own tree. */
  #indexTree(state: Pick<KernelState, 'release' | 'builtin'>): void {
    const tree = this.#tree(state)
    mkdirSync(join(tree, 'kernel'), { recursive: true })
    const files = readdirSync(tree, { recursive: true, encoding: 'utf8' }).sort()
    const modules: TreeModule[] = files.flatMap((path) => {
      const name = parseModuleFileName(path)
      return name === undefined ? [] : [{ path, name, depends: readModuleInfo(readFileSync(join(tree, path))).depends }]
    })
    for (const [file, bytes] of Object.entries(buildModuleTreeFiles(modules, state.builtin))) {
      // A modprobe may read it at this moment.
      const aside = join(this.nodeRoot, 'kernel', `index.${process.pid}`)
      writeFileSync(aside, bytes)
      renameSync(aside, join(tree, file))
    }
  }
}
