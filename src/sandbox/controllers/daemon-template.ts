import { createHash } from 'node:crypto'
import type { Affinity, Toleration } from 'kubernetes-types/core/v1.js'
import type { PodSpec } from '../apiserver/admission/pod-shape.ts'
import type { ApiObject } from '../apiserver/object.ts'

/** A DaemonSet as the controller reads it. */
export interface DaemonSet extends ApiObject {
  spec?: {
    selector?: { matchLabels?: Record<string, string> }
    template?: {
      metadata?: { labels?: Record<string, string>; annotations?: Record<string, string>; finalizers?: string[] }
      spec?: PodSpec
    }
    updateStrategy?: { type?: string; rollingUpdate?: { maxUnavailable?: number | string } }
    minReadySeconds?: number
  }
  status?: Record<string, unknown>
}

/** The label that tells of which template a pod is. */
export const hashLabel = 'controller-revision-hash'

/** What every daemon pod tolerates, so that the trouble of a node does not drive it away. */
const daemonTolerations: readonly (readonly [name: string, effect: string])[] = [
  ['not-ready', 'NoExecute'],
  ['unreachable', 'NoExecute'],
  ['disk-pressure', 'NoSchedule'],
  ['memory-pressure', 'NoSchedule'],
  ['pid-pressure', 'NoSchedule'],
  ['unschedulable', 'NoSchedule'],
]

/** Where the API server counts the changes of a template. */
export const templateGeneration = 'deprecated.daemonset.template.generation'

const generationOf = ({ metadata }: DaemonSet): string => metadata.annotations?.[templateGeneration] ?? '1'

const letters = 'bcdfghjklmnpqrstvwxz2456789'

/** A short name for a template: the same for the same content, whatever the order of its keys. */
export function hashTemplate(daemonSet: DaemonSet): string {
  const sorted = JSON.stringify(daemonSet.spec?.template ?? {}, (_key, value: unknown) =>
    typeof value === 'object' && value !== null && !Array.isArray(value)
      ? Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)))
      : value,
  )
  const digest = createHash('sha256').update(sorted).digest()
  return [...digest.subarray(0, 10)].map((byte) => letters[byte % letters.length]).join('')
}

function addTolerations(spec: PodSpec): Toleration[] {
  const names =
    spec.hostNetwork === true ? [...daemonTolerations, ['network-unavailable', 'NoSchedule']] : daemonTolerations
  const added = names.map(([name = '', effect = '']) => ({
    key: `node.kubernetes.io/${name}`,
    operator: 'Exists',
    effect,
  }))
  const isAdded = ({ key, operator, effect }: Toleration): boolean =>
    operator === 'Exists' && added.some((each) => each.key === key && each.effect === effect)
  return [...(spec.tolerations ?? []).filter((toleration) => !isAdded(toleration)), ...added]
}

/** The spec of the daemon pod as far as it does not depend on the node. */
export function daemonPodSpec(daemonSet: DaemonSet): PodSpec {
  const spec = structuredClone(daemonSet.spec?.template?.spec ?? { containers: [] })
  return { ...spec, tolerations: addTolerations(spec) }
}

function pinTo(affinity: Affinity | undefined, nodeName: string): Affinity {
  const term = { matchFields: [{ key: 'metadata.name', operator: 'In', values: [nodeName] }] }
  const required = { nodeSelectorTerms: [term] }
  const nodeAffinity = { ...affinity?.nodeAffinity, requiredDuringSchedulingIgnoredDuringExecution: required }
  return { ...affinity, nodeAffinity }
}

/** The pod of a DaemonSet for one node; the scheduler binds it. */
export function buildDaemonPod(daemonSet: DaemonSet, nodeName: string, suffix: string): ApiObject {
  const { name, namespace = '', uid = '' } = daemonSet.metadata
  const { labels, annotations, finalizers } = daemonSet.spec?.template?.metadata ?? {}
  const spec = daemonPodSpec(daemonSet)
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      name: `${name}-${suffix}`,
      generateName: `${name}-`,
      namespace,
      labels: { ...labels, [hashLabel]: hashTemplate(daemonSet), 'pod-template-generation': generationOf(daemonSet) },
      ...(annotations === undefined ? {} : { annotations }),
      ...(finalizers === undefined ? {} : { finalizers }),
      ownerReferences: [
        { apiVersion: 'apps/v1', kind: 'DaemonSet', name, uid, controller: true, blockOwnerDeletion: true },
      ],
    },
    spec: { ...spec, affinity: pinTo(spec.affinity, nodeName) },
  }
}

/** The node that a daemon pod is for, bound to it or not yet. */
export function nodeOfDaemonPod(spec: PodSpec | undefined): string {
  return spec?.nodeName || readPin(spec?.affinity)
}

function readPin(affinity: Affinity | undefined): string {
  const required = affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution
  const fields = required?.nodeSelectorTerms.flatMap((term) => term.matchFields ?? []) ?? []
  return fields[0]?.values?.[0] ?? ''
}
