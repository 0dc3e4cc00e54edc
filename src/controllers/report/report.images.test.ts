import { describe, expect, it } from 'vitest'
import type { ClusterObjects } from '../../../test/builders/caches.ts'
import { buildModule, type ModuleParts } from '../../../test/builders/module.ts'
import { buildNode, cordoned } from '../../../test/builders/node.ts'
import {
  buildItem,
  buildLoaded,
  buildModuleConfig,
  buildNodeConfig,
} from '../../../test/builders/node-modules-config.ts'
import { decideReport, reportCondition, reportStatus } from '../../../test/builders/report.ts'
import type { ImageStatus, ModuleImagesConfig, ModuleImageSpec } from '../../api/module-images-config.ts'

type Image = Partial<ModuleImageSpec> & Omit<ImageStatus, 'image'> & { isPushed?: true }

const build = { dockerfileConfigMap: { name: 'dockerfile' } }
const kernel = (index: number): string => `6.${index}.0-1-amd64`
const tag = (index: number): string => `registry.test/mod:${kernel(index)}`

/** A ModuleImagesConfig of images for the kernels 6.1, 6.2 and so on, each of them built unless somebody else pushes it. */
function buildImages(...images: readonly Image[]): ModuleImagesConfig {
  const specs: ModuleImageSpec[] = []
  const statuses: ImageStatus[] = []
  images.forEach(({ build: own = build, isPushed, ...status }, index) => {
    const name = { image: tag(index + 1), kernelVersion: kernel(index + 1) }
    specs.push({ ...name, ...(isPushed ? {} : { build: own }) })
    statuses.push({ ...name, ...status })
  })
  return {
    metadata: { namespace: 'ns', name: 'mod', uid: 'uid-images', resourceVersion: '3' },
    spec: { images: specs },
    status: { images: statuses, imagesStates: [] },
  }
}

const perKernel: ModuleParts = {
  container: {
    build,
    kernelMappings: [{ regexp: '^6', containerImage: 'registry.test/mod:${KERNEL_FULL_VERSION}' }],
  },
}

const cluster = (images: readonly Image[], more: ClusterObjects = {}): ClusterObjects => ({
  modules: [buildModule(perKernel)],
  nodes: [buildNode()],
  moduleImagesConfigs: [buildImages(...images)],
  ...more,
})

function tell(...images: readonly Image[]): string {
  const { status, reason, message } = reportCondition(cluster(images), 'ImagesReady')
  return `${status} ${reason}: ${message}`
}

const there: Image = { phase: 'Ready', digest: 'sha256:aa' }
const building: Image = { phase: 'Building', reason: 'ImageBuilding', pod: 'mod-build-1', attempts: 1 }
const failed: Image = {
  phase: 'Failed',
  reason: 'BuildFailed',
  message: 'RUN make ended with exit status 2; correct the Dockerfile',
  pod: 'mod-build-1',
  attempts: 2,
  retryAt: '2030-01-01T00:05:00Z',
}

