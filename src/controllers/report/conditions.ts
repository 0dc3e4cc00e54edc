import { findUnknownPolicy, unloadPolicies, unloadPolicyAnnotation } from '../../api/annotations.ts'
import type { Module } from '../../api/module.ts'
import type { Condition } from '../../api/condition.ts'
import { describeImages, findConcern } from './images-condition.ts'
import { describeConcerns } from './concern-words.ts'
import type { ObservedReport, ReportedNode } from './observed.ts'

type Fields = Pick<Condition, 'type' | 'status' | 'reason' | 'message'>
type StandingKind = ReportedNode['standing']['kind']

const maximumMessage = 1_024
const mostPolicyShown = 40

/** "1 node", "2 nodes". */
export const countNodes = (count: number): string => `${count} ${count === 1 ? 'node' : 'nodes'}`

const ofKind = (nodes: readonly ReportedNode[], kind: StandingKind): ReportedNode[] =>
  nodes.filter(({ standing }) => standing.kind === kind)

/** The reason that most of these nodes have, and the first node's words for it. */
function summarise(nodes: readonly ReportedNode[]): { reason: string; message: string } {
  const counts = new Map<string, number>()
  for (const { standing } of nodes)
    if (standing.kind !== 'loaded') counts.set(standing.reason, (counts.get(standing.reason) ?? 0) + 1)
  const [reason = 'Unknown'] =
    [...counts].sort((left, right) => right[1] - left[1] || (left[0] < right[0] ? -1 : 1))[0] ?? []
  const example = nodes.find(({ standing }) => standing.kind !== 'loaded' && standing.reason === reason)
  const words = example && example.standing.kind !== 'loaded' ? `${example.name}: ${example.standing.message}` : ''
  return { reason, message: `${countNodes(nodes.length)}, first ${words}` }
}

function describeDeletion({ nodes }: ObservedReport): Fields {
  const left = nodes.filter(({ inUse }) => inUse)
  const names = left
    .slice(0, 10)
    .map(({ name, standing }) =>
      standing.kind === 'loaded' ? name : `${name} (${standing.reason}: ${standing.message})`,
    )
  return {
    type: 'Ready',
    status: 'False',
    reason: 'Deleting',
    message: `being unloaded; waits for ${countNodes(left.length)}: ${names.join(', ')}`,
  }
}

/** Tells of what the Module runs besides loading: its device plugin, or its DRA driver. */
const nameOfPlugin = ({ spec }: Module): string => (spec?.dra ? 'DRA driver' : 'device plugin')

function describePlugin({ module, plugin }: ObservedReport): Fields | undefined {
  if (module.spec?.devicePlugin === undefined && module.spec?.dra === undefined) return undefined
  if (plugin.rolledOut && plugin.available >= plugin.desired) return undefined
  const name = nameOfPlugin(module)
  const standing = plugin.rolledOut
    ? `is available on ${plugin.available} of ${countNodes(plugin.desired)}`
    : 'is being rolled out'
  return notReady({
    reason: module.spec.dra ? 'DRADriverNotReady' : 'DevicePluginNotReady',
    message: `the ${name} ${standing}${plugin.words === undefined ? '' : `; ${plugin.words}`}`,
  })
}

const notReady = (fields: { reason: string; message: string }): Fields => ({
  type: 'Ready',
  status: 'False',
  ...fields,
})

/** Why a Module that nothing is wrong with is loaded nowhere. */
function describeNowhere(nodes: readonly ReportedNode[], excluded: readonly ReportedNode[]): Fields {
  if (nodes.length > 0) return notReady(summarise(excluded))
  const message = 'no node has the labels of spec.selector; label a node, or change the selector'
  return notReady({ reason: 'NoMatchingNodes', message })
}

function describeNoLoader(module: Module): string {
  const { spec } = module
  const name = nameOfPlugin(module)
  if (spec?.devicePlugin !== undefined || spec?.dra !== undefined) return `the ${name} is available`
  return 'it asks for nothing: add spec.moduleLoader to load a kernel module, spec.devicePlugin or spec.dra'
}

