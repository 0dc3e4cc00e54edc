import type { DaemonSet } from 'kubernetes-types/apps/v1.js'
import { roleLabel } from '../../api/labels.ts'
import type { DevicePlugin, DRA, Module } from '../../api/module.ts'
import type { PodView } from './pod-view.ts'

/** What a Module's pods do where the module is loaded; the value of the role label. */
export type PluginRole = 'device-plugin' | 'dra'

/** Both; a Module has one of them at most. */
export const pluginRoles: readonly PluginRole[] = ['device-plugin', 'dra']

/** A role in words. */
export const nameRole = (role: PluginRole): string => (role === 'dra' ? 'DRA driver' : 'device plugin')

/** What the Module asks for in a role. */
export function pluginOf({ spec }: Module, role: PluginRole): DevicePlugin | DRA | undefined {
  return role === 'dra' ? spec?.dra : spec?.devicePlugin
}

/** The role of a DaemonSet; none is a device plugin's (upstream: for upgrades), and others are no plugins. */
export function roleOfDaemonSet({ metadata }: DaemonSet): PluginRole | undefined {
  const role = metadata?.labels?.[roleLabel] ?? 'device-plugin'
  return pluginRoles.find((each) => each === role)
}

/** The role of a device plugin or DRA pod. */
export const roleOfPod = ({ labels }: Pick<PodView, 'labels'>): PluginRole =>
  labels[roleLabel] === 'dra' ? 'dra' : 'device-plugin'
