import type { DaemonSet } from 'kubernetes-types/apps/v1.js'
import { nodeLabelerFinalizer } from '../../api/finalizers.ts'
import { getSchedulePodVersionLabelName, getWorkerPodVersionLabelName } from '../../api/labels.ts'
import type { DevicePlugin, Module } from '../../api/module.ts'
import type { DeviceClass } from '../../kube/device-class.ts'
import type { Decision, Wait } from '../../runtime/reconciler.ts'
import { type PluginRole, pluginOf, pluginRoles } from '../cluster/plugin-role.ts'
import type { PodView } from '../cluster/pod-view.ts'
import { buildDaemonSet, madeServiceAccountName, specHashAnnotation, versionOf } from './daemon-set.ts'
import { decideDeviceClasses } from './decide-classes.ts'
import { decideNodeLabels, type NodeLabels } from './decide-labels.ts'
import type { ObservedWorkloads } from './observed.ts'
import { awaitPredecessors } from './predecessors.ts'
import { isAsWanted } from './same-daemon-set.ts'

/** What `workloads` can do. */
export type Action =
  | ({ type: 'labelNode' } & NodeLabels)
  | { type: 'createServiceAccount'; module: Module; role: PluginRole; name: string }
  | { type: 'createDaemonSet'; module: Module; role: PluginRole; daemonSet: DaemonSet }
  | { type: 'replaceDaemonSet'; module: Module; role: PluginRole; present: DaemonSet; wanted: DaemonSet }
  | { type: 'deleteDaemonSet'; daemonSet: DaemonSet }
  | { type: 'createDeviceClass'; module: string; wanted: DeviceClass }
  | { type: 'replaceDeviceClass'; module: string; present: DeviceClass; wanted: DeviceClass }
  | { type: 'deleteDeviceClass'; deviceClass: DeviceClass }
  | { type: 'releasePod'; pod: PodView }

/** What a Module wants in one role. */
interface Order {
  module: Module
  role: PluginRole
  plugin: DevicePlugin
}

/** The account to stay with: an upstream operator's choice, or the namespace's own, for which permissions were set up. */
function findAdoptedAccount({ metadata, spec }: DaemonSet): string | undefined {
  const account = spec?.template.spec?.serviceAccountName ?? ''
  const isOwn = metadata?.annotations?.[specHashAnnotation] !== undefined
  return account === '' || account === 'default' || !isOwn ? account : undefined
}

/**
 * The account that the Module names; else the one that an adopted DaemonSet runs as, with which it was set up; else one made
 * for it, also in place of one that the Module named before.
 */
function chooseServiceAccount(
  { module, role, plugin }: Order,
  present: DaemonSet | undefined,
): { name: string; make: boolean } {
  const made = madeServiceAccountName(module, role)
  if (plugin.serviceAccountName) return { name: plugin.serviceAccountName, make: false }
  if (present === undefined) return { name: made, make: true }
  const adopted = findAdoptedAccount(present) ?? made
  return { name: adopted, make: adopted === made }
}

function decideCurrent(order: Order, present: DaemonSet | undefined): Action[] {
  const { module, role, plugin } = order
  const account = chooseServiceAccount(order, present)
  const wanted = buildDaemonSet(module, { role, plugin, serviceAccountName: account.name })
  const make: Action[] = account.make ? [{ type: 'createServiceAccount', module, role, name: account.name }] : []
  if (present === undefined) return [...make, { type: 'createDaemonSet', module, role, daemonSet: wanted }]
  return isAsWanted(present, wanted) ? [] : [...make, { type: 'replaceDaemonSet', module, role, present, wanted }]
}

const isDeleting = ({ metadata }: DaemonSet): boolean => metadata?.deletionTimestamp !== undefined

/**
 * A node is still to have this version, though perhaps no pod just now: while it reboots, or its module is not loaded yet. The
 * Module says no more what the DaemonSet of an earlier version was.
 */
