import { expect } from 'vitest'
import {
  build,
  countJobs,
  createMade,
  from,
  imageStatus,
  passToRetry,
  provideInputs,
  pushBase,
  toldOfImages,
  untilJob,
  untilMade,
  untilToldOfImages,
  useBuilding,
  writeDockerfile,
  writeSecret,
} from './builds.ts'
import { createReasonTests } from './reason-test.ts'

const building = useBuilding()
const { clock } = building

const itEndsIn = createReasonTests(() => building.cluster)

itEndsIn('ImageBuilding', 'an image that is being built, until it is', async (scene) => {
  const letGo = scene.rule({ do: 'hang' }, '-build-')
  await provideInputs(scene)
  await createMade(scene, { build })
  const pod = await untilJob(scene, 'BuildImage')
  await scene.until('the pod in words', () => toldOfImages(scene).includes(pod.metadata?.name ?? '?'))
  await scene.untilCondition('ImagesReady', 'False', 'ImageBuilding')
  await scene.untilCondition('Progressing', 'True', 'ImageBuilding')
  await scene.untilCondition('Degraded', 'False', 'AsExpected')
  letGo()
  await untilMade(scene)
  expect(countJobs(scene)).toEqual([1, 0])
})

itEndsIn('ImageInputMissing', 'a ConfigMap that is not there, until it is', async (scene) => {
  await pushBase(scene)
  await createMade(scene, { build })
  const message = await untilToldOfImages(scene, 'ImageInputMissing')
  expect(message).toContain(`ConfigMap ${scene.name}/dockerfile, which the Module names in build.dockerfileConfigMap`)
  await writeDockerfile(scene, from(scene))
  await clock.pass(60_000, untilMade(scene))
  expect(countJobs(scene)).toEqual([1, 0])
})

itEndsIn('ImageInputMissing', 'a ConfigMap without its key, until it has it', async (scene) => {
  await pushBase(scene)
  await writeDockerfile(scene, from(scene), 'Dockerfile')
  await createMade(scene, { build })
  expect(await untilToldOfImages(scene, 'ImageInputMissing')).toContain('has no entry "dockerfile"')
  await writeDockerfile(scene, from(scene))
  await clock.pass(60_000, untilMade(scene))
})

itEndsIn('ImageInputMissing', 'a secret of the build that is not there, until it is', async (scene) => {
  await pushBase(scene)
  await writeDockerfile(scene, `${from(scene)}RUN test -f /run/secrets/token/value`)
  await createMade(scene, { build: { ...build, secrets: [{ name: 'token' }] } })
  expect(await untilToldOfImages(scene, 'ImageInputMissing')).toContain(`Secret ${scene.name}/token`)
  await writeSecret(scene, 'token', { value: Buffer.from('secret') })
  await clock.pass(60_000, untilMade(scene))
  expect(countJobs(scene)).toEqual([1, 0])
})

itEndsIn('BuildFailed', 'a Dockerfile that fails, until it is corrected', async (scene) => {
  await pushBase(scene)
  await writeDockerfile(scene, `${from(scene)}RUN echo about to fail && exit 3`)
  await createMade(scene, { build })
  const message = await untilToldOfImages(scene, 'BuildFailed')
  expect(message).toContain('ended with exit status 3')
  expect(message).toContain(`log: kubectl logs -n ${scene.name} demo-build-`)
  await scene.until('the end of its log', () => imageStatus(scene)?.log?.includes('about to fail'))
  await scene.untilCondition('Degraded', 'True', 'BuildFailed')
  await writeDockerfile(scene, from(scene))
  await clock.pass(60_000, untilMade(scene))
  await scene.until('a log no more', () => imageStatus(scene)?.log === undefined)
})

itEndsIn('BuildFailed', 'a base image that is not there, until it is pushed', async (scene) => {
  await writeDockerfile(scene, from(scene))
  await createMade(scene, { build })
  expect(await untilToldOfImages(scene, 'BuildFailed')).toContain('is not in its registry')
  await pushBase(scene)
  await clock.pass(60_000, untilMade(scene))
})

itEndsIn('ImageLost', 'a registry that forgets what it was given, until it does not', async (scene) => {
  await provideInputs(scene)
  const fault = { method: 'HEAD', repository: scene.repository, reference: 'made', action: { do: 'missing' as const } }
  const lift = scene.cluster.sandbox.registry.fail(fault)
  await createMade(scene, { build })
  expect(await untilToldOfImages(scene, 'ImageLost')).toContain('the registry does not have it')
  lift()
  await passToRetry(scene, clock, untilMade(scene))
})
