import { describe, expect, it } from 'vitest'
import { fillCaches } from '../../../test/builders/caches.ts'
import { jobConfig, jobSpec, makeBuildPod } from '../../../test/builders/job.ts'
import type { ImageStatus, ModuleImagesConfig } from '../../api/module-images-config.ts'
import { build, built, FakeImages, image } from './fake-images.ts'
import { listSharedJobs } from './observe.ts'
import { observeSlots } from './slots.ts'

const owner = { apiVersion: 'kmm.sigs.x-k8s.io/v1beta2', kind: 'PreflightValidation', name: 'next', uid: 'uid-next' }

/** A ModuleImagesConfig of a preflight of the Module `mod`. */
function ofPreflight(name: string, pushBuiltImage: boolean): ModuleImagesConfig {
  const annotations = { 'kmm.sigs.x-k8s.io/module-name': 'mod' }
  const ownerReferences = [{ ...owner, controller: true }]
  const metadata = { namespace: 'ns', name, uid: `uid-${name}`, annotations, ownerReferences }
  return { ...jobConfig, metadata, spec: { images: [jobSpec], pushBuiltImage } }
}

interface Asked {
  most: number
  active: number
  isAwaited?: boolean
  isPreflight?: boolean
}

const named = (name: string): ModuleImagesConfig => ({
  ...jobConfig,
  metadata: { namespace: 'ns', name, uid: `uid-${name}` },
})

/** The makers of the pods for the same image that one sees while another makes it. */
function listMakers(asker: ModuleImagesConfig, maker: ModuleImagesConfig): string[] {
  const isPushed = maker.spec?.pushBuiltImage !== false
  const pod = makeBuildPod({ config: maker, ...(isPushed ? {} : { target: undefined }) })
  const pods = [{ ...pod, metadata: { ...pod.metadata, uid: 'uid-pod', resourceVersion: '1' } }]
  const moduleImagesConfigs = [asker, maker].map((config) => ({
    ...config,
    metadata: { ...config.metadata, resourceVersion: '1' },
  }))
  return listSharedJobs(asker, fillCaches({ pods, moduleImagesConfigs })).map((job) => job.maker)
}

describe('a pod that makes the same image', () => {
  const [dry, pushing] = [ofPreflight('dry', false), ofPreflight('pushing', true)]

  it.each([
    ['the Module’s, when it pushes nothing,', jobConfig, dry, []],
    ['that of a preflight that pushes, when it pushes nothing,', pushing, dry, []],
    ['the Module’s, when it is of a preflight that pushes,', jobConfig, pushing, ['a preflight']],
    ['the Module’s, when it is of another Module,', jobConfig, named('other'), ['another Module']],
    ['that of a preflight, when it is the Module’s,', dry, jobConfig, ['the Module itself']],
    ['that of a preflight, when it is of another Module,', dry, named('other'), ['another Module']],
    ['that of a preflight, when it is of another, too,', dry, ofPreflight('too', false), ['a preflight']],
  ])('holds up %s as it should', (_what, asker, maker, makers) => {
    expect(listMakers(asker, maker)).toEqual(makers)
  })

  it('is said to be whose it is', () => {
    const world = new FakeImages([{ image, kernelVersion: '6.1.0-1-amd64', build }])
    world.inputs = built
    const [shared] = listSharedPods(world)
    world.sharedJobs = [{ ...shared, maker: 'a preflight' }]
    expect(world.settle().status?.message).toContain(`pod ${shared.name} of a preflight makes the same image`)
  })
})

function listSharedPods({ inputs }: FakeImages) {
  const other = new FakeImages([{ image, kernelVersion: '6.1.0-1-amd64', build }])
  other.inputs = inputs
  return [other.settle().pod] as const
}

