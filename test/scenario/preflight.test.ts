import { afterAll, afterEach, beforeAll, expect, it } from 'vitest'
import { Cluster, kernel56 } from './cluster.ts'
import { LeapClock } from './leap-clock.ts'
import {
  containerImage,
  createPreflight,
  deletePreflight,
  findEntry,
  kernel55,
  listConfigs,
  misplacedFiles,
  pushFor,
  removeAll,
  untilConfigs,
  untilVerified,
} from './preflights.ts'
import { workersEndWell } from './reason-test.ts'
import { Scene } from './scene.ts'
import { preflightResource } from './view.ts'

let cluster: Cluster
const clock = new LeapClock()
beforeAll(async () => {
  cluster = await Cluster.start({ nodes: [], rules: workersEndWell })
  await cluster.startOperator({ clock })
})
afterEach(() => removeAll(cluster))
afterAll(() => cluster.stop())

it('verifies an image that exists, for a kernel that no node has', async () => {
  const scene = await Scene.open(cluster, 'pf-prebuilt')
  await pushFor(scene)
  await scene.create(containerImage(scene))
  await createPreflight(scene, 'pf-prebuilt')
  const entry = await untilVerified(scene, 'pf-prebuilt', 'Success')
  expect(entry).toMatchObject({ verificationStage: 'Done' })
  expect(entry.statusReason).toMatch(
    /^verified image exists: .*pf-prebuilt:6\.1\.0-55-amd64: kmm_demo.* was built for 6\.1\.0-55-amd64/,
  )
  expect(entry.statusReason).toContain('is not signed')
  const [config] = await untilConfigs(scene, 'pf-prebuilt', 1)
  expect(config?.metadata.name).toMatch(/^demo-preflight-[0-9a-f]{8}$/)
  expect(config?.spec).toMatchObject({ pushBuiltImage: false })
})

it('says that an image is missing once the registry has said so, until it is pushed', async () => {
  const scene = await Scene.open(cluster, 'pf-missing')
  await scene.create(containerImage(scene))
  await createPreflight(scene, 'pf-missing')
  const missing = await untilVerified(scene, 'pf-missing', 'Failure')
  expect(missing.statusReason).toMatch(/^verified image does not exist: .*pf-missing:6\.1\.0-55-amd64/)
  await pushFor(scene)
  await clock.pass(60_000, untilVerified(scene, 'pf-missing', 'Success'))
})

it('says of a wrong image what is wrong, until somebody pushes a better one under its name', async () => {
  const scene = await Scene.open(cluster, 'pf-wrong')
  await pushFor(scene, kernel55, await misplacedFiles(kernel56, kernel55))
  await scene.create(containerImage(scene))
  await createPreflight(scene, 'pf-wrong')
  const wrong = await untilVerified(scene, 'pf-wrong', 'Failure')
  expect(wrong.statusReason).toMatch(
    /^verified image cannot be used: .*was built for 6\.1\.0-56-amd64 .*, not for 6\.1\.0-55-amd64/,
  )
  await pushFor(scene)
  // Its failure makes the image doubtful, and that is asked about within two minutes.
  await clock.pass(120_000, untilVerified(scene, 'pf-wrong', 'Success'))
})

it('says that an image has nothing for the kernel, or not the module', async () => {
  const scene = await Scene.open(cluster, 'pf-empty')
  await scene.create(await pushFor(scene, kernel56))
  await createPreflight(scene, 'pf-empty')
  const empty = await untilVerified(scene, 'pf-empty', 'Failure')
  expect(empty.statusReason).toContain('the image has no modules in /opt/lib/modules/6.1.0-55-amd64')
  await pushFor(scene)
  await scene.patchContainer({
    modprobe: { moduleName: 'kmm_other' },
    kernelMappings: [{ regexp: '^.+$', containerImage: containerImage(scene) }],
  })
  await untilVerified(scene, 'pf-empty', 'Failure', { words: 'the image has no module kmm_other' })
  await scene.patchContainer({ modprobe: { moduleName: 'kmm_demo', firmwarePath: '/firmware' } })
  await untilVerified(scene, 'pf-empty', 'Success', { words: 'the image has no file in /firmware' })
})

