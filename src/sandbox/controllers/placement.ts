import type { NodeSelectorRequirement, NodeSelectorTerm, Taint } from 'kubernetes-types/core/v1.js'
import { matchesSelector } from '../apiserver/admission/label-selector.ts'
import type { PodSpec } from '../apiserver/admission/pod-shape.ts'
import type { ApiObject } from '../apiserver/object.ts'
import { findUntolerated } from './tolerations.ts'

/** A Node as the controllers read it. */
export interface Node extends ApiObject {
  spec?: { taints?: Taint[]; unschedulable?: boolean }
  status?: { conditions?: { type: string; status: string }[] }
}

type Labels = Readonly<Record<string, string>>

function matchesRequirement({ key, operator, values = [] }: NodeSelectorRequirement, labels: Labels): boolean {
  if (operator !== 'Gt' && operator !== 'Lt')
    return matchesSelector({ matchExpressions: [{ key, operator, values }] }, labels)
  const [have, limit] = [labels[key], values[0]].map((text) => (text === undefined ? Number.NaN : Number(text)))
  return operator === 'Gt' ? (have ?? Number.NaN) > (limit ?? Number.NaN) : (have ?? Number.NaN) < (limit ?? Number.NaN)
}

function matchesTerm({ matchExpressions = [], matchFields = [] }: NodeSelectorTerm, node: Node): boolean {
  if (matchExpressions.length + matchFields.length === 0) return false
  const fields = { 'metadata.name': node.metadata.name }
  return (
    matchExpressions.every((requirement) => matchesRequirement(requirement, node.metadata.labels ?? {})) &&
    matchFields.every((requirement) => matchesRequirement(requirement, fields))
  )
}

/** True when a pod's node selector and required node affinity allow a node. */
export function matchesNode(spec: PodSpec | undefined, node: Node): boolean {
  const labels = node.metadata.labels ?? {}
  if (!matchesSelector({ matchLabels: spec?.nodeSelector ?? {} }, labels)) return false
  const terms = spec?.affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution?.nodeSelectorTerms
  return terms === undefined || terms.some((term) => matchesTerm(term, node))
}

/** Whether a pod may be placed on a node, and whether one that is there may stay. */
export interface Placement {
  mayRun: boolean
  mayStay: boolean
}

/** Decides by selector, affinity and taints. */
export function placePod(spec: PodSpec | undefined, node: Node): Placement {
  if (!matchesNode(spec, node)) return { mayRun: false, mayStay: false }
  const taints = node.spec?.taints ?? []
  const tolerations = spec?.tolerations ?? []
  return {
    mayRun: findUntolerated(taints, tolerations, ['NoSchedule', 'NoExecute']).length === 0,
    mayStay: findUntolerated(taints, tolerations, ['NoExecute']).length === 0,
  }
}
