import { createPrivateKey } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Pod } from 'kubernetes-types/core/v1.js'
import { afterAll, beforeAll } from 'vitest'
import { resourceTypeLabel } from '../../src/api/labels.ts'
import type { ImageStatus } from '../../src/api/module-images-config.ts'
import type { Build, Module, Sign } from '../../src/api/module.ts'
import { hasCode } from '../../src/errors/error.ts'
import { configMaps, pods, secrets } from '../../src/kube/core-resources.ts'
import type { CommonOptions } from '../../src/sandbox/sandbox.ts'
import { writeBuildah } from '../stand-in/buildah.ts'
import { Cluster, exampleFiles, kernel56 } from './cluster.ts'
import { LeapClock } from './leap-clock.ts'
import type { Scene } from './scene.ts'

/** Workers are not what tests of building and signing look at: theirs end well at once. */
const workersRule = { match: { name: '^kmm-worker-' }, behaviour: { do: 'report' as const } }

/** A cluster whose build pods find a stand-in for buildah. */
export interface BuildingCluster {
  cluster: Cluster
  /** Path of the stand-in. */
  buildah: string
  stop: () => Promise<void>
}

/** Starts a cluster that builds, on any machine; `find` answers where build pods look for the stand-in at `path`. */
export async function startBuilding(
  options: CommonOptions = {},
  find = (path: string): string => path,
): Promise<BuildingCluster> {
  const folder = await mkdtemp(join(tmpdir(), 'kmm-builds-'))
  const buildah = await writeBuildah(folder)
  const cluster = await Cluster.start({
    nodes: [],
    rules: [workersRule],
    times: { phaseLagMs: 5 },
    buildahProgram: find(buildah),
    ...options,
  })
  const stop = async (): Promise<void> => {
    await cluster.stop()
    await rm(folder, { recursive: true, force: true })
  }
  return { cluster, buildah, stop }
}

/** The cluster of a test file whose scenes share a clock. */
export interface SharedBuilding {
  readonly cluster: Cluster
  readonly clock: LeapClock
  /** Path of the stand-in for buildah. */
  readonly buildah: string
}

/**
 * Gives a test file a cluster that builds, with an operator of this configuration; `find` as for `startBuilding`. Unless the
 * configuration says otherwise, what fails in one scene does not use up its attempts because another one leaps.
 */
export function useBuilding(
  config = 'job: {maxAttempts: 100, build: {maxConcurrent: 100}}',
  find?: (path: string) => string,
): SharedBuilding {
  const clock = new LeapClock()
  let building: BuildingCluster | undefined
  beforeAll(async () => {
    building = await startBuilding({}, find)
    await building.cluster.startOperator({ clock, config })
  })
  afterAll(() => building?.stop())
  const here = (): BuildingCluster => {
    if (building === undefined) throw new Error('the cluster is there only while tests run')
    return building
  }
  return {
    clock,
    get cluster() {
      return here().cluster
    },
    get buildah() {
      return here().buildah
    },
  }
}

const read = (name: string): Buffer => readFileSync(`src/kmod/testdata/signing/${name}`)

/** The key that images are signed with and its certificate, those of somebody else, and what is none. */
export const keys = {
  key: read('rsa.key'),
  cert: read('rsa.pem'),
  otherCert: read('ec.pem'),
  garbage: Buffer.from('this is no key'),
}

/** The key of `keys` behind a passphrase. */
export function encryptKey(passphrase: string): Buffer {
  const key = createPrivateKey(keys.key)
  return Buffer.from(key.export({ type: 'pkcs8', format: 'pem', cipher: 'aes-256-cbc', passphrase }))
}

/** A Module's `build` that takes the Dockerfile from ConfigMap `dockerfile`. */
export const build: Build = {
  dockerfileConfigMap: { name: 'dockerfile' },
  baseImageRegistryTLS: { insecure: true },
}

/** A Module's `sign` with the Secrets `key` and `cert`, of one file. */
export const sign: Sign = {
  keySecret: { name: 'key' },
  certSecret: { name: 'cert' },
  filesToSign: ['/opt/lib/modules/${KERNEL_FULL_VERSION}/kmm_demo.ko'],
}

/** What a Dockerfile begins with that ends well: everything is in the base image. */
export const from = ({ repository, cluster }: Scene): string =>
  `FROM ${cluster.sandbox.registry.address}/${repository}:base\n`

/** Pushes the image that builds start from, with the modules and with a shell, so that there can be steps. */
export async function pushBase(scene: Scene, tag = 'base'): Promise<string> {
  return scene.push(tag, { ...(await exampleFiles(kernel56)), 'bin/sh': { data: '', mode: 0o755 } })
}

/** Creates or replaces the ConfigMap with the Dockerfile. */
export async function writeDockerfile(scene: Scene, text: string, key = 'dockerfile'): Promise<void> {
  const { client } = scene.cluster.sandbox
  const object = { metadata: { namespace: scene.name, name: 'dockerfile' }, data: { [key]: text } }
  await client.create(configMaps, object).catch(async (error: unknown) => {
    if (!hasCode(error, 'AlreadyExists')) throw error
    await client.patch(configMaps, object.metadata, { type: 'merge', body: { data: object.data } })
  })
}

