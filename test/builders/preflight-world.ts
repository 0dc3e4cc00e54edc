import { expect } from 'vitest'
import { fillCaches } from './caches.ts'
import { buildModule, buildPluginModule } from './module.ts'
import type { ImageStatus, ModuleImagesConfig } from '../../src/api/module-images-config.ts'
import type { KernelMapping, Module } from '../../src/api/module.ts'
import type { PreflightModuleStatus, PreflightValidation } from '../../src/api/preflight-validation.ts'
import { createMappingResolver } from '../../src/kernel/resolver.ts'
import { keyOf } from '../../src/kube/object.ts'
import type { Caches } from '../../src/controllers/cluster/caches.ts'
import { findPreflight } from '../../src/controllers/cluster/images-config.ts'
import { decide as decideLook } from '../../src/controllers/preflight/content/decide.ts'
import type { ContentFact, ContentResult } from '../../src/controllers/preflight/content/observed.ts'
import { observe as observeContent, type Standing } from '../../src/controllers/preflight/content/observe.ts'
import { formatWish } from '../../src/controllers/preflight/content/wish.ts'
import { type Action, decide } from '../../src/controllers/preflight/decide.ts'
import { observe } from '../../src/controllers/preflight/observe.ts'

export const kinds = ['plugin', 'unmapped', 'broken', 'plain', 'build', 'sign', 'both'] as const
export type Kind = (typeof kinds)[number]

/** What is the case with an image: what it has in it, that it can be made or not, or that the registry refuses the Module. */
export const truths = ['fits', 'wrong', 'missing', 'unmakeable', 'refused'] as const
export type Truth = (typeof truths)[number]

export const kernels = ['6.1.0-2-amd64', '6.1.0-3-amd64'] as const
const startMs = Date.parse('2030-01-01T00:00:00Z')
const minute = 60_000

const build = { dockerfileConfigMap: { name: 'dockerfile' } }
const sign = { keySecret: { name: 'key' }, certSecret: { name: 'cert' }, filesToSign: ['/opt/a.ko'] }
const unsigned = { ...sign, unsignedImage: 'registry.test/unsigned:v1' }
const parts: Readonly<Record<Kind, object>> = {
  plugin: {},
  unmapped: {},
  broken: {},
  plain: {},
  build: { build },
  sign: { sign: unsigned },
  both: { build, sign },
}

export const makes = (kind: Kind): boolean => kind === 'build' || kind === 'sign' || kind === 'both'

function mappingOf(kind: Kind, image: string): KernelMapping {
  if (kind === 'unmapped') return { literal: '5.10.0-1-amd64', containerImage: image }
  return { regexp: '^6', containerImage: kind === 'broken' ? `${image}\${MOD_NAME` : image }
}

/** What the object says of itself; nothing of the product's is asked. */
export function kindOf({ spec }: Module): Kind {
  const container = spec?.moduleLoader?.container
  const [mapping] = container?.kernelMappings ?? []
  if (container === undefined) return 'plugin'
  if (mapping?.literal !== undefined) return 'unmapped'
  if (mapping?.containerImage?.endsWith('${MOD_NAME') === true) return 'broken'
  if (container.build !== undefined) return container.sign === undefined ? 'build' : 'both'
  return container.sign === undefined ? 'plain' : 'sign'
}

/** The cluster, the registry, and the operator's memory, which goes with it. */
export class World {
  nowMs = startMs
  readonly modules = new Map<string, Module>()
  readonly preflights = new Map<string, PreflightValidation>()
  readonly configs = new Map<string, ModuleImagesConfig>()
  /** By image; one that nobody has settled is missing. */
  readonly registry = new Map<string, Truth>()
  /** No registry answers. */
  isAway = false
  writes = 0
  #uids = 0
  #versions = 100
  #facts = new Map<string, ContentFact>()
  #standing = new Map<string, Standing>()
  #lastWrites = new Map<string, number>()
  #resolver = createMappingResolver()
  #cached: { of: readonly object[]; caches: Caches } | undefined

