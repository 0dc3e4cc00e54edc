import { expect, it } from 'vitest'
import {
  build,
  countJobs,
  createMade,
  deletePod,
  from,
  imageStatus,
  listJobEvents,
  listJobs,
  passToRetry,
  provideInputs,
  sign,
  toldOfImages,
  untilJob,
  untilMade,
  untilToldOfImages,
  useBuilding,
  writeDockerfile,
  writeSecret,
} from './builds.ts'
import { Scene } from './scene.ts'

const building = useBuilding()
const { clock } = building

const open = (name: string): Promise<Scene> => Scene.open(building.cluster, name)

it.concurrent('tells of a registry that refuses the push, and builds again when it does not', async () => {
  const scene = await open('refused-push')
  await provideInputs(scene)
  const action = { do: 'answer' as const, status: 403, code: 'DENIED' }
  const lift = building.cluster.sandbox.registry.fail({ kind: 'upload', repository: scene.repository, action })
  await createMade(scene, { build })
  const message = await untilToldOfImages(scene, 'RegistryUnauthorized')
  expect(message).toContain('give credentials that may push in imageRepoSecret')
  lift()
  await passToRetry(scene, clock, untilMade(scene))
})

it.concurrent('builds and signs once, with events on the Module, and leaves no pods', async () => {
  const scene = await open('both')
  await provideInputs(scene)
  await createMade(scene, { build, sign })
  await untilMade(scene)
  expect(countJobs(scene)).toEqual([1, 1])
  expect(imageStatus(scene)).toMatchObject({ phase: 'Ready', signedBy: expect.stringMatching(/^[0-9a-f]{64}$/) })
  await scene.until('the events', () => listJobEvents(scene).length >= 4)
  expect(listJobEvents(scene)).toEqual(['BuildCreated', 'BuildSucceeded', 'SignCreated', 'SignSucceeded'])
})

it.concurrent('says that kanikoParams is ignored, and builds all the same', async () => {
  const scene = await open('kaniko')
  await provideInputs(scene)
  await createMade(scene, { build: { ...build, kanikoParams: { tag: 'v1.9' } } })
  await untilMade(scene)
  await scene.until('the remark', () => toldOfImages(scene).includes('build.kanikoParams is ignored'))
})

it.concurrent('shows a build its arguments and its secrets, and those of no other', async () => {
  const scene = await open('arguments')
  await provideInputs(scene)
  await writeSecret(scene, 'token', { value: Buffer.from('sesame') })
  const steps = [
    'ARG KERNEL_FULL_VERSION',
    'ARG COLOUR=red',
    'RUN grep -q sesame /run/secrets/token/value',
    'RUN test -d /host/lib/modules',
    `LABEL kernel=\${KERNEL_FULL_VERSION} colour=\${COLOUR}`,
    'RUN test -f /run/secrets/key/key',
  ]
  await writeDockerfile(scene, from(scene) + steps.join('\n'))
  const more = { secrets: [{ name: 'token' }], buildArgs: [{ name: 'COLOUR', value: 'blue' }] }
  await createMade(scene, { build: { ...build, ...more } })
  // Everything but the last step ends well: the signing key is none of a build's business.
  expect(await untilToldOfImages(scene, 'BuildFailed')).toContain('RUN test -f /run/secrets/key/key')
  await writeDockerfile(scene, from(scene) + steps.slice(0, -1).join('\n'))
  await clock.pass(60_000, untilMade(scene))
})

it.concurrent('builds what a ConfigMap says by then when it is edited while a build runs', async () => {
  const scene = await open('edited')
  await provideInputs(scene)
  const letGo = scene.rule({ do: 'hang' }, '-build-')
  await createMade(scene, { build })
  const { metadata } = await untilJob(scene, 'BuildImage')
  await writeDockerfile(scene, `${from(scene)}RUN echo edited`)
  letGo()
  await untilMade(scene)
  // What was begun was built to its end, and what has changed since does not make it again while it exists.
  expect([countJobs(scene), imageStatus(scene)?.phase]).toEqual([[1, 0], 'Ready'])
  expect(metadata?.name).toContain('demo-build-')
})

