import { beforeEach, describe, expect, it } from 'vitest'
import { fillCaches } from '../../../../test/builders/caches.ts'
import { buildModule } from '../../../../test/builders/module.ts'
import { buildNode, toNode } from '../../../../test/builders/node.ts'
import { buildAsked, buildFact, buildPreflight, digest, nextKernel } from '../../../../test/builders/preflight.ts'
import type { Module } from '../../../api/module.ts'
import type { Caches } from '../../cluster/caches.ts'
import type { KubeClient } from '../../../kube/client.ts'
import { keyOf } from '../../../kube/object.ts'
import { createTokenCache } from '../../../oci/token-cache.ts'
import { createContentController } from './controller.ts'
import { observe, type Standing } from './observe.ts'
import type { ContentFact, ObservedContent } from './observed.ts'

const startMs = 1_000_000
const module = buildModule()
const config = buildAsked({ modules: [module] }, { phase: 'Exists', digest })
const key = keyOf(config)
const own = { ...config, metadata: { namespace: 'kmods', name: 'own', uid: 'uid-own', resourceVersion: '1' } }
const fact = buildFact(config, module, { kind: 'fits', message: 'it fits' })

let caches: Caches
let facts: Map<string, ContentFact>
let woken: string[]
beforeEach(() => {
  caches = fillCaches({ modules: [module], moduleImagesConfigs: [config], preflightValidations: [buildPreflight()] })
  facts = new Map(fact)
  woken = []
  const controller = createContentController({
    client: {} as KubeClient,
    caches,
    facts,
    settings: {},
    tokens: createTokenCache(),
    warn: () => undefined,
    temporaryFolder: '/nowhere',
    now: () => startMs,
    onFact: () => undefined,
  })
  controller.watch(
    (each) => void woken.push(each),
    () => undefined,
  )
})

/** A later version of an object, with other metadata. */
function change<T extends { metadata: object }>(object: T, metadata: object): T {
  return { ...object, metadata: { ...object.metadata, resourceVersion: '99', ...metadata } }
}

describe('a look is thought of again', () => {
  it('when its ModuleImagesConfig changes, and not for that of a Module alone', () => {
    caches.moduleImagesConfigs.written(change(config, {}))
    caches.moduleImagesConfigs.written(own)
    expect(woken).toEqual([key])
  })

  it('when its Module changes or is another of the same name, and not for a status', () => {
    caches.modules.written(change(module, { resourceVersion: '97' }))
    expect(woken).toEqual([])
    caches.modules.written(change(module, { resourceVersion: '98', uid: 'another' }))
    expect(woken).toEqual([key])
    caches.modules.written(change(module, { uid: 'another', generation: 2 }))
    expect(woken).toEqual([key, key])
  })

  it('when its preflight changes, and not for a status', () => {
    caches.preflightValidations.written(change(buildPreflight(), { resourceVersion: '98' }))
    expect(woken).toEqual([])
    caches.preflightValidations.written(change(buildPreflight(), { generation: 2 }))
    expect(woken).toEqual([key])
  })

  it('when a node may change its architectures, and for no other change of a node', () => {
    const labels = module.spec?.selector ?? {}
    const node = buildNode({ labels, kernelVersion: 'other', architecture: 'amd64' })
    const write = (view: typeof node, resourceVersion: string): string[] => {
      woken.length = 0
      const raw = toNode(view)
      caches.nodes.written({ ...raw, metadata: { ...raw.metadata, resourceVersion } })
      return [...woken]
    }
    expect(write(node, '2')).toEqual([key])
    expect(write({ ...node, ready: !node.ready }, '3')).toEqual([])
    expect(write({ ...node, architecture: 'arm64' }, '4')).toEqual([key])
    expect(write({ ...node, kernelVersion: nextKernel }, '5')).toEqual([key])
  })

  it('never once its ModuleImagesConfig is gone, of which nothing is kept', () => {
    caches.moduleImagesConfigs.deleted(config.metadata, config.metadata.uid)
    expect([woken, facts.size]).toEqual([[], 0])
  })
})

/** Preflights of many Modules right after a start of the operator. */
function seeMany(
  count: number,
  isDone: boolean,
  statusReason = 'verified image exists',
): { see: (at: number) => ObservedContent | undefined; all: Caches; keys: string[] } {
  const modules = Array.from({ length: count }, (_, at) => change(module, { name: `m${at}`, uid: `uid-m${at}` }))
  const configs = modules.map((each) => buildAsked({ modules: [each] }, { phase: 'Exists', digest }))
  const done = {
    verificationStage: 'Done',
    verificationStatus: 'Success',
    statusReason,
    lastTransitionTime: '',
  } as const
  const told = modules.map(({ metadata: { namespace, name } }) => ({ ...done, namespace, name }))
  const preflight = buildPreflight({}, isDone ? told : [])
  const all = fillCaches({ modules, moduleImagesConfigs: configs, preflightValidations: [preflight] })
  const standing = new Map<string, Standing>()
  const sources = { caches: all, facts: new Map<string, ContentFact>(), standing, now: () => startMs }
  const keys = configs.map((each) => keyOf(each))
  return { all, keys, see: (at) => observe(keys[at] ?? '', sources) }
}

describe('after a start of the operator', () => {
  it('images whose results stand are looked into one by one', () => {
    const { see } = seeMany(110, true)
    const dues = Array.from({ length: 110 }, (_, at) => (see(at)?.standingUntilMs ?? 0) - startMs)
    expect(new Set(dues).size).toBeGreaterThan(50)
    expect(Math.min(...dues)).toBeGreaterThanOrEqual(0)
    expect(Math.max(...dues)).toBeLessThan(100_000)
    expect(see(5)?.standingUntilMs).toBe(startMs + (dues[5] ?? 0))
  })

  it('images without a result, and few, are looked into at once', () => {
    expect(seeMany(110, false).see(3)?.standingUntilMs).toBeUndefined()
    expect(seeMany(110, true, 'no image to verify: there was none').see(3)?.standingUntilMs).toBeUndefined()
    expect(seeMany(10, true).see(3)?.standingUntilMs).toBe(startMs)
  })

  it('an image is looked into at once when something else is wanted of it', () => {
    const { see, all } = seeMany(110, true)
    const before = see(3)
    expect(before?.standingUntilMs).toBeDefined()
    const spec = structuredClone(before?.module.spec)
    if (spec?.moduleLoader !== undefined) spec.moduleLoader.container.modprobe = { moduleName: 'other' }
    all.modules.written(change({ ...(before?.module as Module), ...(spec ? { spec } : {}) }, { generation: 2 }))
    expect(see(3)?.wish?.moduleNames).toEqual(['other'])
    expect(see(3)?.standingUntilMs).toBeUndefined()
  })

  it('an image that was missing is looked into as soon as it exists', () => {
    const { see, all, keys } = seeMany(110, true)
    const first = all.moduleImagesConfigs.list().find(({ metadata }) => keyOf({ metadata }) === keys[3]) ?? config
    all.moduleImagesConfigs.written(change({ ...first, status: { images: [], imagesStates: [] } }, {}))
    expect(see(3)?.wish).toBeUndefined()
    all.moduleImagesConfigs.written(change(first, { resourceVersion: '100' }))
    expect(see(3)).toMatchObject({ wish: { digest }, standingUntilMs: undefined })
  })
})