it('reports Modules without a mapping, with a broken one and without a loader, and verifies the others', async () => {
  const scene = await Scene.open(cluster, 'pf-mapping')
  await pushFor(scene)
  const image = containerImage(scene)
  await scene.create(image)
  const others = {
    unmapped: [{ literal: kernel56, containerImage: image }],
    broken: [{ regexp: '^6', containerImage: `${image}\${MOD_NAME` }],
  }
  for (const [name, kernelMappings] of Object.entries(others))
    await scene.create(image, ({ metadata, spec }) => {
      metadata.name = name
      Object.assign(spec?.moduleLoader?.container ?? {}, { kernelMappings })
    })
  await scene.create(image, ({ metadata, spec }) => {
    metadata.name = 'plugin'
    delete spec?.moduleLoader
  })
  await createPreflight(scene, 'pf-mapping')
  await untilVerified(scene, 'pf-mapping', 'Success')
  for (const module of ['unmapped', 'broken']) await untilVerified(scene, 'pf-mapping', 'Failure', { module })
  await untilVerified(scene, 'pf-mapping', 'Success', { module: 'plugin' })
  const tell = (module: string) => findEntry(scene, 'pf-mapping', module)
  expect(tell('unmapped')?.verificationStage).toBe('Done')
  expect(tell('unmapped')?.statusReason).toMatch(/^mapping not found: .*6\.1\.0-55-amd64/)
  expect(tell('broken')?.verificationStage).toBe('Done')
  expect(tell('broken')?.statusReason).toMatch(/^mapping cannot be used: /)
  expect(tell('plugin')?.verificationStage).toBe('Done')
  expect(tell('plugin')?.statusReason).toContain('has no moduleLoader')
  await untilConfigs(scene, 'pf-mapping', 1)

  await scene.cluster.patchModule(
    { moduleLoader: { container: { kernelMappings: [{ regexp: '^6', containerImage: image }] } } },
    'unmapped',
    scene.name,
  )
  await untilVerified(scene, 'pf-mapping', 'Success', { module: 'unmapped' })
  await scene.cluster.deleteModule('broken', scene.name)
  await scene.until('the entry is pruned', () => tell('broken') === undefined)
})

it('keeps several preflights apart, and leaves nothing of one that is deleted', async () => {
  const scene = await Scene.open(cluster, 'pf-two')
  await pushFor(scene)
  await scene.create(containerImage(scene))
  await createPreflight(scene, 'pf-two-a')
  await createPreflight(scene, 'pf-two-b', { kernelVersion: kernel56 })
  await untilVerified(scene, 'pf-two-a', 'Success', { words: kernel55 })
  await untilVerified(scene, 'pf-two-b', 'Failure', { words: 'verified image does not exist' })
  await untilConfigs(scene, 'pf-two-a', 1)
  await untilConfigs(scene, 'pf-two-b', 1)
  await deletePreflight(scene, 'pf-two-a')
  await untilConfigs(scene, 'pf-two-a', 0)
  await pushFor(scene, kernel56)
  await clock.pass(60_000, untilVerified(scene, 'pf-two-b', 'Success'))
  await deletePreflight(scene, 'pf-two-b')
  await untilConfigs(scene, 'pf-two-b', 0)
})

it('follows a change of the kernel, and leaves the time of a result that stays', async () => {
  const scene = await Scene.open(cluster, 'pf-change')
  await pushFor(scene)
  await pushFor(scene, kernel56)
  await scene.create(containerImage(scene))
  await createPreflight(scene, 'pf-change')
  const { lastTransitionTime } = await untilVerified(scene, 'pf-change', 'Success', { words: kernel55 })
  await scene.patch({ tolerations: [{ key: 'x', operator: 'Exists' }] })
  await scene.until('the change', () => listConfigs(scene, 'pf-change')[0]?.spec?.tolerations?.length === 1)
  expect(findEntry(scene, 'pf-change')).toMatchObject({ verificationStatus: 'Success', lastTransitionTime })
  const patch = { type: 'merge' as const, body: { spec: { kernelVersion: kernel56 } } }
  await cluster.sandbox.client.patch(preflightResource, { name: 'pf-change' }, patch)
  await untilVerified(scene, 'pf-change', 'Success', { words: kernel56 })
  await untilConfigs(scene, 'pf-change', 1)
})

it('waits for a registry that is away, and says so', async () => {
  const scene = await Scene.open(cluster, 'pf-outage')
  await pushFor(scene)
  const lift = cluster.sandbox.registry.fail({ repository: scene.repository, action: { do: 'answer', status: 503 } })
  await scene.create(containerImage(scene))
  await createPreflight(scene, 'pf-outage')
  const waiting = await untilVerified(scene, 'pf-outage', 'InProgress', { words: '503' })
  expect(waiting).toMatchObject({ verificationStage: 'Image' })
  expect(waiting.statusReason).toMatch(/^verification is not finished yet: /)
  lift()
  await clock.pass(60_000, untilVerified(scene, 'pf-outage', 'Success'))
})

it('gives way to a Module that is really called as its ModuleImagesConfig is', async () => {
  const scene = await Scene.open(cluster, 'pf-name')
  await pushFor(scene)
  await pushFor(scene, kernel56)
  await scene.create(containerImage(scene))
  await createPreflight(scene, 'pf-name')
  await untilVerified(scene, 'pf-name', 'Success')
  const [first] = await untilConfigs(scene, 'pf-name', 1)
  const name = first?.metadata.name ?? ''
  await scene.create(containerImage(scene), ({ metadata }) => {
    metadata.name = name
  })
  await untilVerified(scene, 'pf-name', 'Success', { module: name })
  await untilVerified(scene, 'pf-name', 'Success')
  await scene.until('the Module has its own', () => {
    const config = cluster.view.images.get({ namespace: scene.name, name })
    return config?.metadata.ownerReferences?.[0]?.kind === 'Module'
  })
  const configs = await untilConfigs(scene, 'pf-name', 2)
  expect(configs.map((config) => config.metadata.name)).not.toContain(name)
  await scene.until('its image', () => cluster.condition('ImagesReady', name, scene.name)?.status === 'True')
})
