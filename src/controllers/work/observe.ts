import { nodeModulesConfigFinalizer } from '../../api/finalizers.ts'
import { parseUnloadPolicy, workerHashAnnotation } from '../../api/annotations.ts'
import type { ImageSource } from '../../api/operator-config.ts'
import { sameKernelState } from '../../api/module-config.ts'
import type { NodeModulesConfig, NodeModuleStatusItem } from '../../api/node-modules-config.ts'
import type { MappingResolver } from '../../kernel/resolver.ts'
import { parseKey } from '../../kube/object.ts'
import { type Caches, moduleKeyOfPod, podsByNode } from '../cluster/caches.ts'
import { type Defined, defined } from '../cluster/defined.ts'
import type { DepartedWorkers } from '../cluster/departed-workers.ts'
import type { LostConfigs } from '../cluster/lost-configs.ts'
import { findOnNode, isLoadedAsWanted, type ModuleOnNode } from '../cluster/module-on-node.ts'
import { modulesOfConfig } from '../cluster/modules-of-config.ts'
import type { NodeView } from '../cluster/node-view.ts'
import { describePluginPods } from '../cluster/plugin-words.ts'
import { isPluginPod, isWorkerPod, type PodView } from '../cluster/pod-view.ts'
import { answerModule } from '../plan/answer.ts'
import { type NodeAndConfig, observeModule as observeForPlan, recallStatus } from '../plan/observe.ts'
import { isReadyLabel } from './labels.ts'
import type { ObservedModule, ObservedNode, ObservedStranded, Refusal } from './observed.ts'
import { hashIntent } from './worker-intent.ts'
import { readWorker, type Worker } from './worker.ts'

/** What `work` reads from. */
export interface WorkSources {
  caches: Caches
  resolver: MappingResolver
  lost: LostConfigs
  departed: DepartedWorkers
  /** The key of the worker pods' hashes. */
  hashKey: Buffer
  operatorNamespace: string
  /** Who is to fetch the images of modules that are loaded. */
  imageSource: ImageSource
  /** Refused worker pods by `node namespace/name`. */
  refusals: ReadonlyMap<string, Refusal>
  /** When this process made a worker pod, by uid: the API server's clock may be another than the operator's. */
  madeAtMs: ReadonlyMap<string, number>
}

/** The key of a refusal. */
export const refusalKey = (nodeName: string, namespace: string, name: string): string =>
  `${nodeName} ${namespace}/${name}`

/** The node in the key of a refusal. */
export const nodeOfRefusal = (key: string): string => key.slice(0, key.indexOf(' '))

interface NodePods {
  workers: readonly Worker[]
  plugins: readonly PodView[]
  strays: readonly PodView[]
  gone: readonly string[]
}

/** Worker pods of the Go operator that are being deleted and no longer run: nobody else takes its finalizer off. */
const isStranded = (pod: PodView): boolean =>
  isWorkerPod(pod) &&
  pod.deleting &&
  pod.container.state.kind !== 'running' &&
  pod.finalizers.includes(nodeModulesConfigFinalizer)

function observePods(node: NodeView, config: NodeModulesConfig, sources: WorkSources): NodePods {
  const { caches, hashKey, madeAtMs } = sources
  const pods = caches.pods.byIndex(podsByNode, node.name)
  const departed = sources.departed.list(node.name)
  const entries = config.spec?.modules ?? []
  const read = (pod: PodView): readonly Worker[] => {
    const worker = readWorker(pod, hashKey, node.uid, entries)
    return worker ? [{ ...worker, createdAtMs: madeAtMs.get(worker.uid) ?? worker.createdAtMs }] : []
  }
  const workers = [...departed, ...pods.filter(isWorkerPod)].flatMap(read)
  return {
    workers,
    plugins: pods.filter(isPluginPod),
    strays: pods.filter((pod) => isStray(pod, config, workers)),
    gone: departed.map(({ uid }) => uid),
  }
}

const ownHash = /^[0-9a-f]{64}$/

/**
 * A worker pod of this node's NodeModulesConfig that is not believed any more, because the key was lost or the Node was made
 * anew under its name: whatever it does, nobody would read it, and its successor needs its place.
 */
