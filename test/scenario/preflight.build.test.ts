import { afterAll, afterEach, beforeAll, expect, it } from 'vitest'
import type { Build, Module, Sign } from '../../src/api/module.ts'
import {
  build,
  type BuildingCluster,
  countJobs,
  from,
  keys,
  listJobEvents,
  sign,
  startBuilding,
  untilJob,
  writeDockerfile,
  writeSecret,
} from './builds.ts'
import { exampleFiles, kernel56 } from './cluster.ts'
import { LeapClock } from './leap-clock.ts'
import {
  containerImage,
  createPreflight,
  deletePreflight,
  kernel55,
  listTags,
  pushFor,
  removeAll,
  untilConfigs,
  untilVerified,
} from './preflights.ts'
import { Scene, toEntries } from './scene.ts'

let building: BuildingCluster
const clock = new LeapClock()
beforeAll(async () => {
  building = await startBuilding()
  await building.cluster.startOperator({ clock, config: 'job: {maxAttempts: 2}' })
})
afterAll(() => building.stop())

afterEach(() => removeAll(building.cluster))

/** A Module that is served on its node, and whose image for the other kernel is to be made. */
async function open(name: string, how: { build?: Build; sign?: Sign }): Promise<Scene> {
  const scene = await Scene.open(building.cluster, name)
  const modules = { ...(await exampleFiles(kernel56)), ...(await exampleFiles(kernel55)) }
  await scene.pushImage('base', toEntries({ ...modules, 'bin/sh': { data: '', mode: 0o755 } }))
  await writeDockerfile(scene, from(scene))
  await writeSecret(scene, 'key', { key: keys.key })
  await writeSecret(scene, 'cert', { cert: keys.cert })
  if (how.sign === undefined) await pushFor(scene, kernel56)
  const change = ({ spec }: Module): void => void Object.assign(spec?.moduleLoader?.container ?? {}, how)
  await scene.create(containerImage(scene), change)
  return scene
}

it('builds an image to see that it can be, and pushes nothing', async () => {
  const scene = await open('pf-see', { build })
  const letGo = scene.rule({ do: 'hang' }, '-build-')
  await createPreflight(scene, 'to-see')
  const pod = await untilJob(scene, 'BuildImage')
  await untilVerified(scene, 'to-see', 'InProgress', { words: pod.metadata?.name ?? '?' })
  const args = pod.spec?.containers[0]?.args ?? []
  expect(args).toEqual(expect.arrayContaining(['--no-push', 'MOD_NAME=demo', `KERNEL_FULL_VERSION=${kernel55}`]))
  letGo()
  const { statusReason } = await untilVerified(scene, 'to-see', 'Success')
  expect(statusReason).toMatch(/^verified image exists: .*it can be built; it was not pushed/)
  expect(await listTags(scene)).toEqual([kernel56, 'base'])
  expect(countJobs(scene)).toEqual([1, 0])
  await scene.until('events', () => listJobEvents(scene).length === 2)
  expect(listJobEvents(scene)).toEqual(['BuildCreated', 'BuildSucceeded'])
  await deletePreflight(scene, 'to-see')
  await untilConfigs(scene, 'to-see', 0)
})

it('builds an image that a node then finds', async () => {
  const scene = await open('pf-push', { build })
  await createPreflight(scene, 'to-push', { pushBuiltImage: true })
  await untilVerified(scene, 'to-push', 'Success', { words: `was built for ${kernel55}` })
  expect(await listTags(scene)).toEqual([kernel55, kernel56, 'base'])
  await deletePreflight(scene, 'to-push')
  await building.cluster.sandbox.addNode({ name: 'pf-push-new', kernel: kernel55, labels: { ...scene.selector } })
  await scene.until('it is loaded', () => building.cluster.isReady('pf-push-new', 'demo', scene.name))
  expect(countJobs(scene)).toEqual([1, 0])
})

