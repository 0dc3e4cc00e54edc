import type { ModuleImagesConfig } from '../../api/module-images-config.ts'
import type { MappingResolver } from '../../kernel/resolver.ts'
import { keyOf, parseKey } from '../../kube/object.ts'
import { answerMapping } from '../cluster/answer-mapping.ts'
import { type Caches, moduleKeyOfPod, podsByNode } from '../cluster/caches.ts'
import { getImagesConfig } from '../cluster/images-config.ts'
import { defined } from '../cluster/defined.ts'
import { modulesOfConfig } from '../cluster/modules-of-config.ts'
import { matchesSelector, type NodeView } from '../cluster/node-view.ts'
import type { PodView } from '../cluster/pod-view.ts'
import type { ImageFact, ObservedModule, ObservedPlan } from './observed.ts'

/** What the Module's ModuleImagesConfig says of one image; where an upstream operator wrote it, in upstream's words. */
export function findImageFact(config: ModuleImagesConfig | undefined, image: string): ImageFact {
  const { images = [], imagesStates = [] } = config?.status ?? {}
  const status = images.find((each) => each.image === image)
  if (status)
    return {
      phase: status.phase,
      ...defined({ digest: status.digest, reason: status.reason, message: status.message }),
    }
  const exists = imagesStates.some((state) => state.image === image && state.status === 'Exists')
  return { phase: exists ? 'Exists' : 'Unknown' }
}

/** Reads one Module for one node. */
export function observeModule(key: string, node: NodeView, caches: Caches, resolver: MappingResolver): ObservedModule {
  const { namespace = '', name } = parseKey(key)
  const module = caches.modules.get({ namespace, name })
  if (module?.spec?.moduleLoader === undefined)
    return { namespace, name, ...(module ? { module } : {}), mapping: { kind: 'none' }, image: { phase: 'Unknown' } }
  const mapping = answerMapping(resolver, module, node.kernelVersion)
  const images = getImagesConfig({ namespace, name }, caches)
  const image =
    mapping.kind === 'resolved' ? findImageFact(images, mapping.resolved.containerImage) : { phase: 'Unknown' as const }
  return { namespace, name, module, mapping, image }
}

/** What `plan` reads from. */
export interface PlanSources {
  caches: Caches
  resolver: MappingResolver
  /** True for a worker pod that the operator made itself: nobody else's pod may hold a Module back. */
  isOwnWorker: (pod: PodView, node: NodeView) => boolean
}

function splitModuleKey(key: string): { namespace: string; name: string } {
  const { namespace = '', name } = parseKey(key)
  return { namespace, name }
}

/** Reads everything that decides what is to be in one node's kernel; undefined when there is no such Node. */
export function observe(nodeName: string, { caches, resolver, isOwnWorker }: PlanSources): ObservedPlan | undefined {
  const node = caches.nodes.get({ name: nodeName })
  if (node === undefined) return undefined
  const config = caches.nodeModulesConfigs.get({ name: nodeName })
  const keys = new Set(config ? modulesOfConfig(config) : [])
  for (const module of caches.modules.list())
    if (module.spec?.moduleLoader && matchesSelector(node.labels, module.spec.selector)) keys.add(keyOf(module))
  const workers = caches.pods.byIndex(podsByNode, nodeName).filter((pod) => isOwnWorker(pod, node))
  return {
    node,
    modules: [...keys].sort().map((key) => observeModule(key, node, caches, resolver)),
    ...(config ? { config } : {}),
    busy: new Map(workers.map((pod) => [moduleKeyOfPod(pod), splitModuleKey(moduleKeyOfPod(pod))])),
  }
}