it.concurrent('builds an image again, once, that the registry has lost, when it is asked to look', async () => {
  const scene = await open('lost')
  await provideInputs(scene)
  await createMade(scene, { build, sign })
  await untilMade(scene)
  const { registry } = building.cluster.sandbox
  const before = imageStatus(scene)
  expect(registry.lose(scene.repository, before?.digest ?? '')).toBe(true)
  await scene.patch({ imageRebuildTriggerGeneration: 7 })
  const triggered = (): number | undefined =>
    building.cluster.view.images.get({ namespace: scene.name, name: 'demo' })?.status?.imageRebuildTriggerGeneration
  await scene.until('the trigger is done', () => triggered() === 7)
  await untilMade(scene)
  // The unsigned image is still there: it is only signed.
  expect(countJobs(scene)).toEqual([1, 2])
  expect(imageStatus(scene)).toMatchObject({ phase: 'Ready', signedBy: before?.signedBy })
})

it.concurrent('signs in its place what it has built, when signing is asked for later', async () => {
  const scene = await open('signed-later')
  await provideInputs(scene)
  await createMade(scene, { build })
  await untilMade(scene)
  const before = imageStatus(scene)?.digest
  await scene.patchContainer({ sign })
  await scene.until('it is signed', () => imageStatus(scene)?.signedBy !== undefined)
  await untilMade(scene)
  expect(countJobs(scene)).toEqual([1, 1])
  expect(imageStatus(scene)?.digest).not.toBe(before)
})

it.concurrent('builds for each of two kernels', async () => {
  const scene = await open('kernels')
  await provideInputs(scene)
  const other = { name: `${scene.name}-other`, kernel: '6.1.0-55-amd64', labels: scene.selector }
  await building.cluster.sandbox.addNode(other)
  await createMade(scene, { build }, ({ spec }) => {
    const containerImage = `${scene.image('made')}-\${KERNEL_FULL_VERSION}`
    Object.assign(spec?.moduleLoader?.container ?? {}, { kernelMappings: [{ regexp: '.', containerImage }] })
  })
  await scene.until('both nodes', () => scene.module?.status?.moduleLoader?.availableNumber === 2)
  expect(countJobs(scene)).toEqual([2, 0])
})

it.concurrent('makes one image for two Modules that share it', async () => {
  const scene = await open('shared')
  await provideInputs(scene)
  await createMade(scene, { build })
  await createMade(scene, { build }, ({ metadata, spec }) => {
    metadata.name = 'second'
    Object.assign(spec?.moduleLoader?.container.modprobe ?? {}, { moduleName: 'kmm_demo_dep' })
  })
  await untilMade(scene)
  await scene.until('the second Module', () => building.cluster.isReady(scene.name, 'second', scene.name))
  await scene.until('no pods', () => listJobs(scene, 'BuildImage').length === 0)
  expect(countJobs(scene)).toEqual([1, 0])
})

it.concurrent('leaves no pods of a Module that is deleted while they run', async () => {
  const scene = await open('deleted')
  await provideInputs(scene)
  scene.rule({ do: 'ready' }, '-build-')
  await createMade(scene, { build })
  await untilJob(scene, 'BuildImage', ({ status }) => status?.phase === 'Running')
  await scene.delete()
  await scene.untilGone()
  await scene.until('no pods', () => listJobs(scene, 'BuildImage').length === 0)
  expect(countJobs(scene)).toEqual([1, 0])
})

// Alone: where another scene leaps, the pause before the next attempt is over anyway, and the failed pod goes by itself.
it('tries again at once when the failed pod is deleted by hand', async () => {
  const scene = await open('by-hand')
  const lift = scene.rule({ do: 'crash', message: 'no report' }, '-build-')
  await provideInputs(scene)
  await createMade(scene, { build })
  await untilToldOfImages(scene, 'BuildFailed')
  const pod = await untilJob(scene, 'BuildImage', ({ status }) => status?.phase === 'Failed')
  lift()
  await deletePod(scene, pod)
  await untilMade(scene)
})