describe('what is told of images that KMM makes', () => {
  const rows: [string, Image[], string][] = [
    [
      'one that is built',
      [{ ...building, message: 'being built in pod mod-build-1' }],
      `False ImageBuilding: ${tag(1)} for kernel ${kernel(1)}: being built in pod mod-build-1`,
    ],
    [
      'one that is built again, beside others',
      [there, { ...building, attempts: 2, message: 'being built in pod mod-build-1, attempt 2 of 5' }, there],
      `False ImageBuilding: 2 of 3 images exist; ${tag(2)} for kernel ${kernel(2)}: being built in pod mod-build-1, attempt 2 of 5`,
    ],
    [
      'one of which only phase, pod and attempt are known',
      [{ ...building, attempts: 2 }],
      `False ImageBuilding: building ${tag(1)} for kernel ${kernel(1)} in pod mod-build-1, attempt 2`,
    ],
    [
      'one that is signed',
      [{ phase: 'Signing', pod: 'mod-sign-1' }],
      `False ImageSigning: signing ${tag(1)} for kernel ${kernel(1)} in pod mod-sign-1`,
    ],
    [
      'one that waits for its turn',
      [{ phase: 'Missing', reason: 'JobQueued', message: 'waits for its turn: 4 builds run' }],
      `False JobQueued: ${tag(1)} for kernel ${kernel(1)}: waits for its turn: 4 builds run`,
    ],
    [
      'one whose pod finds no node',
      [{ ...building, reason: 'JobPodPending', message: '0/3 nodes are available; correct build.selector' }],
      `False JobPodPending: ${tag(1)} for kernel ${kernel(1)}: 0/3 nodes are available; correct build.selector`,
    ],
    [
      'one that was found missing',
      [{ phase: 'Missing', reason: 'ImageNotFound' }],
      `False ImageBuilding: about to make ${tag(1)} for kernel ${kernel(1)}`,
    ],
    [
      'one whose Dockerfile fails, before one that is built',
      [building, failed, there],
      `False BuildFailed: 1 of 3 images exist (1 fails, 1 is being made); ${tag(2)}: RUN make ended with exit status 2; correct the Dockerfile (again at 2030-01-01T00:05:00Z; log: kubectl logs -n ns mod-build-1)`,
    ],
    [
      'one that was tried often enough',
      [{ phase: 'Failed', reason: 'SignFailed', message: 'no; delete pod p to try again', pod: 'p' }],
      `False SignFailed: ${tag(1)}: no; delete pod p to try again (log: kubectl logs -n ns p)`,
    ],
    [
      'one whose Dockerfile is not there',
      [{ phase: 'Failed', reason: 'ImageInputMissing', message: 'ConfigMap ns/dockerfile does not exist; create it' }],
      `False ImageInputMissing: ${tag(1)}: ConfigMap ns/dockerfile does not exist; create it`,
    ],
    [
      'one that may not be pushed',
      [{ ...failed, reason: 'RegistryUnauthorized', message: `${tag(1)} may not be pushed; correct imageRepoSecret` }],
      `False RegistryUnauthorized: ${tag(1)} may not be pushed; correct imageRepoSecret (again at 2030-01-01T00:05:00Z; log: kubectl logs -n ns mod-build-1)`,
    ],
    ['all of them there', [there, there], 'True ImagesExist: 2 of 2 images exist'],
    [
      'one that would be made of something else by now',
      [
        {
          ...there,
          reason: 'ImageInputsDiffer',
          message: 'its Dockerfile has changed; delete the image to build it anew',
        },
        there,
      ],
      `True ImagesExist: 2 of 2 images exist; ${tag(1)}: its Dockerfile has changed; delete the image to build it anew`,
    ],
    [
      'a setting of a builder that is not used',
      [{ ...there, build: { ...build, kanikoParams: { tag: 'v1.9' } } }],
      'True ImagesExist: 1 of 1 images exist; build.kanikoParams is ignored, because buildah builds the images: remove it',
    ],
  ]
  it.each(rows)('%s', (_title, images, expected) => {
    expect(tell(...images)).toBe(expected)
  })

  it('kernels that share an image which is made for one of them', () => {
    const containerImage = tag(1)
    const module = buildModule({ container: { build, kernelMappings: [{ regexp: '.', containerImage }] } })
    const nodes = [1, 2].map((index) =>
      buildNode({ name: `n${index}`, uid: `uid-n${index}`, kernelVersion: kernel(index) }),
    )
    const shared = cluster([there], { modules: [module], nodes })
    expect(reportCondition(shared, 'ImagesReady').message).toBe(
      `1 of 1 images exist; ${tag(1)} is made for kernel ${kernel(1)}, and kernel ${kernel(2)} shares it: ` +
        'put ${KERNEL_FULL_VERSION} into containerImage so that each kernel has its own',
    )
    const own = cluster([there, there], { nodes })
    expect(reportCondition(own, 'ImagesReady').message).toBe('2 of 2 images exist')
  })
})

