import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { secrets } from '../../src/kube/core-resources.ts'
import { Cluster } from './cluster.ts'
import { LeapClock } from './leap-clock.ts'
import { createReasonTests } from './reason-test.ts'
import { Scene } from './scene.ts'

const byVolume = 'worker: {imageSource: volume}'
const reader = { username: 'reader', password: 'right' }
const auth = { kind: 'token' as const, users: [reader], anonymousPull: ['open/'] }

let cluster: Cluster
const clock = new LeapClock()
beforeAll(async () => {
  cluster = await Cluster.start({ nodes: [], registry: { auth } })
  await cluster.startOperator({ config: byVolume, clock })
})
afterAll(() => cluster.stop())

/** Credentials as Docker, kubelets and pull secrets write them. */
function dockerConfig(password = reader.password): string {
  return JSON.stringify({ auths: { [cluster.sandbox.registry.address]: { username: reader.username, password } } })
}

/** The programs that have asked for anything of the scene's images. */
const askers = ({ repository }: Scene): Set<string> => {
  const requests = cluster.sandbox.registry.requests.filter(({ path }) => path.includes(repository))
  return new Set(requests.map(({ userAgent }) => userAgent))
}

it.concurrent('loads from an image that the kubelet mounts, and unloads when registry and kubelet have lost it', async () => {
  const scene = await Scene.open(cluster, 'volume-whole')
  const { image, digest } = await scene.pushImage('1')
  await scene.create(image)
  await scene.untilReady()
  expect(scene.kernel.isLoaded('kmm_demo')).toBe(true)
  expect(askers(scene)).not.toContain('kmm-worker')
  await scene.until('the report', () => scene.reports.at(-1)?.reason === 'Loaded')
  cluster.sandbox.registry.lose(scene.repository, digest)
  await scene.node.images.collect()
  await scene.delete()
  await scene.untilGone()
  expect(scene.kernel.isLoaded('kmm_demo')).toBe(false)
  expect(askers(scene)).not.toContain('kmm-worker')
})

it.concurrent('mounts the verified digest, read-only', async () => {
  const scene = await Scene.open(cluster, 'volume-digest')
  const { image, digest } = await scene.pushImage('1')
  const letStart = scene.rule({ do: 'hang' })
  await scene.create(image)
  await scene.until('the pod', () => scene.pod)
  const volumes: object[] = scene.pod?.spec?.volumes ?? []
  const reference = `${cluster.sandbox.registry.address}/${scene.repository}@${digest}`
  expect(volumes).toContainEqual({ name: 'kmod-image', image: { reference, pullPolicy: 'IfNotPresent' } })
  const [container] = scene.pod?.spec?.containers ?? []
  expect(container?.volumeMounts).toContainEqual(
    expect.objectContaining({ name: 'kmod-image', mountPath: '/kmod-image', readOnly: true }),
  )
  letStart()
  await scene.untilReady()
})

it.concurrent('loads what only the kubelet has the credentials for', async () => {
  const scene = await Scene.open(cluster, 'volume-private', { repository: 'private' })
  await mkdir(join(scene.node.root, 'var/lib/kubelet'), { recursive: true })
  await writeFile(join(scene.node.root, 'var/lib/kubelet/config.json'), dockerConfig())
  await scene.create(await scene.push('1'))
  await scene.untilReady()
  await scene.untilCondition('ImagesReady', 'Unknown', 'ImageUnverified')
  expect(scene.condition('ImagesReady')?.message).toContain('the kubelet fetches it')
  await scene.delete()
  await scene.untilGone()
  expect(askers(scene)).not.toContain('kmm-worker')
})

it.concurrent('takes a better image of a registry that the operator cannot look into, when the Module names it', async () => {
  const scene = await Scene.open(cluster, 'volume-change', { repository: 'private' })
  await mkdir(join(scene.node.root, 'var/lib/kubelet'), { recursive: true })
  await writeFile(join(scene.node.root, 'var/lib/kubelet/config.json'), dockerConfig())
  await scene.create(await scene.push('1'))
  await scene.untilReady()
  const next = await scene.push('2')
  await scene.useImage(next)
  await scene.until(
    'the new image',
    () => cluster.nmc(scene.name)?.status?.modules?.[0]?.config?.containerImage === next,
  )
  await scene.untilReady()
  expect(scene.kernel.insertions('kmm_demo')).toBe(2)
})

