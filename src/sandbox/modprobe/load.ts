import { existsSync, readFileSync } from 'node:fs'
import { join, sep } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { decompressModule, detectCompression } from '../../kmod/compression.ts'
import { readModuleInfo } from '../../kmod/modinfo.ts'
import { resolveInContainer } from '../kernel/container-paths.ts'
import { type Errno, errnoWords } from '../kernel/errno.ts'
import { behaviourOf, insertModule, type InsertOutcome, refuseFile } from '../kernel/insert.ts'
import { readModuleSymbols } from '../kernel/symbols.ts'
import { showModule } from '../kernel/sysfs.ts'
import { isInKernel, mayLoadModules, sayError, sayFatal, sayStep, type Session } from './session.ts'

interface Planned {
  name: string
  /** Its failure ends the run: it is the module asked for, or one that it needs. */
  required: boolean
}

/** Where a module's file is, in modprobe's words; undefined where the tree has none. */
function locate({ tree }: Session, name: string): string | undefined {
  const relative = tree.pathOf(name)
  return relative === undefined || relative.startsWith('/') ? relative : `${tree.label}/${relative}`
}

/** A file that `modules.dep` names for a module's sake and that nobody has; modprobe then goes on without dependencies. */
function findGap(session: Session, name: string): string | undefined {
  const paths = session.tree.dependenciesOf(name).map((each) => locate(session, each) ?? '')
  return paths.find((path) => !existsSync(resolveInContainer(session.container, path)))
}

function sayGap(session: Session, name: string): void {
  const path = findGap(session, name)
  if (path === undefined) return
  const where = '../libkmod/libkmod-module.c:191 kmod_module_parse_depline()'
  const line = `${where} ctx=0x55c6057db320 path=${path} error=No such file or directory`
  for (let times = 0; times < 2; times += 1) sayError(session, line)
}

/** Everything to load for a module, in order: soft and hard dependencies, itself, what comes after. */
function planLoad(session: Session, wanted: string): Planned[] {
  const { tree, configuration } = session
  const planned: string[] = []
  const visited = new Set<string>()
  const needsOf = (name: string): string[] => (findGap(session, name) === undefined ? tree.dependenciesOf(name) : [])
  const required = new Set([wanted, ...needsOf(wanted)])
  const visitSoft = (names: readonly string[]): void => {
    for (const name of names) {
      const found = tree.find(name)
      if (found !== undefined) visit(found.name)
    }
  }
  const append = (name: string): void => {
    const softdep = configuration.softdeps.get(name)
    visitSoft(softdep?.pre ?? [])
    planned.push(name)
    visitSoft(softdep?.post ?? [])
  }
  const visit = (name: string): void => {
    if (visited.has(name)) return
    visited.add(name)
    for (const dependency of needsOf(name)) append(dependency)
    append(name)
  }
  visit(wanted)
  return planned.map((name) => ({ name, required: required.has(name) }))
}

/** `options` lines of the configuration, then what the command line adds for the module asked for. */
function formatParameters({ configuration }: Session, name: string, extra: string | undefined): string {
  const configured = configuration.options.get(name)?.join(' ')
  if (configured === undefined) return extra ?? ''
  return `${configured} ${extra ?? ''}`
}

/** As Debian's kmod reads a file: it knows xz and zstd, and hands what gzip has compressed to the kernel as it is. */
async function readPlain(path: string): Promise<Uint8Array | Errno> {
  let data: Buffer
  try {
    data = readFileSync(path)
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'ENOENT' ? 'ENOENT' : 'EINVAL'
  }
  const compression = detectCompression(data)
  if (data.length === 0) return 'EINVAL'
  if (compression === 'gzip') return data
  return decompressModule(data).catch((): Errno => (compression === 'zstd' ? 'ENOEXEC' : 'EINVAL'))
}

function readParts(
  data: Uint8Array,
): { info: ReturnType<typeof readModuleInfo>; symbols: ReturnType<typeof readModuleSymbols> } | undefined {
  try {
    return { info: readModuleInfo(data), symbols: readModuleSymbols(data) }
  } catch {
    return undefined
  }
}

/** Hands one module file to the kernel; answers the kernel's error. */
async function insert(session: Session, name: string, path: string, parameters: string): Promise<Errno | undefined> {
  const { container, store, options } = session
  const real = resolveInContainer(container, path)
  const data = await readPlain(real)
  if (typeof data === 'string') return data
  if (!mayLoadModules(container)) return 'EPERM'
  const parts = readParts(data)
  if (parts === undefined) {
    const refusal = refuseFile(store.read(), data)
    store.log(refusal.log)
    return refusal.errno
  }
  const { nodeRoot } = container
  const ofDistribution = real.startsWith(join(nodeRoot, 'lib/modules') + sep)
  const kernelName = parts.info.name ?? name
  await sleep(behaviourOf(store.read(), kernelName).initMs ?? 0)
  const outcome = store.update((state): InsertOutcome => {
    if (state.bootId !== session.bootId) return { errno: 'EIO', log: [] }
    const insertion = { nodeRoot, name: kernelName, data, ...parts, parameters, force: options.force, ofDistribution }
    const result = insertModule(state, insertion)
    if (result.errno === undefined) showModule(nodeRoot, state, kernelName)
    return result
  })
  store.log(outcome.log)
  return outcome.errno
}

async function loadOne(session: Session, planned: Planned, extra: string | undefined): Promise<Errno | undefined> {
  const { tree, store, options } = session
  if (!options.showDepends && isInKernel(session, store.read(), planned.name)) return 'EEXIST'
  const path = locate(session, planned.name)
  if (path === undefined) return tree.isBuiltin(planned.name) ? undefined : 'ENOENT'
  const parameters = formatParameters(session, planned.name, extra)
  sayStep(session, `insmod ${path} ${parameters}`)
  return options.dryRun ? undefined : insert(session, planned.name, path, parameters)
}

function complain(session: Session, name: string, errno: Errno): void {
  if (errno === 'EEXIST') sayError(session, `could not insert '${name}': Module already in kernel`)
  else if (errno === 'ENOENT')
    sayError(session, `could not insert '${name}': Unknown symbol in module, or unknown parameter (see dmesg)`)
  else sayError(session, `could not insert '${name}': ${errnoWords[errno]}`)
}

async function loadFound(session: Session, name: string, extra: string): Promise<Errno | undefined> {
  const { options, store } = session
  if (!options.showDepends && isInKernel(session, store.read(), name)) return options.firstTime ? 'EEXIST' : undefined
  sayGap(session, name)
  for (const planned of planLoad(session, name)) {
    const wanted = planned.name === name
    const errno = await loadOne(session, planned, wanted ? extra : undefined)
    if (errno === 'EEXIST' ? wanted && options.firstTime : planned.required && errno !== undefined) return errno
  }
  return undefined
}

/** Loads one module with all that it needs; true when it is in the kernel afterwards, or nothing had to be done. */
export async function loadModule(session: Session, given: string, extra: string): Promise<boolean> {
  const { tree, options, configuration, output } = session
  const found = tree.find(given)
  if (found === undefined) {
    sayFatal(session, `Module ${given} not found in directory ${tree.label}`)
    return false
  }
  if (options.resolveAlias) {
    output.print(found.name)
    return true
  }
  if (configuration.blacklist.has(found.name) && (found.byAlias || options.useBlacklist)) return true
  const errno = await loadFound(session, found.name, extra)
  if (errno !== undefined) complain(session, found.name, errno)
  return errno === undefined
}