function isStray(pod: PodView, config: NodeModulesConfig, workers: readonly Worker[]): boolean {
  return (
    isWorkerPod(pod) &&
    !pod.deleting &&
    pod.ownerUids.includes(config.metadata.uid ?? '') &&
    ownHash.test(pod.annotations[workerHashAnnotation] ?? '') &&
    workers.every(({ uid }) => uid !== pod.uid)
  )
}

/** What the plan names needs no unload. */
function isAsPlanned({ entry, loaded }: Defined<ModuleOnNode>): boolean {
  return entry !== undefined && (loaded?.config === undefined || sameKernelState(entry.config, loaded.config))
}

/** What the Module itself says of its unload: its policy, and whether the plan would still let it go. */
function observeIntent(
  key: string,
  { isAsPlanned, ...where }: NodeAndConfig & { isAsPlanned: boolean },
  sources: WorkSources,
): Pick<ObservedModule, 'answer' | 'policy'> {
  const { namespace = '', name } = parseKey(key)
  const module = sources.caches.modules.get({ namespace, name })
  const policy = parseUnloadPolicy(module?.metadata.annotations)
  if (module === undefined || (isAsPlanned && policy !== 'Never')) return { policy }
  return { policy, answer: answerModule(observeForPlan(key, where, sources), where.node) }
}

function observeModule(
  key: string,
  node: NodeView,
  config: NodeModulesConfig,
  sources: WorkSources & NodePods,
): ObservedModule {
  const { namespace = '', name } = parseKey(key)
  const found = findOnNode(config, { namespace, name })
  const refusal = sources.refusals.get(refusalKey(node.name, namespace, name))
  const plugins = sources.plugins.filter((pod) => moduleKeyOfPod(pod) === key && pod.needsModule)
  return {
    namespace,
    name,
    ...found,
    ...defined({ refusal }),
    ...observeIntent(key, { node, config, isAsPlanned: isAsPlanned(found) }, sources),
    workers: sources.workers.filter(({ intent }) => intent.namespace === namespace && intent.name === name),
    pluginPods: plugins.length,
    pluginWords: describePluginPods(plugins, node),
    vanished: sources.caches.modules.get({ namespace, name }) === undefined,
    namespaceTerminating: sources.caches.namespaces.get({ name: namespace })?.terminating !== false,
  }
}

/** What a NodeModulesConfig that is being deleted still says of the boot that runs. */
function listVouched(config: NodeModulesConfig | undefined, node: NodeView): readonly NodeModuleStatusItem[] {
  const loaded = config?.status?.modules ?? []
  return loaded.filter((item) => isLoadedAsWanted(findOnNode(config, item), node))
}

/** What is left on a node when its NodeModulesConfig is gone, or going, perhaps deleted by hand. */
function observeRemains(
  node: NodeView | undefined,
  config: NodeModulesConfig | undefined,
  stranded: readonly PodView[],
): ObservedStranded | undefined {
  const isLabelled = node !== undefined && Object.entries(node.labels).some(isReadyLabel)
  if (!isLabelled && stranded.length === 0) return undefined
  return { stranded, ...(isLabelled ? { node, loaded: listVouched(config, node) } : {}) }
}

/** Reads everything about the workers of one node; undefined when the Node or its NodeModulesConfig does not exist. */
export function observe(nodeName: string, sources: WorkSources): ObservedNode | ObservedStranded | undefined {
  const { caches, hashKey, imageSource, operatorNamespace } = sources
  const node = caches.nodes.get({ name: nodeName })
  const config = caches.nodeModulesConfigs.get({ name: nodeName })
  const stranded = caches.pods.byIndex(podsByNode, nodeName).filter(isStranded)
  if (node === undefined || config === undefined || config.metadata.deletionTimestamp !== undefined)
    return observeRemains(node, config, stranded)
  const pods = observePods(node, config, sources)
  const known = recallStatus(config, sources.lost.find(node)) ?? config
  const keys = new Set([
    ...modulesOfConfig(known),
    ...pods.workers.map(({ intent }) => `${intent.namespace}/${intent.name}`),
  ])
  return {
    node,
    config,
    modules: [...keys].sort().map((key) => observeModule(key, node, known, { ...sources, ...pods })),
    hashOfIntent: (intent) => hashIntent(hashKey, node.uid, intent, imageSource),
    operatorNamespace,
    stranded,
    strays: pods.strays,
    departed: pods.gone,
  }
}
