import { expect } from 'vitest'
import { pods } from '../../src/kube/core-resources.ts'
import {
  build,
  countJobs,
  createMade,
  imageStatus,
  passToRetry,
  provideInputs,
  untilJob,
  untilMade,
  untilToldOfImages,
  useBuilding,
} from './builds.ts'
import { kernel56 } from './cluster.ts'
import { forbidPods } from './pod-quota.ts'
import { createReasonTests } from './reason-test.ts'

const building = useBuilding()
const { clock } = building

const itEndsIn = createReasonTests(() => building.cluster)

itEndsIn('JobPodPending', 'a selector that no node has, until one has it', async (scene) => {
  await provideInputs(scene)
  await createMade(scene, { build: { ...build, selector: { 'scene.example/builder': scene.name } } })
  expect(await untilToldOfImages(scene, 'JobPodPending')).toContain('see build.selector')
  await scene.node.label({ 'scene.example/builder': scene.name })
  await untilMade(scene)
  expect(countJobs(scene)).toEqual([1, 0])
})

itEndsIn('JobPodPending', 'a builder image that cannot be pulled, until it can', async (scene) => {
  const lift = scene.rule({ do: 'imagePullError' }, '-build-')
  await provideInputs(scene)
  await createMade(scene, { build })
  expect(await untilToldOfImages(scene, 'JobPodPending')).toContain('kmm-builder:sandbox cannot be pulled')
  lift()
  await untilMade(scene)
  expect(countJobs(scene)).toEqual([1, 0])
})

itEndsIn('JobPodRefused', 'a quota that is used up, until it is raised', async (scene) => {
  const raise = await forbidPods(scene)
  await provideInputs(scene)
  await createMade(scene, { build })
  expect(await untilToldOfImages(scene, 'JobPodRefused')).toContain(`raise the quota of namespace ${scene.name}`)
  await raise(5)
  await passToRetry(scene, clock, untilMade(scene))
  expect(countJobs(scene)).toEqual([1, 0])
})

itEndsIn(
  'JobPodRefused',
  'a namespace that allows no pods with rights of their own, until it is labelled as the message says',
  async (scene) => {
    await provideInputs(scene)
    await createMade(scene, { build })
    const command = `kubectl label --overwrite ns "${scene.name}" pod-security.kubernetes.io/enforce=privileged`
    expect(await untilToldOfImages(scene, 'JobPodRefused')).toContain(command)
    await scene.labelNamespace({ 'pod-security.kubernetes.io/enforce': 'privileged' })
    await passToRetry(scene, clock, untilMade(scene))
  },
  { namespaceLabels: { 'pod-security.kubernetes.io/enforce': 'restricted' } },
)

itEndsIn('JobPodLost', 'a pod that is evicted, until its successor has built the image', async (scene) => {
  const lift = scene.rule({ do: 'ready' }, '-build-')
  await provideInputs(scene)
  await createMade(scene, { build })
  const pod = await untilJob(scene, 'BuildImage', ({ status }) => status?.phase === 'Running')
  const status = { phase: 'Failed', reason: 'Evicted', message: 'The node was low on resource: memory.' }
  const key = { namespace: scene.name, name: pod.metadata?.name ?? '' }
  // Its successor, for which others may leap at any time, is to be seen.
  const letGo = scene.rule({ do: 'hang' }, '-build-')
  lift()
  await scene.cluster.sandbox.client.patch(pods, key, { type: 'merge', body: { status } }, { subresource: 'status' })
  await scene.until('it is told', () => scene.seen.images.has('JobPodLost'))
  letGo()
  await untilMade(scene)
  expect(countJobs(scene)).toEqual([2, 0])
})

itEndsIn('JobPodLost', 'a pod whose node is gone, until its successor has built the image', async (scene) => {
  const { sandbox } = scene.cluster
  const labels = { 'scene.example/builder': scene.name }
  const taints = [{ key: 'builder', effect: 'NoSchedule' as const }]
  const machine = await sandbox.addNode({ name: `${scene.name}-builder`, kernel: kernel56, labels, taints })
  const lift = scene.rule({ do: 'ready' }, '-build-')
  await provideInputs(scene)
  await createMade(scene, { build: { ...build, selector: labels } }, ({ spec }) => {
    if (spec) spec.tolerations = [{ key: 'builder', operator: 'Exists' }]
  })
  const pod = await untilJob(scene, 'BuildImage', ({ status }) => status?.phase === 'Running')
  // A pod that goes before the operator has told of it was never there.
  await scene.until('it is told of', () => imageStatus(scene)?.pod === pod.metadata?.name)
  lift()
  await machine.delete()
  await scene.until('it is told', () => scene.seen.images.has('JobPodLost'))
  await sandbox.addNode({ name: `${scene.name}-successor`, kernel: kernel56, labels, taints })
  await untilMade(scene)
  expect(countJobs(scene)[0]).toBe(2)
})