/** Creates a Secret, or changes these entries of it. */
export async function writeSecret(scene: Scene, name: string, entries: Record<string, Buffer>): Promise<void> {
  const { client } = scene.cluster.sandbox
  const data = Object.fromEntries(Object.entries(entries).map(([key, value]) => [key, value.toString('base64')]))
  const object = { metadata: { namespace: scene.name, name }, data }
  await client.create(secrets, object).catch(async (error: unknown) => {
    if (!hasCode(error, 'AlreadyExists')) throw error
    await client.patch(secrets, object.metadata, { type: 'merge', body: { data } })
  })
}

/** Everything that building and signing need, as it should be. */
export async function provideInputs(scene: Scene): Promise<void> {
  await Promise.all([
    pushBase(scene),
    writeDockerfile(scene, from(scene)),
    writeSecret(scene, 'key', { key: keys.key }),
    writeSecret(scene, 'cert', { cert: keys.cert }),
  ])
}

/** Creates a Module whose image `made` is built, signed, or both. */
export async function createMade(
  scene: Scene,
  how: { build?: Build; sign?: Sign },
  change: (module: Module) => void = () => undefined,
): Promise<Module> {
  return scene.create(scene.image('made'), (module) => {
    Object.assign(module.spec?.moduleLoader?.container ?? {}, how)
    change(module)
  })
}

/** What is known of the Module's first image. */
export const imageStatus = ({ cluster, name }: Scene, module = 'demo'): ImageStatus | undefined =>
  cluster.view.images.get({ namespace: name, name: module })?.status?.images?.[0]

/** What the condition ImagesReady says; empty where there is none. */
export const toldOfImages = (scene: Scene): string => scene.condition('ImagesReady')?.message ?? ''

/** The scene's build or sign pods of now. */
export const listJobs = ({ cluster, name }: Scene, type: 'BuildImage' | 'SignImage'): Pod[] =>
  cluster.view.pods
    .list()
    .filter(({ metadata }) => metadata?.namespace === name && metadata.labels?.[resourceTypeLabel] === type)

/** The reasons of the events about building and signing on the scene's Module, each once. */
export function listJobEvents({ cluster, name }: Scene): string[] {
  const reasons = cluster.view.events
    .list()
    .filter(({ involvedObject: { kind, namespace } }) => kind === 'Module' && namespace === name)
    .flatMap(({ reason = '' }) => (/^(?:Build|Sign)/.test(reason) ? [reason] : []))
  return reasons.sort()
}

/** How many pods were ever made to build, and to sign, by what the API server has served. */
export function countJobs({ cluster, name }: Pick<Scene, 'cluster' | 'name'>): [built: number, signed: number] {
  const made = cluster.sandbox.writes.filter(
    // The scheduler binds a pod by a create, too.
    ({ verb, resource, subresource = '', namespace, status }) =>
      verb === 'create' && resource === 'pods' && subresource === '' && namespace === name && status < 300,
  )
  const count = (word: string): number =>
    made.filter(({ name: pod = '' }) => pod.includes(`-${word}-`) && !pod.startsWith('kmm-worker-')).length
  return [count('build'), count('sign')]
}

/** Waits until there is such a pod; answers the newest. */
export async function untilJob(
  scene: Scene,
  type: 'BuildImage' | 'SignImage',
  holds: (pod: Pod) => boolean = () => true,
): Promise<Pod> {
  const find = (): Pod | undefined => listJobs(scene, type).find(holds)
  await scene.until(`a pod for ${type}`, find)
  return find() ?? {}
}

/** Waits until the condition ImagesReady tells of this reason; answers its message. */
export async function untilToldOfImages(scene: Scene, reason: string): Promise<string> {
  const find = () => [scene.condition('ImagesReady')].find((each) => each?.reason === reason)
  await scene.until(`${reason} of the image`, find)
  return find()?.message ?? ''
}

/** The Module is ready, and nothing is left of what made its image. */
export async function untilMade(scene: Scene): Promise<void> {
  await scene.untilReady()
  await scene.until('no pods that make images', () => countLeft(scene) === 0)
}

const countLeft = (scene: Scene): number => listJobs(scene, 'BuildImage').length + listJobs(scene, 'SignImage').length

/** Deletes a pod as an administrator does. */
export async function deletePod({ cluster }: Scene, { metadata }: Pod): Promise<void> {
  await cluster.sandbox.client.delete(pods, { namespace: metadata?.namespace ?? '', name: metadata?.name ?? '' })
}

/** Lets time go by until the next attempt at the image is due, and as long as it takes `until` to come. */
export async function passToRetry<T>(scene: Scene, clock: LeapClock, until: Promise<T>): Promise<T> {
  const atMs = Date.parse(imageStatus(scene)?.retryAt ?? '') || 0
  return clock.pass(Math.max(0, atMs - clock.now()) + 1_000, until)
}
