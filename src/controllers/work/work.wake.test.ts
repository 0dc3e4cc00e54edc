import { describe, expect, it } from 'vitest'
import { fillCaches, noDepartedWorkers, noLostConfigs } from '../../../test/builders/caches.ts'
import { buildModule } from '../../../test/builders/module.ts'
import { buildNode } from '../../../test/builders/node.ts'
import { buildItem, buildNodeConfig } from '../../../test/builders/node-modules-config.ts'
import { hashKey } from '../../../test/builders/pod.ts'
import { unloadPolicyAnnotation } from '../../api/annotations.ts'
import type { Module } from '../../api/module.ts'
import type { KubeClient } from '../../kube/client.ts'
import { createMappingResolver } from '../../kernel/resolver.ts'
import type { Caches } from '../cluster/caches.ts'
import { createWorkController } from './controller.ts'
import type { WorkTools } from './execute.ts'

const config = buildNodeConfig({ entries: [buildItem()] })
const images = { metadata: { namespace: 'ns', name: 'mod', uid: 'uid-images', resourceVersion: '3' } }

const generation = (number: number, policy = 'OnDelete'): Module =>
  buildModule({
    metadata: {
      generation: number,
      resourceVersion: String(10 + number),
      annotations: { [unloadPolicyAnnotation]: policy },
    },
  })

/** The nodes that are looked at again when something of a Module that the node's plan names changes. */
function listWoken(modules: readonly Module[], change: (caches: Caches) => void): string[] {
  const caches = fillCaches({ nodes: [buildNode()], modules, nodeModulesConfigs: [config] })
  const refusals: WorkTools['refusals'] = new Map()
  const sources = {
    caches,
    resolver: createMappingResolver(),
    lost: noLostConfigs,
    departed: noDepartedWorkers,
    hashKey,
    operatorNamespace: 'kmm',
    imageSource: 'worker' as const,
    refusals,
    madeAtMs: new Map(),
  }
  const woken: string[] = []
  const tools = { client: {} as KubeClient, caches, refusals } as WorkTools
  createWorkController(sources, tools).watch(
    (key) => woken.push(key),
    () => undefined,
  )
  change(caches)
  return woken
}

describe('a node whose plan names a Module is looked at again', () => {
  it('when the Module vanishes, and when it comes back', () => {
    const bare = buildModule({ metadata: { finalizers: [] } })
    const { namespace, name, uid } = bare.metadata
    const vanish = (caches: Caches): void => caches.modules.deleted({ namespace, name }, uid)
    expect(listWoken([bare], vanish)).toEqual(['n1'])
    expect(listWoken([], (caches) => caches.modules.written(buildModule()))).toEqual(['n1'])
  })

  it('when it is edited under the policy Never, and not under another: that follows the plan', () => {
    const edit = (policy: string): string[] =>
      listWoken([generation(1, policy)], (caches) => caches.modules.written(generation(2, policy)))
    expect(edit('Never')).toEqual(['n1'])
    expect(edit('OnDelete')).toEqual([])
  })

  it('when what is known of its images changes under the policy Never', () => {
    const tell = (policy: string): string[] =>
      listWoken([generation(1, policy)], (caches) => caches.moduleImagesConfigs.written(images))
    expect(tell('Never')).toEqual(['n1'])
    expect(tell('OnDelete')).toEqual([])
  })
})

describe('a namespace that comes, terminates or goes', () => {
  const namespaceOf = (name: string, version: string, phase = 'Active') => ({
    metadata: { name, uid: `uid-${name}`, resourceVersion: version },
    status: { phase },
  })

  /** It comes, it terminates, it is gone. */
  function live(name: string): (caches: Caches) => void {
    return (caches) => {
      caches.namespaces.written(namespaceOf(name, '1'))
      caches.namespaces.written(namespaceOf(name, '2', 'Terminating'))
      caches.namespaces.deleted({ name }, `uid-${name}`)
    }
  }

  it('wakes the nodes that have a Module of it, and no others', () => {
    expect(listWoken([], live('ns'))).toEqual(['n1', 'n1', 'n1'])
    expect(listWoken([], live('ci-4711'))).toEqual([])
  })
})
