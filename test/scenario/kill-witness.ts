import type { Node, Pod } from 'kubernetes-types/core/v1.js'
import { getKernelModuleReadyNodeLabel, workerActionLabel } from '../../src/api/labels.ts'
import type { NodeModulesConfig } from '../../src/api/node-modules-config.ts'
import type { ApiServer } from '../../src/sandbox/apiserver/api-server.ts'
import type { VirtualNode } from '../../src/sandbox/node/virtual-node.ts'
import { nmcResource } from './cluster.ts'

const nodes = { group: '', plural: 'nodes' }
const pods = { group: '', plural: 'pods' }

/** Looks at the kernel this often, besides at every write. */
const pollMs = 10

/** Whom to watch. */
export interface Watched {
  api: ApiServer
  node: VirtualNode
  namespace: string
  module: string
  kernelModule: string
  /** srcversions of all versions of the kernel module that the Module may ask for. */
  srcversions: readonly string[]
}

/** Watches one Module on one node, at every write and in between; the answer ends that and lists what must never be. */
export function watchSafety(watched: Watched): () => string[] {
  const { api, node, namespace, module, kernelModule, srcversions } = watched
  const faults = new Set<string>()
  const label = getKernelModuleReadyNodeLabel(namespace, module)
  const isReady = (object: Node | undefined): boolean => object?.metadata?.labels?.[label] !== undefined
  const storedNode = (): Node | undefined => api.store.find(nodes, { name: node.name }) as Node | undefined

  const checkLabel = (object: Node | undefined, when: string): void => {
    if (!isReady(object)) return
    const loaded = node.kernel.loadedModules().find(({ name }) => name === kernelModule)
    if (loaded === undefined) faults.add(`the ready label without the module in the kernel, ${when}`)
    else if (!srcversions.includes(loaded.srcversion)) faults.add(`a foreign module carries the ready label, ${when}`)
  }
  const checkPod = (pod: Pod): void => {
    const isUnload = pod.metadata?.namespace === namespace && pod.metadata.labels?.[workerActionLabel] === 'Unload'
    if (isUnload && isReady(storedNode())) faults.add('an unload pod is made while the ready label is on the node')
  }
  const checkReasons = ({ metadata, status }: NodeModulesConfig): void => {
    if (metadata.name !== node.name) return
    const workers = status?.workers ?? []
    for (const { reason, message } of workers)
      if (reason !== 'DevicePluginStillRunning') faults.add(`a worker is reported as ${reason}: ${message ?? ''}`)
    if (workers.some((worker) => worker.namespace === namespace) && isReady(storedNode()))
      faults.add('an unload is told of while the ready label is on the node')
  }

  const ends = [
    api.store.subscribe(nodes, ({ type, object }) => {
      if (type !== 'DELETED' && object.metadata.name === node.name) checkLabel(object as Node, 'at a write of the node')
    }),
    api.store.subscribe(pods, ({ type, object }) => {
      if (type === 'ADDED') checkPod(object as Pod)
    }),
    api.store.subscribe(nmcResource, ({ type, object }) => {
      if (type !== 'DELETED') checkReasons(object as unknown as NodeModulesConfig)
    }),
  ]
  const timer = setInterval(() => checkLabel(storedNode(), 'between two writes'), pollMs)
  return () => {
    clearInterval(timer)
    for (const end of ends) end()
    return [...faults]
  }
}
