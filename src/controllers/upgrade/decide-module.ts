import { assertNever } from '../../errors/error.ts'
import type { Wait } from '../../runtime/reconciler.ts'
import type { ObservedModule, VersionLabels } from './observed.ts'

/** What the internal labels are to be next, empty for none, and what their next change waits for. */
export interface NextLabels extends Pick<VersionLabels, 'worker' | 'schedule'> {
  wait?: Wait
}

const none: NextLabels = { worker: '', schedule: '' }

function waitForPlugins({ namespace, name, labels, pluginPods, pluginWords }: ObservedModule): Wait {
  const what = `${pluginPods} device plugin or DRA pod(s) of ${namespace}/${name} still run on the node: ${pluginWords}`
  const message = `${what}; version ${labels.worker} is unloaded when they are gone`
  return { reason: 'DevicePluginStillRunning', message }
}

function waitForUnload({ namespace, name, labels, planned }: ObservedModule): Wait {
  const message = `${namespace}/${name}: version ${labels.module} is loaded when nothing of the Module is left on the node`
  return { reason: planned === undefined ? 'WorkerRunning' : 'NodeModulesConfigPending', message }
}

/** The versions of the Module that are left on the node, in its plan and in its kernel. */
const listLeft = ({ planned, loaded }: ObservedModule): string[] =>
  [planned, loaded].filter((version) => version !== undefined)

/** What is left on the node is of this version, and of no other. */
function isThere(module: ObservedModule, version: string): boolean {
  const left = listLeft(module)
  return left.length > 0 && left.every((each) => each === version)
}

/**
 * Nothing is allowed on the node: what is asked for comes once it is empty, as two versions cannot be loaded together. Where it is
 * what is there, its unload is given up.
 */
function comeFromNothing(module: ObservedModule): NextLabels {
  const wanted = module.labels.module
  const isLeft = module.ready || listLeft(module).length > 0
  if (wanted !== '' && isLeft && !isThere(module, wanted)) return { ...none, wait: waitForUnload(module) }
  return { worker: wanted, schedule: '' }
}

/**
 * The version to lead the node to. What was let onto it is not given up for one that the Module does not have: a slip of the pen
 * takes no driver away (upstream unloads).
 */
function chooseWanted({ labels, version }: ObservedModule): string {
  const isOffered = labels.module === '' || labels.module === version
  return isOffered || labels.worker === '' ? labels.module : labels.worker
}

function waitForVersion({ namespace, name, labels, version, pinned }: ObservedModule): Wait {
  const what = `the node asks for version ${labels.module} of ${namespace}/${name}, which has version ${version}`
  const message = `${what}; version ${pinned ?? labels.worker} stays until the Module has the one that is asked for`
  return { reason: 'VersionDiffers', message }
}

/** What is never unloaded stays, and its pods with it; the next boot finds the version that is wanted allowed. */
function waitForReboot(module: ObservedModule): NextLabels | undefined {
  const { namespace, name, labels, pinned, version } = module
  const wanted = chooseWanted(module)
  if (pinned === undefined || wanted === '') return undefined
  const next = { worker: wanted, schedule: labels.schedule }
  // An upgrade that is given up before the reboot has changed nothing but this label.
  if (wanted === pinned) return labels.worker === wanted ? undefined : next
  if (wanted !== version) return { ...next, wait: waitForVersion(module) }
  const what = `version ${pinned} of ${namespace}/${name} is loaded, and its unload policy Never forbids to unload it`
  const message = `${what}; reboot the node to have version ${wanted}`
  return { ...next, wait: { reason: 'UnloadForbidden', message } }
}

/** Somebody changed the worker label by hand: what runs as it is asked for is not unloaded for that. */
function mendWorkerLabel(module: ObservedModule): NextLabels | undefined {
  const { worker, schedule } = module.labels
  const wanted = chooseWanted(module)
  if (worker === '' || wanted === '' || worker === wanted || !isThere(module, wanted)) return undefined
  return { worker: wanted, schedule }
}

/**
 * One step on the way to the version that the administrator asks for: pods of the device plugin go, the module goes, the
 * module comes, the pods come (upstream: "Ordered upgrade"). Where upstream's table has no row, the pods' label goes first,
 * and what remains is one of its rows.
 */
function followAdministrator(module: ObservedModule): NextLabels {
  const { worker, schedule } = module.labels
  const wanted = chooseWanted(module)
  const isAllowed = worker !== '' && worker === wanted
  const held = wanted === module.labels.module ? {} : { wait: waitForVersion(module) }
  if (isAllowed && (schedule === '' || schedule === wanted)) return { worker, schedule: wanted, ...held }
  if (schedule !== '') return { worker, schedule: '', ...held }
  if (worker === '') return comeFromNothing(module)
  return module.pluginPods > 0 ? { worker, schedule: '', wait: waitForPlugins(module) } : none
}

/** Decides what one Module's internal version labels on one node are to be next. Taints have no part in it. */
export function decideModule(module: ObservedModule): NextLabels {
  const { worker, schedule } = module.labels
  switch (module.claim) {
    case 'ordered':
      return waitForReboot(module) ?? mendWorkerLabel(module) ?? followAdministrator(module)
    case 'unordered':
      return none
    case 'none':
      // A Module that comes back finds what it left, and nothing is unloaded for the lack of a label.
      return listLeft(module).length > 0 || module.pluginPods > 0 ? { worker, schedule } : none
    default:
      return assertNever(module.claim)
  }
}
