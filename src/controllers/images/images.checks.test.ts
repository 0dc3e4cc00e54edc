import { describe, expect, it } from 'vitest'
import type { ImageStatus, ModuleImagesConfig, ModuleImagesConfigStatus } from '../../api/module-images-config.ts'
import { FakeImages } from './fake-images.ts'
import type { CheckResult } from './observed.ts'

const image = 'registry.test/mod:v1'
const minute = 60_000
const hour = 60 * minute

const exists: CheckResult = { kind: 'exists', digest: 'sha256:aa' }
const missing: CheckResult = { kind: 'missing', message: 'no such tag' }
const unreachable: CheckResult = { kind: 'unknown', reason: 'RegistryUnreachable', message: 'no route' }
const unauthorized: CheckResult = { kind: 'unknown', reason: 'RegistryUnauthorized', message: 'who are you' }

type Kinds = { spec?: Partial<NonNullable<ModuleImagesConfig['spec']>>; status?: ModuleImagesConfigStatus }

function buildConfig({ spec, status }: Kinds = {}): ModuleImagesConfig {
  return {
    metadata: { namespace: 'ns', name: 'mod', uid: 'uid-images', resourceVersion: '3' },
    spec: { images: [{ image, kernelVersion: '6.1.0-1-amd64' }], ...spec },
    ...(status ? { status } : {}),
  }
}

/** An image that nobody makes, and what the registry says of it. */
class Scene {
  readonly #world = new FakeImages([])

  constructor(config: ModuleImagesConfig = buildConfig()) {
    this.#world.config = config
  }

  get config(): ModuleImagesConfig {
    return this.#world.config
  }

  get status(): ImageStatus | undefined {
    return this.#world.status
  }

  get log(): string[] {
    return this.#world.log
  }

  get nowMs(): number {
    return this.#world.nowMs
  }

  decide(): ReturnType<FakeImages['decide']> {
    return this.#world.decide()
  }

  /** Passes until nothing is left to do, while the registry answers this. */
  settle(answer: CheckResult): this {
    this.#world.answer = answer
    this.#world.settle()
    return this
  }

  /** Lets time go by, passing whenever a wait ends. */
  advance(durationMs: number, answer: CheckResult): this {
    this.#world.answer = answer
    this.#world.advance(durationMs)
    return this
  }

  change(spec: NonNullable<Kinds['spec']>): this {
    this.#world.change(spec)
    return this
  }
}

const known: ModuleImagesConfigStatus = {
  images: [
    { image, kernelVersion: '6.1.0-1-amd64', phase: 'Exists', digest: 'sha256:aa', since: '2029-12-01T00:00:00Z' },
  ],
  imagesStates: [{ image, status: 'Exists' }],
}

describe('an image that exists', () => {
  it('costs one request and one write, in our words and in upstream`s', () => {
    const scene = new Scene().settle(exists)
    expect(scene.log).toEqual(['check', 'write Exists'])
    expect(scene.config.status).toEqual({
      images: [
        { image, kernelVersion: '6.1.0-1-amd64', phase: 'Exists', digest: 'sha256:aa', since: '2030-01-01T00:00:00Z' },
      ],
      imagesStates: [{ image, status: 'Exists' }],
    })
  })

  it('is looked at again within hours, and not written about when it is the same', () => {
    const scene = new Scene().settle(exists)
    scene.advance(hour - 1, exists)
    expect(scene.log).toHaveLength(2)
    expect(scene.advance(hour + 1, exists).log).toEqual(['check', 'write Exists', 'check'])
  })

  it('is written about when its tag moved, as the same standing', () => {
    const scene = new Scene().settle(exists).advance(2 * hour, { kind: 'exists', digest: 'sha256:bb' })
    expect(scene.status).toMatchObject({ phase: 'Exists', digest: 'sha256:bb', since: '2030-01-01T00:00:00Z' })
  })

  it.each([unreachable, unauthorized])('survives an outage of its registry ($reason)', (outage) => {
    const scene = new Scene().settle(exists).advance(5 * hour, outage)
    expect(scene.log.filter((each) => each.startsWith('write'))).toEqual(['write Exists'])
    expect(scene.log.length).toBeGreaterThan(10)
  })

  it('that is lost is missing', () => {
    const scene = new Scene().settle(exists).advance(2 * hour, missing)
    expect(scene.status).toMatchObject({ phase: 'Missing', reason: 'ImageNotFound', message: 'no such tag' })
    expect(scene.config.status?.imagesStates).toEqual([{ image, status: 'DoesNotExist' }])
  })
})

describe('an image that does not exist', () => {
  it('is looked for ever less often, at least every five minutes', () => {
    const scene = new Scene().advance(20 * minute, missing)
    const times = scene.log.filter((each) => each === 'check').length
    // At 0, 5, 15, 35, 75, 155, 315 s, then every 300 s.
    expect(times).toBe(9)
    expect(scene.status).toMatchObject({ phase: 'Missing', attempts: 9, since: '2030-01-01T00:00:00Z' })
  })

  it('is found once it is there', () => {
    const scene = new Scene().advance(minute, missing).advance(5 * minute, exists)
    expect(scene.status).toMatchObject({ phase: 'Exists', digest: 'sha256:aa' })
    expect(scene.status).not.toHaveProperty('attempts')
  })
})

