import { createHmac, timingSafeEqual } from 'node:crypto'
import { stringify } from 'yaml'
import type { Toleration } from '../../api/core.generated.ts'
import type { ImageSource } from '../../api/operator-config.ts'
import { formatSparedModules } from '../../kmod/spared-modules.ts'
import type { ModuleConfig, NodeModuleItem, NodeModuleStatusItem } from '../../api/node-modules-config.ts'

/**
 * Annotation of a worker pod: service account and pull secret that the Module names, and the pod's namespace, as JSON. The
 * pod's own fields do not say it: admission may add pull secrets, a pod outside the Module's namespace runs as somebody
 * else, and a copy of a pod must not be believed in another namespace.
 */
export const workerCredentialsAnnotation = 'kmm.node.kubernetes.io/worker-credentials'

/** What one worker pod is to do on one node, and with what. */
export interface WorkerIntent {
  action: 'Load' | 'Unload'
  /** The Module's namespace and name. */
  namespace: string
  name: string
  config: ModuleConfig
  serviceAccountName: string
  imageRepoSecret: string
  tolerations: readonly Toleration[]
  version: string
  /** Where the pod runs: the Module's namespace, or the operator's when that one is going away. */
  podNamespace: string
  /** Kernel modules that other Modules of the node ask for, where the worker removes any. */
  sparedModules: readonly string[]
}

/** The intent to load what the plan asks for, or to unload what the status says is loaded. */
export function intentOf(
  action: 'Load' | 'Unload',
  item: NodeModuleItem | (NodeModuleStatusItem & { config: ModuleConfig }),
): WorkerIntent {
  return {
    action,
    namespace: item.namespace,
    name: item.name,
    config: item.config,
    serviceAccountName: item.serviceAccountName === '' ? 'default' : item.serviceAccountName,
    imageRepoSecret: item.imageRepoSecret?.name ?? '',
    tolerations: item.tolerations ?? [],
    version: item.version ?? '',
    podNamespace: item.namespace,
    sparedModules: [],
  }
}

/** The worker's configuration file: the config with its keys in alphabetical order. */
export function formatWorkerConfig(config: ModuleConfig): string {
  return stringify(config, { sortMapEntries: true, lineWidth: 0 })
}

/** The tolerations as the pod's annotation carries them; empty when there are none. */
export function formatWorkerTolerations(tolerations: readonly Toleration[]): string {
  return tolerations.length === 0 ? '' : stringify(tolerations, { sortMapEntries: true, lineWidth: 0 })
}

/** The annotation's text for an intent. */
export function formatWorkerCredentials({ serviceAccountName, imageRepoSecret, podNamespace }: WorkerIntent): string {
  return JSON.stringify({ serviceAccountName, imageRepoSecret, podNamespace })
}

/** The parts of a worker pod that its hash binds together. */
export interface HashedParts {
  nodeUid: string
  namespace: string
  name: string
  action: string
  config: string
  credentials: string
  tolerations: string
  version: string
  imageSource: ImageSource
  spared: string
}

/** The hash by which the operator knows its own worker pods: an HMAC, so that nobody else can make one. */
export function hashWorker(key: Buffer, parts: HashedParts): string {
  const text = JSON.stringify([
    parts.nodeUid,
    parts.namespace,
    parts.name,
    parts.action,
    parts.config,
    parts.credentials,
    parts.tolerations,
    parts.version,
    // Pods that were made before there was a choice, or anything to spare, keep their hash.
    ...(parts.imageSource === 'worker' ? [] : [parts.imageSource]),
    ...(parts.spared === '' ? [] : [{ spared: parts.spared }]),
  ])
  return createHmac('sha256', key).update(text).digest('hex')
}

/**
 * Who fetches the image for an intent where the operator is configured so: an unload needs nothing but what the load has
 * left on the node, and must not wait for an image that may be gone.
 */
export const chooseImageSource = ({ action }: WorkerIntent, configured: ImageSource): ImageSource =>
  action === 'Load' ? configured : 'worker'

/** The hash that the pod for this intent carries on the node with this uid. */
export function hashIntent(
  key: Buffer,
  nodeUid: string,
  intent: WorkerIntent,
  configured: ImageSource = 'worker',
): string {
  return hashWorker(key, {
    nodeUid,
    namespace: intent.namespace,
    name: intent.name,
    action: intent.action,
    config: formatWorkerConfig(intent.config),
    credentials: formatWorkerCredentials(intent),
    tolerations: formatWorkerTolerations(intent.tolerations),
    version: intent.version,
    imageSource: chooseImageSource(intent, configured),
    spared: formatSparedModules(intent.sparedModules),
  })
}

/** Compares two hashes without telling by its duration where they differ. */
export function sameHash(left: string, right: string): boolean {
  const [a, b] = [Buffer.from(left), Buffer.from(right)]
  return a.length === b.length && timingSafeEqual(a, b)
}