describe('where an image that KMM makes shows', () => {
  const older = buildItem({ config: buildModuleConfig({ containerImage: 'registry.test/mod:v0' }) })
  const asWanted = buildItem({ config: buildModuleConfig({ containerImage: tag(1) }) })
  const loaded = (item: typeof older): ClusterObjects => ({
    nodeModulesConfigs: [buildNodeConfig({ entries: [item], loaded: [buildLoaded(item)] })],
  })
  const aside: ClusterObjects = { nodes: [buildNode({ taints: [cordoned] })] }
  const pushed: Image = { phase: 'Missing', reason: 'ImageNotFound', message: 'no', isPushed: true }

  // Status of Ready, Progressing and Degraded, and the reason of the one that is True, or else of Ready.
  const rows: [string, ClusterObjects, string][] = [
    ['it is built', cluster([building]), 'False True False ImageBuilding'],
    ['its build failed', cluster([failed]), 'False False True BuildFailed'],
    ['it is built, an older one is loaded', cluster([building], loaded(older)), 'False True False ImageBuilding'],
    ['its build failed, an older one is loaded', cluster([failed], loaded(older)), 'False False True BuildFailed'],
    ['it is built anew, and is loaded', cluster([building], loaded(asWanted)), 'True True False ImageBuilding'],
    ['its build failed, and it is loaded', cluster([failed], loaded(asWanted)), 'False False True BuildFailed'],
    ['it is built for a node that is left aside', cluster([building], aside), 'False True False ImageBuilding'],
    ['its build failed for a node that is left aside', cluster([failed], aside), 'False False True BuildFailed'],
    [
      'it may not be pushed for a node that is left aside',
      cluster([{ ...failed, reason: 'RegistryUnauthorized' }], aside),
      'False False True RegistryUnauthorized',
    ],
    ['it is missing for a node that is left aside', cluster([pushed], aside), 'False False False NodeNotSchedulable'],
  ]
  it.each(rows)('when %s', (_title, objects, expected) => {
    const [ready, progressing, degraded] = ['Ready', 'Progressing', 'Degraded'].map((type) =>
      reportCondition(objects, type),
    )
    const told = [progressing, degraded].find((each) => each?.status === 'True') ?? ready
    expect(`${ready?.status} ${progressing?.status} ${degraded?.status} ${told?.reason}`).toBe(expected)
  })

  it('on its nodes: each says which image it waits for', () => {
    const { reasons, worstNodes } = reportStatus(cluster([failed]))
    expect(reasons).toEqual([{ reason: 'BuildFailed', nodes: 1 }])
    expect(worstNodes).toEqual([
      {
        node: 'n1',
        reason: 'BuildFailed',
        message: `${tag(1)}: RUN make ended with exit status 2; correct the Dockerfile`,
      },
    ])
  })

  it('as an event of its own, unless the controller of images has told of its pod', () => {
    const typesOf = (image: Image) => decideReport(cluster([image])).actions.map(({ type }) => type)
    expect(typesOf({ ...failed, reason: 'SigningKeyInvalid' })).toEqual(['recordFailure', 'writeStatus'])
    expect(typesOf(failed)).toEqual(['writeStatus'])
    expect(typesOf({ ...failed, reason: 'SignFailed' })).toEqual(['writeStatus'])
    expect(typesOf(building)).toEqual(['writeStatus'])
  })
})

it('says that a trigger was acted on only when the images controller says so', () => {
  const images = buildImages(there)
  const triggered = (done?: number) =>
    reportStatus({
      modules: [buildModule({ ...perKernel, spec: { imageRebuildTriggerGeneration: 4 } })],
      moduleImagesConfigs: [
        {
          ...images,
          spec: { ...images.spec, imageRebuildTriggerGeneration: 4 },
          status: { imagesStates: [], ...images.status, ...(done ? { imageRebuildTriggerGeneration: done } : {}) },
        },
      ],
    }).imageRebuildTriggerGeneration
  expect([triggered(), triggered(3), triggered(4)]).toEqual([undefined, 3, 4])
})