it('builds and signs, and names the signer', async () => {
  const scene = await open('pf-sign', { build, sign })
  await scene.until('the image of the node', () => scene.condition('ImagesReady')?.status === 'True')
  expect(countJobs(scene)).toEqual([1, 1])
  await createPreflight(scene, 'to-see')
  const seen = await untilVerified(scene, 'to-see', 'Success')
  expect(seen.statusReason).toContain('it is signed only where pushBuiltImage is true')
  expect(countJobs(scene)).toEqual([2, 1])
  await createPreflight(scene, 'to-sign', { pushBuiltImage: true })
  const { statusReason } = await untilVerified(scene, 'to-sign', 'Success')
  expect(statusReason).toContain('kmm_demo carries a signature by')
  expect(countJobs(scene)).toEqual([3, 2])
})

it('signs an image to see that it can be, and pushes nothing', async () => {
  const unsigned = 'unsigned-${KERNEL_FULL_VERSION}'
  const scene = await open('pf-try', {})
  await scene.pushImage(`unsigned-${kernel55}`, toEntries(await exampleFiles(kernel55)))
  await pushFor(scene, kernel56)
  const mapping = {
    literal: kernel55,
    sign: { ...sign, unsignedImage: scene.image(unsigned), unsignedImageRegistryTLS: { insecure: true } },
  }
  await scene.patchContainer({
    kernelMappings: [
      { ...mapping, containerImage: containerImage(scene) },
      { regexp: '^.+$', containerImage: containerImage(scene) },
    ],
  })
  await createPreflight(scene, 'to-try')
  await untilVerified(scene, 'to-try', 'Success', { words: 'it can be signed; it was not pushed' })
  expect(countJobs(scene)).toEqual([0, 1])
  expect(await listTags(scene)).not.toContain(kernel55)
})

it('says that a build failed, until what it is made from is mended', async () => {
  const scene = await open('pf-fail', { build })
  await writeDockerfile(scene, `${from(scene)}RUN exit 3`)
  await createPreflight(scene, 'to-fail')
  const first = await untilVerified(scene, 'to-fail', 'InProgress', { words: 'attempt 2 of 2 follows' })
  expect(first.statusReason).toMatch(/^verification is not finished yet: /)
  const last = await clock.pass(15_000, untilVerified(scene, 'to-fail', 'Failure'))
  expect(last.statusReason).toMatch(/^verified image does not exist and build\/sign failed: .*exit status 3/)
  await writeDockerfile(scene, from(scene))
  await clock.pass(60_000, untilVerified(scene, 'to-fail', 'Success'))
})

it('builds once what two preflights want', async () => {
  const scene = await open('pf-both', { build })
  const letGo = scene.rule({ do: 'hang' }, '-build-')
  await createPreflight(scene, 'both-a', { pushBuiltImage: true })
  await untilJob(scene, 'BuildImage')
  await createPreflight(scene, 'both-b', { pushBuiltImage: true })
  await untilVerified(scene, 'both-b', 'InProgress', { words: 'makes the same image' })
  letGo()
  await untilVerified(scene, 'both-a', 'Success')
  await clock.pass(10_000, untilVerified(scene, 'both-b', 'Success'))
  expect(countJobs(scene)).toEqual([1, 0])
})

it('knows for its own what a preflight has built, and signs it in its place when that is asked for', async () => {
  const scene = await open('pf-own', { build })
  await createPreflight(scene, 'own', { pushBuiltImage: true })
  await untilVerified(scene, 'own', 'Success')
  await building.cluster.sandbox.addNode({ name: 'pf-own-new', kernel: kernel55, labels: { ...scene.selector } })
  const find = () =>
    building.cluster.view.images
      .get({ namespace: scene.name, name: 'demo' })
      ?.status?.images?.find(({ kernelVersion }) => kernelVersion === kernel55)
  await scene.until('the image is its own', () => find()?.phase === 'Ready')
  await deletePreflight(scene, 'own')
  // Else it could begin to sign, too, and be gone before it has.
  await untilConfigs(scene, 'own', 0)
  await scene.patchContainer({ sign })
  await scene.until('it is signed', () => find()?.signedBy !== undefined)
  expect(countJobs(scene)).toEqual([1, 1])
})
