import { parse } from 'yaml'
import {
  workerConfigAnnotation,
  workerHashAnnotation,
  workerModuleVersionAnnotation,
  workerTolerationsAnnotation,
} from '../../api/annotations.ts'
import type { Toleration } from '../../api/core.generated.ts'
import { moduleNameLabel, moduleNamespaceLabel, workerActionLabel } from '../../api/labels.ts'
import { sameKernelState } from '../../api/module-config.ts'
import type { ModuleConfig, NodeModuleItem } from '../../api/node-modules-config.ts'
import type { PodView } from '../cluster/pod-view.ts'
import { hashWorker, sameHash, type WorkerIntent, workerCredentialsAnnotation } from './worker-intent.ts'
import { readWorkerState, type WorkerState } from './worker-state.ts'

/** A worker pod that the operator believes: it made it, or an upstream operator did for this very configuration. */
export interface Worker {
  podNamespace: string
  podName: string
  uid: string
  deleting: boolean
  hash: string
  intent: WorkerIntent
  state: WorkerState
}

function parseYaml(text: string): unknown {
  try {
    return parse(text, { maxAliasCount: 0 })
  } catch {
    return undefined
  }
}

/** The credentials that the pod was made for; an upstream pod shows them in its own fields. */
function readCredentials(pod: PodView): Pick<WorkerIntent, 'serviceAccountName' | 'imageRepoSecret'> {
  const annotation = pod.annotations[workerCredentialsAnnotation]
  const read = annotation === undefined ? undefined : parseYaml(annotation)
  if (typeof read !== 'object' || read === null)
    return { serviceAccountName: pod.serviceAccountName, imageRepoSecret: pod.firstPullSecret }
  const { serviceAccountName, imageRepoSecret } = read as Record<string, unknown>
  const text = (value: unknown): string => (typeof value === 'string' ? value : '')
  return { serviceAccountName: text(serviceAccountName), imageRepoSecret: text(imageRepoSecret) }
}

function readConfig(pod: PodView): ModuleConfig | undefined {
  const config = parseYaml(pod.annotations[workerConfigAnnotation] ?? '') as Partial<ModuleConfig> | null | undefined
  // The rest is trusted only once the hash says that the operator wrote it.
  return typeof config?.containerImage === 'string' && config.modprobe ? (config as ModuleConfig) : undefined
}

function readIntent(pod: PodView): WorkerIntent | undefined {
  const action = pod.labels[workerActionLabel]
  const config = readConfig(pod)
  if ((action !== 'Load' && action !== 'Unload') || config === undefined) return undefined
  const tolerations = parseYaml(pod.annotations[workerTolerationsAnnotation] ?? '')
  return {
    action,
    namespace: pod.labels[moduleNamespaceLabel] ?? pod.namespace,
    name: pod.labels[moduleNameLabel] ?? '',
    config,
    ...readCredentials(pod),
    tolerations: Array.isArray(tolerations) ? (tolerations as Toleration[]) : [],
    version: pod.annotations[workerModuleVersionAnnotation] ?? '',
  }
}

const hashOf = (key: Buffer, nodeUid: string, intent: WorkerIntent, pod: PodView): string =>
  hashWorker(key, {
    nodeUid,
    namespace: intent.namespace,
    name: intent.name,
    action: intent.action,
    // The texts as they stand in the pod: what was hashed is what is read.
    config: pod.annotations[workerConfigAnnotation] ?? '',
    credentials: pod.annotations[workerCredentialsAnnotation] ?? '',
    tolerations: pod.annotations[workerTolerationsAnnotation] ?? '',
    version: intent.version,
  })

/** For a pod of the Go operator (its hash is a decimal number): the entry of the plan that it serves. Believed only for what the plan already says. */
function findUpstreamEntry(
  pod: PodView,
  intent: WorkerIntent,
  entries: readonly NodeModuleItem[],
): NodeModuleItem | undefined {
  const hash = pod.annotations[workerHashAnnotation] ?? ''
  if (!/^\d{1,20}$/.test(hash) || pod.namespace !== intent.namespace) return undefined
  return entries.find(
    (entry) =>
      entry.namespace === intent.namespace &&
      entry.name === intent.name &&
      sameKernelState(entry.config, intent.config),
  )
}

/** Reads a worker pod; undefined when it is not one of the operator's own and so is not believed. */
export function readWorker(
  pod: PodView,
  key: Buffer,
  nodeUid: string,
  entries: readonly NodeModuleItem[],
): Worker | undefined {
  const read = readIntent(pod)
  if (read === undefined) return undefined
  const hash = pod.annotations[workerHashAnnotation] ?? ''
  const upstream = findUpstreamEntry(pod, read, entries)
  if (upstream === undefined && !sameHash(hash, hashOf(key, nodeUid, read, pod))) return undefined
  return {
    podNamespace: pod.namespace,
    podName: pod.name,
    uid: pod.uid,
    deleting: pod.deleting,
    hash,
    intent: upstream === undefined ? read : { ...read, config: upstream.config },
    state: readWorkerState(pod),
  }
}

/** True when two intents do the same to the kernel. */
export function sameWork(left: WorkerIntent, right: WorkerIntent): boolean {
  return left.action === right.action && sameKernelState(left.config, right.config)
}