/** Nodes whose version is not the Module's, or not the one that they ask for, are well, and say what makes them change. */
function describeOutdated(outdated: readonly ReportedNode[]): string {
  const words = summarise(outdated).message
  return outdated.length > 0 ? `; versions differ on ${words}` : ''
}

function describeLoaded({ module, nodes }: ObservedReport, loaded: number, excluded: number): Fields {
  const aside = `${excluded > 0 ? `; not for ${countNodes(excluded)}` : ''}${describeOutdated(ofKind(nodes, 'outdated'))}`
  const message = module.spec?.moduleLoader ? `loaded on ${countNodes(loaded)}${aside}` : describeNoLoader(module)
  return { type: 'Ready', status: 'True', reason: 'Loaded', message }
}

/** A policy that is misspelt counts as absent: whoever wrote it has to hear of it. */
function remarkOnPolicy({ metadata }: Module): string {
  const value = findUnknownPolicy(metadata.annotations)
  if (value === undefined) return ''
  const said = JSON.stringify(value.slice(0, mostPolicyShown))
  return `; annotation ${unloadPolicyAnnotation} is ${said}, not one of ${unloadPolicies.join(', ')}: ${unloadPolicies[0]} counts`
}

function describeReady(observed: ObservedReport): Fields {
  const fields = standReady(observed)
  return { ...fields, message: `${fields.message}${remarkOnPolicy(observed.module)}` }
}

function standReady(observed: ObservedReport): Fields {
  const { module, nodes } = observed
  if (module.metadata.deletionTimestamp !== undefined) return describeDeletion(observed)
  const [failing, progressing] = [ofKind(nodes, 'failing'), ofKind(nodes, 'progressing')]
  if (failing.length > 0) return notReady(summarise(failing))
  if (progressing.length > 0) return notReady(summarise(progressing))
  const excluded = ofKind(nodes, 'excluded')
  const loaded = nodes.length - excluded.length
  if (module.spec?.moduleLoader && loaded === 0) return describeNowhere(nodes, excluded)
  const { concerns } = observed
  const plugin = describeConcerns(concerns, 'failing') ?? describeConcerns(concerns, 'progressing')
  if (plugin) return notReady(plugin)
  return describePlugin(observed) ?? describeLoaded(observed, loaded, excluded.length)
}

function describeKind(observed: ObservedReport, type: 'Progressing' | 'Degraded', kind: StandingKind): Fields {
  const nodes = ofKind(observed.nodes, kind)
  if (nodes.length > 0) return { type, status: 'True', ...summarise(nodes) }
  const isDeleted = observed.module.metadata.deletionTimestamp !== undefined
  const concern = isDeleted ? undefined : findConcern(observed, type === 'Progressing' ? 'making' : 'failing')
  if (concern) return { ...concern, type, status: 'True' }
  const plugin = isDeleted ? undefined : describeConcerns(observed.concerns, kind)
  if (plugin) return { ...plugin, type, status: 'True' }
  return { type, status: 'False', reason: 'AsExpected', message: '' }
}

/** The Module's conditions; `lastTransitionTime` moves only when the status of a condition does. */
export function describeConditions(observed: ObservedReport, now: string): Condition[] {
  const fields = [
    describeReady(observed),
    ...(observed.module.spec?.moduleLoader ? [{ type: 'ImagesReady', ...describeImages(observed) }] : []),
    describeKind(observed, 'Progressing', 'progressing'),
    describeKind(observed, 'Degraded', 'failing'),
  ]
  const generation = observed.module.metadata.generation
  return fields.map((field) => {
    const before = observed.module.status?.conditions?.find(({ type }) => type === field.type)
    return {
      ...field,
      message: field.message.slice(0, maximumMessage),
      lastTransitionTime: before?.status === field.status ? before.lastTransitionTime : now,
      ...(generation === undefined ? {} : { observedGeneration: generation }),
    }
  })
}
