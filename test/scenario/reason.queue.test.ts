import { expect, it } from 'vitest'
import {
  build,
  countJobs,
  createMade,
  deletePod,
  from,
  imageStatus,
  listJobs,
  passToRetry,
  provideInputs,
  sign,
  toldOfImages,
  untilJob,
  untilToldOfImages,
  useBuilding,
  writeDockerfile,
} from './builds.ts'
import { createReasonTests } from './reason-test.ts'
import { Scene } from './scene.ts'

const building = useBuilding('job: {maxAttempts: 2, gcDelay: 30m, build: {maxConcurrent: 1}}')
const { clock } = building

const itEndsIn = createReasonTests(() => building.cluster)

itEndsIn('JobQueued', 'a build that waits for another one, until that is done', async (scene) => {
  const first = await Scene.open(building.cluster, 'before-it')
  const letGo = first.rule({ do: 'hang' }, '-build-')
  await Promise.all([provideInputs(first), provideInputs(scene)])
  await createMade(first, { build })
  await untilJob(first, 'BuildImage')
  await createMade(scene, { build })
  expect(await untilToldOfImages(scene, 'JobQueued')).toContain('job.build.maxConcurrent')
  expect(countJobs(scene)).toEqual([0, 0])
  letGo()
  await first.untilReady()
  await clock.pass(5_000, scene.untilReady())
  expect([countJobs(first), countJobs(scene)]).toEqual([
    [1, 0],
    [1, 0],
  ])
})

it('keeps pods that have done their work for job.gcDelay, and makes none again', async () => {
  const scene = await Scene.open(building.cluster, 'kept')
  await provideInputs(scene)
  await createMade(scene, { build, sign })
  await scene.untilReady()
  const count = (): number => listJobs(scene, 'BuildImage').length + listJobs(scene, 'SignImage').length
  await scene.until('both pods', () => count() === 2)
  clock.leap(900_000)
  await scene.cluster.quiet()
  expect(count()).toBe(2)
  await clock.pass(
    960_000,
    scene.until('the pods are gone', () => count() === 0),
  )
  expect([countJobs(scene), scene.isReady]).toEqual([[1, 1], true])
})

it('gives up after job.maxAttempts, and tries again at once when the failed pod is deleted by hand', async () => {
  const scene = await Scene.open(building.cluster, 'given-up')
  await provideInputs(scene)
  await writeDockerfile(scene, `${from(scene)}RUN false`)
  await createMade(scene, { build })
  await untilToldOfImages(scene, 'BuildFailed')
  expect(toldOfImages(scene)).toContain('attempt 2 of 2 follows')
  await passToRetry(
    scene,
    clock,
    scene.until('the last attempt', () => toldOfImages(scene).includes('tried 2 times; delete pod')),
  )
  const list = (): (string | undefined)[] => listJobs(scene, 'BuildImage').map(({ metadata }) => metadata?.name)
  await scene.until('the pod of the last attempt alone', () => list().join() === imageStatus(scene)?.pod)
  const [pod] = listJobs(scene, 'BuildImage')
  expect(imageStatus(scene)?.attempts).toBe(2)
  expect(countJobs(scene)).toEqual([2, 0])
  await deletePod(scene, pod ?? {})
  await scene.until('the first attempt anew', () => imageStatus(scene)?.attempts === 1)
  await scene.until('its failure', () => imageStatus(scene)?.phase === 'Failed')
  expect(countJobs(scene)).toEqual([3, 0])
})
