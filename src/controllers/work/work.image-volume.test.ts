import { describe, expect, it } from 'vitest'
import { buildItem, buildModuleConfig } from '../../../test/builders/node-modules-config.ts'
import { buildContainer, buildWorker, hashKey, viewWorker, waiting } from '../../../test/builders/pod.ts'
import {
  buildReported,
  buildWorkerState,
  decideWork,
  findAction,
  loadIntent,
  unloadIntent,
} from '../../../test/builders/work.ts'
import type { ModuleConfig } from '../../api/node-modules-config.ts'
import { type ImageVolume, isImageVolumeDropped } from './image-volume.ts'
import { hashIntent } from './worker-intent.ts'
import { readWorker, type Worker } from './worker.ts'

const volume = { settings: { imageSource: 'volume' as const } }
const digest = `sha256:${'a'.repeat(64)}`
const image = 'registry.test/mod:v1'
const entry = buildItem()

const imageOf = (config: Partial<ModuleConfig>): ImageVolume['image'] | undefined => {
  const pod = buildWorker(loadIntent({ config: buildModuleConfig(config) }), volume)
  return ((pod.spec?.volumes ?? []) as ImageVolume[]).find((each) => each.image !== undefined)?.image
}

describe('a worker pod that loads from an image volume', () => {
  const pod = buildWorker(loadIntent(), { ...volume, pullSecrets: ['a'] })

  it('has the kmod image mounted read-only, and tells the worker where', () => {
    const [container] = pod.spec?.containers ?? []
    expect(container?.volumeMounts).toContainEqual({ name: 'kmod-image', mountPath: '/kmod-image', readOnly: true })
    expect(container?.args).toEqual(['kmod', 'load', '/etc/kmm-worker/config.yaml', '--image-folder', '/kmod-image'])
    expect(pod.metadata?.annotations).toHaveProperty(['kmm.node.kubernetes.io/worker-image-source'], 'volume')
  })

  it('gives the pull secrets to the kubelet alone', () => {
    expect(pod.spec?.imagePullSecrets).toEqual([{ name: 'a' }])
    expect(JSON.stringify(pod.spec?.volumes)).not.toContain('pull-secrets')
  })

  it.each<[string, Partial<ModuleConfig>, string, string]>([
    ['a tag', {}, image, 'IfNotPresent'],
    ['the latest', { containerImage: 'registry.test/mod:latest' }, 'registry.test/mod:latest', 'Always'],
    ['no tag', { containerImage: 'registry.test/mod' }, 'registry.test/mod', 'Always'],
    ['a verified digest', { imageDigest: digest }, `registry.test/mod@${digest}`, 'IfNotPresent'],
    [
      'the verified digest of the latest',
      { containerImage: 'registry.test/mod', imageDigest: digest },
      `registry.test/mod@${digest}`,
      'Always',
    ],
    [
      'a digest of the Module’s own',
      { containerImage: `registry.test/mod@${digest}`, imageDigest: `sha256:${'b'.repeat(64)}` },
      `registry.test/mod@${digest}`,
      'IfNotPresent',
    ],
    ['a stated policy', { imagePullPolicy: 'Never', imageDigest: digest }, `registry.test/mod@${digest}`, 'Never'],
    ['a name that is none', { containerImage: 'No Image' }, 'No Image', 'Always'],
  ])('asks for %s', (_what, config, reference, pullPolicy) => {
    expect(imageOf(config)).toEqual({ reference, pullPolicy })
  })

  it('unloads without it: an image that is gone must not keep a module in the kernel', () => {
    expect(buildWorker(unloadIntent(), volume)).toEqual(buildWorker(unloadIntent()))
  })

  it('is known by a hash of its own, and not believed without its mark', () => {
    const hash = hashIntent(hashKey, 'uid-n1', loadIntent(), 'volume')
    expect(hash).not.toBe(hashIntent(hashKey, 'uid-n1', loadIntent()))
    expect(hashIntent(hashKey, 'uid-n1', unloadIntent(), 'volume')).toBe(hashIntent(hashKey, 'uid-n1', unloadIntent()))
    const view = viewWorker(loadIntent(), {}, { ...volume, hash })
    expect(readWorker(view, hashKey, 'uid-n1', [])).toMatchObject({ imageSource: 'volume', image: 'kmm-worker:test' })
    const { 'kmm.node.kubernetes.io/worker-image-source': _mark, ...annotations } = view.annotations
    expect(readWorker({ ...view, annotations }, hashKey, 'uid-n1', [])).toBeUndefined()
  })

  it('is noticed when the API server leaves the volume out', () => {
    const without = { ...pod, spec: { ...pod.spec, containers: [], volumes: [{ name: 'kmod-image', emptyDir: {} }] } }
    expect([isImageVolumeDropped(pod, without), isImageVolumeDropped(pod, pod)]).toEqual([true, false])
    expect(isImageVolumeDropped(without, without)).toBe(false)
  })
})

const mounting = buildWorkerState(loadIntent(), { kind: 'running' }, { imageSource: 'volume' })