describe('a build for a preflight', () => {
  let nowMs = 0

  /** What becomes of the build with so many others at work. */
  function ask({ most, active, isAwaited = false, isPreflight = true }: Asked) {
    const world = new FakeImages([{ image, kernelVersion: '6.1.0-1-amd64', build }], { pushBuiltImage: false })
    const { metadata } = ofPreflight('dry', false)
    if (isPreflight) world.config = { ...world.config, metadata: { ...metadata, resourceVersion: '3' } }
    world.settings = { ...world.settings, maxConcurrentBuilds: most }
    Object.assign(world, { inputs: built, activeElsewhere: active, isAwaited }).settle()
    return [world.status?.reason, world.podCount]
  }

  const queued = ['JobQueued', 0]
  const building = ['ImageBuilding', 1]

  it.each([
    ['leaves the last of several slots free', { most: 4, active: 3 }, queued],
    ['takes the last but one', { most: 4, active: 2 }, building],
    [
      'takes the last but one also while others wait: there is room for them',
      { most: 4, active: 2, isAwaited: true },
      building,
    ],
    ['takes the only slot when nobody waits', { most: 1, active: 0 }, building],
    ['leaves the only slot to those who wait', { most: 1, active: 0, isAwaited: true }, queued],
  ])('%s', (_what, asked, expected) => {
    expect(ask(asked)).toEqual(expected)
  })

  it('is all that has to stand back: an image that nodes wait for takes the last slot', () => {
    expect(ask({ most: 4, active: 3, isPreflight: false })).toEqual(building)
  })

  it('says that others go first', () => {
    const world = new FakeImages([{ image, kernelVersion: '6.1.0-1-amd64', build }])
    const { metadata } = ofPreflight('dry', false)
    world.config = { ...world.config, metadata: { ...metadata, resourceVersion: '3' } }
    Object.assign(world, { inputs: built, activeElsewhere: 3 }).settle()
    expect(world.status?.message).toContain('allows 4 build pods at once, and images that nodes wait for go first')
  })

  /** Whether one sees that what another one asks for waits for a turn. */
  function see(asker: ModuleImagesConfig, { metadata, ...rest }: ModuleImagesConfig, image: ImageStatus): boolean {
    const status = { images: [image], imagesStates: [] }
    const seen = { ...rest, metadata: { ...metadata, resourceVersion: '1' }, status }
    const caches = fillCaches({ moduleImagesConfigs: [seen] })
    return observeSlots(asker, { caches, creating: new Set(), now: () => nowMs }).isAwaited
  }

  it('sees who waits for a turn: Modules’ own images, not those of other preflights', () => {
    const queued: ImageStatus = { ...jobSpec, phase: 'Missing', reason: 'JobQueued' }
    const [asker, other] = [ofPreflight('dry', false), ofPreflight('other', false)]
    expect([see(asker, jobConfig, queued), see(asker, other, queued), see(jobConfig, named('other'), queued)]).toEqual([
      true,
      false,
      false,
    ])
  })

  it.each([
    ['failed', (world: FakeImages) => world.end({ reason: 'BuildFailed' })],
    ['was lost', (world: FakeImages) => world.lose(world.pod)],
  ])('sees that an image whose first attempt %s waits for its next', (_what, spoil) => {
    const world = new FakeImages([{ image, kernelVersion: '6.1.0-1-amd64', build }])
    Object.assign(world, { inputs: built, settings: { ...world.settings, maxConcurrentBuilds: 1 } })
    world.settle()
    world.activeElsewhere = 1
    const isAwaited = (): boolean => {
      const { status } = world
      if (status === undefined) throw new Error('there is no status')
      nowMs = world.nowMs
      return see(ofPreflight('dry', false), jobConfig, status)
    }
    expect(isAwaited()).toBe(false)
    spoil(world).settle()
    world.advance(60_000)
    expect(world.status?.message).toContain('waits for its turn')
    expect([isAwaited(), world.podCount]).toEqual([true, 1])
    expect(world.status).toHaveProperty('retryAt')
    const { status } = world
    world.advance(60_000)
    expect(world.status).toEqual(status)
  })
})