describe('an image that the operator cannot look at', () => {
  it.each([unreachable, unauthorized])('is Unknown, and Unverified after two minutes ($reason)', (answer) => {
    const scene = new Scene().advance(2 * minute - 1, answer)
    expect(scene.status).toMatchObject({ phase: 'Unknown', since: '2030-01-01T00:00:00Z' })
    expect(scene.config.status?.imagesStates).toEqual([])
    scene.advance(1, answer)
    expect(scene.status).toMatchObject({ phase: 'Unverified' })
    expect(scene.config.status?.imagesStates).toEqual([])
  })

  it('does not begin anew when the cause changes', () => {
    const scene = new Scene().advance(90_000, unreachable).advance(30_000, unauthorized)
    expect(scene.status?.phase).toBe('Unverified')
  })

  it('stays Unverified until an answer comes', () => {
    const scene = new Scene().advance(2 * hour, unreachable)
    expect(new Set(scene.log)).toEqual(new Set(['check', 'write Unknown', 'write Unverified']))
    expect(scene.advance(10 * minute, exists).status).toMatchObject({ phase: 'Exists' })
  })

  it('is asked for at once with other credentials or in another way, and its attempts count from one', () => {
    const scene = new Scene().advance(hour, unauthorized)
    const { length } = scene.log
    scene.change({ imageRepoSecret: { name: 'new' } }).settle(unauthorized)
    expect(scene.status?.attempts).toBe(1)
    scene
      .change({ images: [{ image, kernelVersion: '6.1.0-1-amd64', registryTLS: { insecure: true } }] })
      .settle(exists)
    expect(scene.log.slice(length)).toEqual(['check', 'write Unverified', 'check', 'write Exists'])
  })
})

describe('a restart of the operator', () => {
  it('writes nothing and asks nothing when everything is verified', () => {
    const scene = new Scene(buildConfig({ status: known }))
    const { actions, waits } = scene.decide()
    expect(actions).toEqual([])
    expect(waits).toEqual([expect.objectContaining({ reason: 'ImageUnknown' })])
    expect(scene.advance(hour, exists).log).toEqual(['check'])
  })

  it('spreads the first looks over an hour', () => {
    const names = Array.from({ length: 20 }, (_each, index) => `registry.test/mod:${index}`)
    const spec = { images: names.map((name) => ({ image: name, kernelVersion: 'k' })) }
    const images = names.map((name) => ({ image: name, phase: 'Exists' as const, digest: 'sha256:aa', since: '' }))
    const imagesStates = names.map((name) => ({ image: name, status: 'Exists' as const }))
    const scene = new Scene(buildConfig({ spec, status: { images, imagesStates } }))
    scene.advance(hour / 2, exists)
    const half = scene.log.filter((each) => each === 'check').length
    expect(half).toBeGreaterThan(3)
    expect(half).toBeLessThan(17)
  })

  it('looks at once at what was not found before', () => {
    const images = [{ image, phase: 'Missing' as const, reason: 'ImageNotFound', since: '2029-12-01T00:00:00Z' }]
    const scene = new Scene(buildConfig({ status: { images, imagesStates: [] } })).settle(exists)
    expect(scene.log[0]).toBe('check')
    expect(scene.status?.phase).toBe('Exists')
  })
})

describe('a trigger that changes', () => {
  const triggered = () => new Scene(buildConfig({ status: known })).change({ imageRebuildTriggerGeneration: 2 })

  it('has every image looked at again, and is acknowledged when that is done', () => {
    const scene = triggered()
    expect(scene.decide().actions).toMatchObject([
      { type: 'checkImage', trigger: 2 },
      { type: 'writeStatus', images: [{ phase: 'Unknown' }], trigger: undefined },
    ])
    scene.settle(exists)
    expect(scene.config.status).toMatchObject({ imageRebuildTriggerGeneration: 2, images: [{ phase: 'Exists' }] })
  })

  it('finds what the registry has lost', () => {
    expect(triggered().settle(missing).config.status).toMatchObject({
      imageRebuildTriggerGeneration: 2,
      images: [{ phase: 'Missing' }],
    })
  })

  it('is not acknowledged while the registry is away', () => {
    const scene = triggered().settle(unreachable)
    expect(scene.config.status).not.toHaveProperty('imageRebuildTriggerGeneration')
    expect(scene.settle(unreachable).config.status).not.toHaveProperty('imageRebuildTriggerGeneration')
  })

  it('that is taken away has every image looked at, too', () => {
    const status = { ...known, imageRebuildTriggerGeneration: 2 }
    const scene = new Scene(buildConfig({ status })).settle(exists)
    expect(scene.log).toContain('check')
    expect(scene.config.status).not.toHaveProperty('imageRebuildTriggerGeneration')
  })
})

describe('a status that the Go operator wrote', () => {
  const status = { imagesStates: [{ image, status: 'Exists' as const }] }

  it('holds until the digest is known, which takes one write', () => {
    const scene = new Scene(buildConfig({ status })).settle(exists)
    expect(scene.log).toEqual(['check', 'write Exists'])
  })

  it('holds while the registry is away', () => {
    const scene = new Scene(buildConfig({ status })).advance(hour, unreachable)
    expect(scene.status?.phase).toBe('Exists')
  })
})

it('drops what is no longer asked for', () => {
  const scene = new Scene(buildConfig({ status: known })).change({ images: [] }).settle(exists)
  expect(scene.config.status).toEqual({ images: [], imagesStates: [] })
  expect(scene.log).toEqual(['write '])
})