const tell = (reason: string, message: string, changes: Partial<Worker> = {}, afterMs = 0) => {
  const worker: Worker = {
    ...mounting,
    state: { kind: 'pending' as const, reason, message, started: false },
    ...changes,
  }
  const [reported] = findAction(
    decideWork({ entry: { ...entry, config: worker.intent.config }, workers: [worker] }, afterMs).actions,
    'writeStatus',
  ).workers
  return reported
}

const resolving = `failed to pull and unpack image "${image}": failed to resolve reference "${image}": `

describe('what the kubelet says of an image volume', () => {
  it.each([
    ['ErrImagePull', `rpc error: code = NotFound desc = ${resolving}${image}: not found`, 'ImageNotFound'],
    ['ImagePullBackOff', `Back-off pulling image "${image}": ErrImagePull: ${resolving}not found`, 'ImageNotFound'],
    ['ErrImagePull', `${resolving}unexpected status from HEAD request to x: 401 Unauthorized`, 'RegistryUnauthorized'],
    ['ErrImagePull', `${resolving}pull access denied, repository does not exist`, 'RegistryUnauthorized'],
    ['ErrImagePull', `${resolving}dial tcp: lookup registry.test: no such host`, 'RegistryUnreachable'],
    ['ErrImagePull', `${resolving}tls: failed to verify certificate: x509: unknown`, 'RegistryUnreachable'],
    ['ErrImagePull', `${resolving}http: server gave HTTP response to HTTPS client`, 'RegistryUnreachable'],
    [
      'RegistryUnavailable',
      `image pull failed for ${image} because the registry is unavailable`,
      'RegistryUnreachable',
    ],
    ['ErrImagePull', `write /var/lib/x: no space left on device`, 'OutOfSpace'],
    ['ErrImagePull', `no match for platform in manifest: not found`, 'ImageInvalid'],
    ['SignatureValidationFailed', 'policy', 'ImageInvalid'],
    ['ErrImagePull', 'something else', 'Unknown'],
    ['ErrImageNeverPull', `Container image "${image}" is not present with pull policy of Never`, 'ImageNotFound'],
    ['InvalidImageName', `Failed to apply default image tag "No Image"`, 'ImageInvalid'],
    [
      'CreateContainerError',
      'failed to generate spec: failed to mkdir "": mkdir : no such file',
      'ImageVolumeUnsupported',
    ],
    ['CreateContainerError', 'ImageVolumeMountFailed: failed to mount image volume', 'ImageVolumeUnsupported'],
    ['CreateContainerError', 'failed to set the seccomp profile', 'WorkerImageUnavailable'],
    ['CreateContainerError', 'failed to mount image volume: no space left on device', 'OutOfSpace'],
    ['ErrImagePull', `${resolving}server message: invalid_token: authorization failed`, 'RegistryUnauthorized'],
  ])('%s %s means %s', (reason, message, expected) => {
    expect(tell(reason, message)).toMatchObject({ reason: expected, action: 'Load' })
  })

  it('says which image, what to do, and the kubelet’s own words', () => {
    expect(tell('ErrImagePull', `${resolving}not found`)?.message).toMatch(
      /^the kubelet cannot mount the image registry\.test\/mod:v1: push the image, .* \(ErrImagePull failed to pull/,
    )
  })

  it('does not take words in an image’s name for words about it', () => {
    const config = buildModuleConfig({ containerImage: 'timeout.test/denied:x509' })
    const intent = loadIntent({ config })
    const worker = { intent, hash: hashIntent(hashKey, 'uid-n1', intent) }
    expect(tell('ErrImagePull', 'timeout.test/denied:x509: not found', worker)?.reason).toBe('ImageNotFound')
  })

  it('is about the worker’s own image where it names that', () => {
    const message = 'Back-off pulling image "kmm-worker:test": ErrImagePull: not found'
    expect(tell('ImagePullBackOff', message)?.reason).toBe('WorkerImageUnavailable')
    expect(tell('ErrImagePull', 'image "docker.io/library/kmm-worker:test": not found')?.reason).toBe(
      'WorkerImageUnavailable',
    )
  })

  it('is about the worker’s own image where the worker pulls itself', () => {
    expect(tell('ErrImagePull', 'not found', { imageSource: 'worker' })?.reason).toBe('WorkerImageUnavailable')
  })

  it('is hinted at where an old kubelet says nothing for a minute', () => {
    const reported = tell('ContainerCreating', '', {}, 60_000)
    expect(reported).toMatchObject({ reason: 'WorkerPodPending' })
    expect(reported?.message).toMatch(/no volume plugin matched.*worker\.imageSource to worker/)
  })

  it('is over once the container runs', () => {
    const reported = buildReported({ reason: 'ImageNotFound' })
    const workersOf = (imageSource: 'worker' | 'volume') =>
      decideWork({ entry, reported, workers: [{ ...mounting, imageSource }] }).actions
    expect(findAction(workersOf('volume'), 'writeStatus').workers).toEqual([])
    expect(workersOf('worker')).toEqual([])
  })
})

it('reads the kubelet’s words from the pod', () => {
  const view = viewWorker(loadIntent(), { container: buildContainer(waiting('ErrImagePull', 'not found')) })
  expect(readWorker(view, hashKey, 'uid-n1', [])?.state).toMatchObject({ kind: 'pending', reason: 'ErrImagePull' })
})