it.concurrent('says that the kubelet is not let in, until its pull secret is right', async () => {
  const scene = await Scene.open(cluster, 'volume-secret', { repository: 'private' })
  const key = { namespace: scene.name, name: 'pull' }
  const dataOf = (password: string) => ({
    '.dockerconfigjson': Buffer.from(dockerConfig(password)).toString('base64'),
  })
  const type = 'kubernetes.io/dockerconfigjson'
  await cluster.sandbox.client.create(secrets, { metadata: key, type, data: dataOf('wrong') })
  await scene.create(await scene.push('1'), ({ spec }) => {
    if (spec) spec.imageRepoSecret = { name: 'pull' }
  })
  expect(await scene.untilFailed('RegistryUnauthorized')).toMatch(
    /the kubelet cannot mount the image .*imageRepoSecret/,
  )
  await cluster.sandbox.client.patch(secrets, key, { type: 'merge', body: { data: dataOf('right') } })
  await scene.untilReady()
})

it.concurrent('says that an image is gone, until it is back', async () => {
  const scene = await Scene.open(cluster, 'volume-lost')
  const letStart = scene.rule({ do: 'hang' })
  const { image, digest } = await scene.pushImage('1')
  await scene.create(image)
  await scene.until('the pod', () => scene.pod)
  expect(cluster.sandbox.registry.lose(scene.repository, digest)).toBe(true)
  letStart()
  expect(await scene.untilFailed('ImageNotFound')).toContain('push the image')
  await scene.push('1')
  await scene.untilReady()
})

it.concurrent('loads again after a reboot without the registry, from what the kubelet has', async () => {
  const scene = await Scene.open(cluster, 'volume-reboot')
  await scene.create(await scene.push('1'))
  await scene.untilReady()
  const lift = cluster.sandbox.registry.fail({ repository: scene.repository, action: { do: 'reset' } })
  await scene.node.reboot()
  await scene.until('the label is withdrawn or the module is back', () => scene.kernel.isLoaded('kmm_demo'))
  await scene.untilReady()
  lift()
})

it('reloads nothing when the operator is told to do it the other way', async () => {
  const own = await Cluster.start({ nodes: [] })
  try {
    const end = await own.startOperator()
    const scene = await Scene.open(own, 'volume-switch')
    await scene.create(await scene.push('1'))
    await scene.untilReady()
    await end()
    const back = await own.startOperator({ config: byVolume })
    await own.quiet()
    expect([scene.pods.Load.size, scene.pods.Unload.size, scene.isReady]).toEqual([1, 0, true])
    await scene.node.reboot()
    await scene.until('the kubelet has mounted it', () => scene.pods.Load.size === 2)
    await scene.untilReady()
    await back()
    await own.startOperator()
    await own.quiet()
    await scene.delete()
    await scene.untilGone()
    expect([scene.pods.Load.size, scene.kernel.isLoaded('kmm_demo')]).toEqual([2, false])
  } finally {
    await own.stop()
  }
})

let old: Cluster
let endOperator: () => Promise<void>
beforeAll(async () => {
  old = await Cluster.startEmbedded({ nodes: [], imageVolumes: false })
  endOperator = await old.startOperator({ config: byVolume, clock })
})
afterAll(() => old.stop())

const itEndsIn = createReasonTests(() => old)

itEndsIn('ImageVolumeUnsupported', 'a cluster without image volumes, until the workers pull', async (scene) => {
  await scene.create(await scene.push('1'))
  const message = await scene.untilFailed('ImageVolumeUnsupported')
  expect(message).toMatch(/Kubernetes 1\.35.*set worker\.imageSource to worker/)
  expect(scene.kernel.insertions('kmm_demo')).toBe(0)
  await endOperator()
  await old.startOperator()
  await scene.untilReady()
})
