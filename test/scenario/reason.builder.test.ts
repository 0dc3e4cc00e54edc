import { symlink } from 'node:fs/promises'
import { expect, it } from 'vitest'
import {
  build,
  countJobs,
  createMade,
  from,
  imageStatus,
  passToRetry,
  provideInputs,
  sign,
  untilMade,
  untilToldOfImages,
  useBuilding,
  writeDockerfile,
} from './builds.ts'
import { createReasonTests } from './reason-test.ts'
import { Scene } from './scene.ts'

const findNothing = (path: string): string => `${path}-that-is-not-there`

const building = useBuilding('', findNothing)
const { clock } = building

const itEndsIn = createReasonTests(() => building.cluster)

it('loads and signs what exists on a machine without buildah', async () => {
  const [loaded, signed] = [
    await Scene.open(building.cluster, 'absent-loaded'),
    await Scene.open(building.cluster, 'absent-signed'),
  ]
  await loaded.create(await loaded.push('1'))
  await provideInputs(signed)
  const unsigned = { unsignedImage: signed.image('base'), unsignedImageRegistryTLS: { insecure: true } }
  await createMade(signed, { sign: { ...sign, ...unsigned } })
  await loaded.untilReady()
  await untilMade(signed)
  expect(countJobs(signed)).toEqual([0, 1])
})

itEndsIn('BuilderUnavailable', 'a machine without buildah, until it is installed', async (scene) => {
  await provideInputs(scene)
  await createMade(scene, { build, sign })
  const message = await untilToldOfImages(scene, 'BuilderUnavailable')
  expect(message).toContain('there is no builder here')
  expect(message).toContain('or install buildah')
  await scene.until('its status', () => imageStatus(scene)?.phase === 'Failed')
  expect(imageStatus(scene)?.attempts).toBe(1)
  await symlink(building.buildah, findNothing(building.buildah))
  // What has changed is not waited for.
  await writeDockerfile(scene, `${from(scene)}LABEL again=1`)
  await passToRetry(scene, clock, untilMade(scene))
  expect(countJobs(scene)).toEqual([2, 1])
})