  setModule(name: string, kind: Kind, tag: string, isAnew = false): void {
    const before = this.modules.get(name)
    const isSame = before !== undefined && !isAnew
    const metadata = {
      uid: isSame ? (before.metadata.uid ?? '') : `uid-${name}-${this.#uids++}`,
      generation: isSame ? (before.metadata.generation ?? 0) + 1 : 1,
      resourceVersion: String(this.#versions++),
    }
    const image = `registry.test/${name}:${tag}-\${KERNEL_FULL_VERSION}`
    const container = { kernelMappings: [mappingOf(kind, image)], ...parts[kind] }
    const made =
      kind === 'plugin' ? buildPluginModule({}, { name, metadata }) : buildModule({ name, metadata, container })
    this.modules.set(name, made)
  }

  setPreflight(name: string, spec: PreflightValidation['spec'], modules?: PreflightModuleStatus[]): void {
    const before = this.preflights.get(name)
    const metadata = {
      name,
      uid: before?.metadata.uid ?? `uid-${name}-${this.#uids++}`,
      resourceVersion: String(this.#versions++),
    }
    const status = modules === undefined ? before?.status : { modules }
    this.preflights.set(name, { metadata, spec, ...(status ? { status } : {}) })
  }

  /** What belongs to it goes with it. */
  deletePreflight(name: string): void {
    const uid = this.preflights.get(name)?.metadata.uid
    this.preflights.delete(name)
    for (const [key, config] of this.configs) if (findPreflight(config)?.uid === uid) this.forget(key)
  }

  forget(key: string): void {
    this.configs.delete(key)
    this.#facts.delete(key)
    this.#standing.delete(key)
  }

  restart(): void {
    this.#facts = new Map()
    this.#standing = new Map()
    this.#lastWrites = new Map()
    this.#resolver = createMappingResolver()
  }

  /** Filled anew only where something has changed. */
  get #caches(): Caches {
    const objects = [...this.modules.values(), ...this.preflights.values(), ...this.configs.values()]
    const isSame =
      objects.length === this.#cached?.of.length && objects.every((each, at) => each === this.#cached?.of[at])
    if (!isSame || this.#cached === undefined) this.#cached = { of: objects, caches: this.#fill() }
    return this.#cached.caches
  }

  #fill(): Caches {
    return fillCaches({
      modules: [...this.modules.values()],
      preflightValidations: [...this.preflights.values()],
      moduleImagesConfigs: [...this.configs.values()],
    })
  }

  actionsOf(name: string): readonly Action[] {
    const sources = { caches: this.#caches, resolver: this.#resolver, facts: this.#facts }
    const observed = observe(name, { ...sources, refusals: new Map(), lastWrites: this.#lastWrites })
    if (observed === undefined) return []
    const { actions } = decide(observed, this.nowMs)
    const write = actions.find(({ type }) => type === 'writeStatus')
    const isDue = this.nowMs >= (this.#lastWrites.get(observed.preflight.metadata.uid ?? '') ?? 0) + minute
    if (write?.type === 'writeStatus') this.#checkWords(write.modules)
    else if (isDue) this.#checkWords(observed.preflight.status?.modules ?? [])
    return actions
  }

  /** What a Module itself says is known at once: nothing else is said of it, whatever stood there before. */
  #checkWords(modules: readonly PreflightModuleStatus[]): void {
    for (const { name, statusReason = '' } of modules) {
      const kind = kindOf(this.modules.get(name) as Module)
      const own = { plugin: /^no image to verify/, unmapped: /^mapping not found/, broken: /^mapping cannot/ }
      const isOwn = Object.values(own).some((words) => words.test(statusReason))
      if (kind in own) expect(statusReason).toMatch(own[kind as keyof typeof own])
      else expect([isOwn, statusReason]).toEqual([false, statusReason])
    }
  }

  /** One write of one pass; another operator may take over after it. */
  pass(name: string, choice: number): void {
    const actions = this.actionsOf(name)
    const action = actions[choice % Math.max(actions.length, 1)]
    if (action !== undefined) this.#apply(action)
  }

  #apply(action: Action): void {
    this.writes += 1
    const resourceVersion = String(this.#versions++)
    if (action.type === 'writeStatus') {
      const { metadata, spec } = action.preflight
      const status = { modules: [...action.modules] }
      this.preflights.set(metadata.name, { metadata: { ...metadata, resourceVersion }, spec, status })
      this.#lastWrites.set(metadata.uid ?? '', this.nowMs)
      return
    }
    const { config } = action
    const key = keyOf(config)
    if (action.type === 'deleteImages') return this.forget(key)
    const uid = action.type === 'createImages' ? `uid-${key}-${this.#uids++}` : config.metadata.uid
    if (action.type === 'createImages') expect(this.configs.has(key)).toBe(false)
    const present = action.type === 'createImages' ? config : { ...config, spec: { ...config.spec, ...action.spec } }
    const spec = Object.fromEntries(Object.entries(present.spec ?? {}).filter(([, value]) => value !== null))
    this.configs.set(key, {
      ...present,
      metadata: { ...config.metadata, uid, resourceVersion },
      spec,
    } as ModuleImagesConfig)
  }

  truthOf = (image: string): Truth => this.registry.get(image) ?? 'missing'

  /** What `images` finds out in the end; before that it may say something on the way. */
  runImages(key: string, isHalfway = false): void {
    const config = this.configs.get(key)
    const [spec] = config?.spec?.images ?? []
    if (config === undefined || spec === undefined) return
    const { image, kernelVersion } = spec
    const isMade = spec.build !== undefined || spec.sign !== undefined
    const told = (fields: Omit<ImageStatus, 'image' | 'kernelVersion'>): void => {
      const status = { images: [{ image, kernelVersion, ...fields }], imagesStates: [] }
      if (JSON.stringify(status) === JSON.stringify(config.status)) return
      this.configs.set(key, {
        ...config,
        metadata: { ...config.metadata, resourceVersion: String(this.#versions++) },
        status,
      })
    }
    if (this.isAway) return told({ phase: 'Unknown', reason: 'RegistryUnreachable', message: 'no answer' })
    if (isHalfway)
      return told(isMade ? { phase: 'Building', reason: 'ImageBuilding', message: 'in pod x' } : { phase: 'Unknown' })
    const truth = this.truthOf(image)
    if (truth === 'refused') return told({ phase: 'Unknown', reason: 'RegistryUnauthorized', message: 'no' })
    if (truth === 'fits' || truth === 'wrong') return told({ phase: 'Exists', digest: `sha256:${image}${truth}` })
    if (!isMade) return told({ phase: 'Missing', reason: 'ImageNotFound', message: 'no such tag' })
    if (truth === 'unmakeable') return told({ phase: 'Failed', reason: 'BuildFailed', message: 'exit 1' })
    if (config.spec?.pushBuiltImage !== true) return told({ phase: 'Built', message: 'it was not pushed' })
    this.registry.set(image, 'fits')
    return told({ phase: 'Ready', digest: `sha256:${image}fits`, builtDigest: `sha256:${image}fits` })
  }

  /** Looks into an image, if somebody would. */
  look(key: string): void {
    const observed = observeContent(key, {
      caches: this.#caches,
      facts: this.#facts,
      standing: this.#standing,
      now: () => this.nowMs,
    })
    if (observed === undefined) return
    const [action] = decideLook(observed, this.nowMs).actions
    if (action === undefined) return
    const { wish, config, architectures } = action
    const before = this.#facts.get(key)
    const truth = this.truthOf(wish.image)
    const result: ContentResult =
      this.isAway || truth === 'refused'
        ? { kind: 'unknown', reason: 'RegistryUnreachable', message: 'no answer' }
        : { kind: truth === 'wrong' ? 'wrong' : 'fits', message: `it is ${truth}` }
    const wasKnown = before?.wasKnown === true || (before !== undefined && before.result.kind !== 'unknown')
    const attempts = result.kind === 'unknown' ? 1 : 0
    this.#facts.set(key, {
      key: formatWish(wish, config),
      architectures,
      result,
      atMs: this.nowMs,
      attempts,
      wasKnown,
    })
  }

  /** All that is not time or memory. */
  #describe(): string {
    return JSON.stringify([...this.preflights.values(), ...this.configs.values(), ...this.#facts])
  }

  /** Everybody does what there is to do, until there is nothing. */
  settle(choices: readonly number[]): void {
    let calm = 0
    for (let round = 0; round < 200; round++) {
      const before = this.#describe()
      for (const name of this.preflights.keys())
        for (let count = choices[round % choices.length] ?? 0; count >= 0; count--) this.pass(name, count + round)
      for (const key of this.configs.keys()) {
        this.runImages(key)
        this.look(key)
      }
      this.nowMs += minute
      // A result that stands is looked into again within ten minutes.
      calm = this.#describe() === before ? calm + 1 : 0
      if (calm > 12) return
    }
    throw new Error(`no rest: ${JSON.stringify([...this.preflights.values()], undefined, 1)}`)
  }
}
