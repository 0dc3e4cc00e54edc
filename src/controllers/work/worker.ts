import { parse } from 'yaml'
import {
  workerConfigAnnotation,
  workerHashAnnotation,
  workerImageSourceAnnotation,
  workerModuleVersionAnnotation,
  workerSparedAnnotation,
  workerTolerationsAnnotation,
} from '../../api/annotations.ts'
import type { Toleration } from '../../api/core.generated.ts'
import { nodeModulesConfigFinalizer } from '../../api/finalizers.ts'
import { moduleNameLabel, moduleNamespaceLabel, workerActionLabel } from '../../api/labels.ts'
import { sameKernelState } from '../../api/module-config.ts'
import type { ImageSource } from '../../api/operator-config.ts'
import type { ModuleConfig, NodeModuleItem } from '../../api/node-modules-config.ts'
import { parseSparedModules } from '../../kmod/spared-modules.ts'
import type { PodView } from '../cluster/pod-view.ts'
import { hashWorker, sameHash, type WorkerIntent, workerCredentialsAnnotation } from './worker-intent.ts'
import { readWorkerState, type WorkerState } from './worker-state.ts'

/** A worker pod that the operator believes: it made it, or an upstream operator did for this very configuration. */
export interface Worker {
  podNamespace: string
  podName: string
  uid: string
  /** When the pod was created (epoch). */
  createdAtMs: number
  deleting: boolean
  /** Somebody else's finalizers: while one is there, a deleted pod does not go. */
  heldBy: readonly string[]
  hash: string
  /** Who fetches the kmod image. */
  imageSource: ImageSource
  /** The image of the worker itself. */
  image: string
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

/** The operator writes this annotation as JSON; reading it as YAML would take many times as long. */
function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

const textOf = (value: unknown): string => (typeof value === 'string' ? value : '')

type Credentials = Pick<WorkerIntent, 'serviceAccountName' | 'imageRepoSecret' | 'podNamespace'>

/** The credentials that the pod was made for; an upstream pod shows them in its own fields. */
function readCredentials(pod: PodView): Credentials {
  const annotation = pod.annotations[workerCredentialsAnnotation]
  const read = annotation === undefined ? undefined : parseJson(annotation)
  if (typeof read !== 'object' || read === null) {
    const { serviceAccountName, firstPullSecret, namespace } = pod
    return { serviceAccountName, imageRepoSecret: firstPullSecret, podNamespace: namespace }
  }
  const { serviceAccountName, imageRepoSecret, podNamespace } = read as Record<string, unknown>
  return {
    serviceAccountName: textOf(serviceAccountName),
    imageRepoSecret: textOf(imageRepoSecret),
    podNamespace: textOf(podNamespace),
  }
}

function readConfig(pod: PodView): ModuleConfig | undefined {
  const config = parseYaml(pod.annotations[workerConfigAnnotation] ?? '') as Partial<ModuleConfig> | null | undefined
  if (typeof config?.containerImage !== 'string' || typeof config.kernelVersion !== 'string') return undefined
  return typeof config.modprobe === 'object' && config.modprobe !== null ? (config as ModuleConfig) : undefined
}

interface PodIdentity {
  action: 'Load' | 'Unload'
  namespace: string
  name: string
}

function readIdentity({ labels, namespace }: PodView): PodIdentity | undefined {
  const action = labels[workerActionLabel]
  const name = labels[moduleNameLabel] ?? ''
  if ((action !== 'Load' && action !== 'Unload') || name === '') return undefined
  return { action, namespace: labels[moduleNamespaceLabel] ?? namespace, name }
}

/** Parses what the pod is to do; only once its hash says who wrote it. */
function readIntent(pod: PodView, identity: PodIdentity): WorkerIntent | undefined {
  const config = readConfig(pod)
  if (config === undefined) return undefined
  const tolerations = parseYaml(pod.annotations[workerTolerationsAnnotation] ?? '')
  return {
    ...identity,
    config,
    ...readCredentials(pod),
    tolerations: Array.isArray(tolerations) ? (tolerations as Toleration[]) : [],
    version: pod.annotations[workerModuleVersionAnnotation] ?? '',
    sparedModules: parseSparedModules(pod.annotations[workerSparedAnnotation] ?? ''),
  }
}

const readImageSource = ({ annotations }: PodView): ImageSource =>
  annotations[workerImageSourceAnnotation] === 'volume' ? 'volume' : 'worker'

const hashOf = (key: Buffer, nodeUid: string, identity: PodIdentity, pod: PodView): string => {
  const { annotations } = pod
  return hashWorker(key, {
    nodeUid,
    ...identity,
    // The texts as they stand in the pod: what was hashed is what is read.
    config: annotations[workerConfigAnnotation] ?? '',
    credentials: annotations[workerCredentialsAnnotation] ?? '',
    tolerations: annotations[workerTolerationsAnnotation] ?? '',
    version: annotations[workerModuleVersionAnnotation] ?? '',
    imageSource: readImageSource(pod),
    spared: annotations[workerSparedAnnotation] ?? '',
  })
}

const isUpstreamHash = (hash: string): boolean => /^\d{1,20}$/.test(hash)

/** A pod that the operator made, for this node and in the namespace where it made it. */
function isOwn(pod: PodView, identity: PodIdentity, key: Buffer, nodeUid: string): boolean {
  const hash = pod.annotations[workerHashAnnotation] ?? ''
  return sameHash(hash, hashOf(key, nodeUid, identity, pod)) && readCredentials(pod).podNamespace === pod.namespace
}

/** A pod of the Go operator (its hash is a decimal number): believed only for what the plan already says. */
function readUpstream(
  pod: PodView,
  identity: PodIdentity,
  entries: readonly NodeModuleItem[],
): WorkerIntent | undefined {
  const { namespace, name } = identity
  const entry = entries.find((each) => each.namespace === namespace && each.name === name)
  if (entry === undefined || pod.namespace !== namespace) return undefined
  const intent = readIntent(pod, identity)
  if (intent === undefined || !sameKernelState(entry.config, intent.config)) return undefined
  return { ...intent, config: entry.config, sparedModules: [] }
}

/** Reads a worker pod; undefined when it is not one of the operator's own and so is not believed. */
export function readWorker(
  pod: PodView,
  key: Buffer,
  nodeUid: string,
  entries: readonly NodeModuleItem[],
): Worker | undefined {
  const identity = readIdentity(pod)
  if (identity === undefined) return undefined
  const hash = pod.annotations[workerHashAnnotation] ?? ''
  const isUpstream = isUpstreamHash(hash)
  if (!isUpstream && !isOwn(pod, identity, key, nodeUid)) return undefined
  const intent = isUpstream ? readUpstream(pod, identity, entries) : readIntent(pod, identity)
  if (intent === undefined) return undefined
  return {
    podNamespace: pod.namespace,
    podName: pod.name,
    uid: pod.uid,
    createdAtMs: Date.parse(pod.createdAt) || 0,
    deleting: pod.deleting,
    heldBy: pod.finalizers.filter((each) => each !== nodeModulesConfigFinalizer),
    hash,
    imageSource: isUpstream ? 'worker' : readImageSource(pod),
    image: pod.container.image,
    intent,
    state: readWorkerState(pod, isUpstream ? 'upstream' : 'own'),
  }
}

/** True for a worker pod that `readWorker` believes; reads no more of it than that takes. */
export function isBelieved(pod: PodView, key: Buffer, nodeUid: string, entries: readonly NodeModuleItem[]): boolean {
  const identity = readIdentity(pod)
  if (identity === undefined) return false
  if (!isUpstreamHash(pod.annotations[workerHashAnnotation] ?? '')) return isOwn(pod, identity, key, nodeUid)
  return readUpstream(pod, identity, entries) !== undefined
}

/** True when two intents do the same to the kernel. */
export function sameWork(left: WorkerIntent, right: WorkerIntent): boolean {
  return left.action === right.action && sameKernelState(left.config, right.config)
}