function isAwaited(version: string, { namespace, name, nodes }: ObservedWorkloads): boolean {
  if (version === '') return false
  const keys = [getWorkerPodVersionLabelName(namespace, name), getSchedulePodVersionLabelName(namespace, name)]
  return nodes.some(({ labels }) => keys.some((key) => labels[key] === version))
}

/** A driver that runs is left alone where the cluster cannot be asked, or has lost DRA. */
function mayWrite(role: PluginRole, { dra, refused }: ObservedWorkloads, nowMs: number): boolean {
  if (role === 'dra' && dra.kind !== 'present') return false
  return nowMs >= (refused[role]?.untilMs ?? 0)
}

function decideDaemonSets(role: PluginRole, observed: ObservedWorkloads, nowMs: number): Action[] {
  const { namespace, name, module, daemonSets } = observed
  const live = daemonSets[role].filter((daemonSet) => !isDeleting(daemonSet))
  const drop = (daemonSet: DaemonSet): Action => ({ type: 'deleteDaemonSet', daemonSet })
  // What a vanished Module left is collected through its owner references.
  if (module === undefined) return []
  const plugin = pluginOf(module, role)
  if (module.metadata.deletionTimestamp !== undefined || plugin === undefined) return live.map(drop)
  const versionLabel = getSchedulePodVersionLabelName(namespace, name)
  const versionIn = ({ metadata }: DaemonSet): string => metadata?.labels?.[versionLabel] ?? ''
  const isCurrent = (daemonSet: DaemonSet): boolean => versionIn(daemonSet) === versionOf(module)
  const [current, ...duplicates] = live.filter(isCurrent)
  const isIdle = (daemonSet: DaemonSet): boolean =>
    (daemonSet.status?.desiredNumberScheduled ?? 0) === 0 && !isAwaited(versionIn(daemonSet), observed)
  const idle = live.filter((daemonSet) => !isCurrent(daemonSet) && isIdle(daemonSet))
  const isHeld = current === undefined && awaitPredecessors(role, observed, nowMs) !== undefined
  const make = !isHeld && mayWrite(role, observed, nowMs) ? decideCurrent({ module, role, plugin }, current) : []
  return [...make, ...duplicates.map(drop), ...idle.map(drop)]
}

function waitForRefused({ module, refused }: ObservedWorkloads, nowMs: number): Wait[] {
  return pluginRoles.flatMap((role): Wait[] => {
    const refusal = refused[role]
    if (refusal === undefined || nowMs >= refusal.untilMs || !module || !pluginOf(module, role)) return []
    return [{ reason: 'DaemonSetRefused', message: refusal.message, untilMs: refusal.untilMs }]
  })
}

function waitForPredecessors(observed: ObservedWorkloads, nowMs: number): Wait[] {
  return pluginRoles.flatMap((role) => {
    const isThere = observed.daemonSets[role].some((daemonSet) => !isDeleting(daemonSet))
    return isThere ? [] : (awaitPredecessors(role, observed, nowMs) ?? [])
  })
}

/**
 * Decides about a Module's device plugin or DRA driver. Labels go before finalizers: a pod's last trace is its label.
 * Finalizers go before DaemonSets: a namespace that is going away takes no new objects, and waits for its pods.
 */
export function decide(observed: ObservedWorkloads, nowMs: number): Decision<Action> {
  const released = observed.pods.filter(({ pod }) => pod.deleting && pod.finalizers.includes(nodeLabelerFinalizer))
  const classes = decideDeviceClasses(observed, nowMs)
  return {
    actions: [
      ...decideNodeLabels(observed).map((change): Action => ({ type: 'labelNode', ...change })),
      ...released.map(({ pod }): Action => ({ type: 'releasePod', pod })),
      ...pluginRoles.flatMap((role) => decideDaemonSets(role, observed, nowMs)),
      ...classes.actions,
    ],
    waits: [...waitForPredecessors(observed, nowMs), ...waitForRefused(observed, nowMs), ...classes.waits],
  }
}
