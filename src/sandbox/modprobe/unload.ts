import { setTimeout as sleep } from 'node:timers/promises'
import { type Errno, errnoWords } from '../kernel/errno.ts'
import { removeModule } from '../kernel/insert.ts'
import { holdersOf, referencesOf } from '../kernel/state.ts'
import { hideModule } from '../kernel/sysfs.ts'
import { countReferences, mayLoadModules, sayError, sayFatal, sayStep, type Session } from './session.ts'

function removeOnce({ container, store, bootId }: Session, name: string): Errno | undefined {
  if (!mayLoadModules(container)) return 'EPERM'
  return store.update((state) => {
    if (state.bootId !== bootId) return 'EIO'
    const depends = state.loaded[name]?.depends ?? []
    const { errno, log } = removeModule(state, name, referencesOf(state, name))
    store.log(log)
    if (errno === undefined) hideModule(container.nodeRoot, state, name, depends)
    return errno
  })
}

/** Asks the kernel to drop a module; with `--wait` again until the time is over. True when modprobe is content. */
async function removeFromKernel(session: Session, name: string): Promise<boolean> {
  const { waitMs, dryRun } = session.options
  sayStep(session, `rmmod ${name}`)
  if (dryRun) return true
  const untilMs = Date.now() + waitMs
  let errno = removeOnce(session, name)
  for (let pauseMs = 1; errno === 'EAGAIN' && Date.now() < untilMs; pauseMs *= 2) {
    await sleep(Math.min(pauseMs, Math.max(1, untilMs - Date.now())))
    errno = removeOnce(session, name)
  }
  // With --wait, kmod 30 says nothing of a module that is still there when the time is over, and ends well.
  if (errno === undefined || waitMs > 0) return true
  const place = '../libkmod/libkmod-module.c:856 kmod_module_remove_module() '
  sayError(session, `${place}could not remove '${name}': ${errnoWords[errno]}`)
  return false
}

/** Removes soft dependencies and holders, the last first. */
async function removeEach(session: Session, names: readonly string[], stopOnErrors: boolean): Promise<boolean> {
  for (const given of names.toReversed()) {
    const name = session.tree.find(given)?.name
    if (name === undefined || session.tree.isBuiltin(name)) continue
    if (!(await removeFound(session, name, false)) && stopOnErrors) return false
  }
  return true
}

async function removeUnusedDependencies(session: Session, name: string): Promise<void> {
  for (const dependency of session.tree.dependenciesOf(name))
    if (countReferences(session.store.read(), dependency) === 0) await removeFromKernel(session, dependency)
}

/** Without `--wait`, modprobe looks at the references before it asks the kernel. */
function isBusy(session: Session, name: string): boolean {
  const references = countReferences(session.store.read(), name) ?? 0
  if (session.options.waitMs > 0 || references === 0) return false
  sayFatal(session, `Module ${name} is in use.`)
  return true
}

async function removeLoaded(session: Session, name: string, withHolders: boolean): Promise<boolean> {
  const softdep = session.configuration.softdeps.get(name) ?? { pre: [], post: [] }
  await removeEach(session, softdep.post, false)
  if (withHolders && !(await removeEach(session, holdersOf(session.store.read(), name), true))) return false
  if (isBusy(session, name) || !(await removeFromKernel(session, name))) return false
  await removeUnusedDependencies(session, name)
  await removeEach(session, softdep.pre, false)
  return true
}

async function removeFound(session: Session, name: string, withHolders: boolean): Promise<boolean> {
  if (countReferences(session.store.read(), name) !== undefined) return removeLoaded(session, name, withHolders)
  if (session.options.firstTime) sayFatal(session, `Module ${name} is not in kernel.`)
  return !session.options.firstTime
}

/** Removes one module and what it alone needed; true when it is not in the kernel afterwards. */
export async function unloadModule(session: Session, given: string): Promise<boolean> {
  const found = session.tree.find(given)
  if (found === undefined) {
    sayFatal(session, `Module ${given} not found.`)
    return false
  }
  if (found.builtin) {
    sayFatal(session, `Module ${found.name} is builtin.`)
    return false
  }
  return removeFound(session, found.name, session.options.removeHolders)
}
