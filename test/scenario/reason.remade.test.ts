import { expect } from 'vitest'
import { createReasonTests } from './reason-test.ts'
import {
  build,
  countJobs,
  createMade,
  from,
  imageStatus,
  provideInputs,
  toldOfImages,
  untilMade,
  useBuilding,
  writeDockerfile,
} from './builds.ts'

const building = useBuilding()
const { clock } = building

const itEndsIn = createReasonTests(() => building.cluster)

itEndsIn(
  'ImageInputsDiffer',
  'another Dockerfile than the image was built from, until it is built anew',
  async (scene) => {
    await provideInputs(scene)
    await createMade(scene, { build })
    await untilMade(scene)
    await writeDockerfile(scene, `${from(scene)}LABEL version=2`)
    await clock.pass(
      3_600_000,
      scene.until('the difference', () => imageStatus(scene)?.reason === 'ImageInputsDiffer'),
    )
    await scene.until('the words for it', () => toldOfImages(scene).includes('delete it from the registry'))
    await scene.untilCondition('ImagesReady', 'True', 'ImagesExist')
    expect(countJobs(scene)).toEqual([1, 0])
    expect(scene.cluster.sandbox.registry.lose(scene.repository, 'made')).toBe(true)
    await scene.patch({ imageRebuildTriggerGeneration: 1 })
    await scene.until('a second build', () => countJobs(scene)[0] === 2)
    await untilMade(scene)
    await scene.until('nothing more to say', () => toldOfImages(scene) === '1 of 1 images exist')
    expect(countJobs(scene)).toEqual([2, 0])
  },
)
