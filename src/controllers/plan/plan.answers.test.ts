import { describe, expect, it } from 'vitest'
import { buildModule, buildPluginModule, markDeleted, type ModuleParts } from '../../../test/builders/module.ts'
import { buildItem } from '../../../test/builders/node-modules-config.ts'
import { buildNode, cordoned } from '../../../test/builders/node.ts'
import {
  getKernelModuleReadyNodeLabel,
  getModuleVersionLabelName,
  getWorkerPodVersionLabelName,
} from '../../api/labels.ts'
import { type ImagePhase, imagePhases } from '../../api/module-images-config.ts'
import type { Module } from '../../api/module.ts'
import { operatorReasons, reportReasons } from '../../errors/reason.ts'
import { createMappingResolver } from '../../kernel/resolver.ts'
import { answerMapping } from '../cluster/answer-mapping.ts'
import type { NodeView } from '../cluster/node-view.ts'
import { answerModule } from './answer.ts'
import type { Answer } from './answered.ts'
import type { ImageFact, ObservedModule } from './observed.ts'

const exists: ImageFact = { phase: 'Exists', digest: 'sha256:aa' }

function observeModule(
  module: Module | undefined,
  node: NodeView,
  image: ImageFact,
  parts: Partial<ObservedModule>,
): ObservedModule {
  const identity = { namespace: 'ns', name: 'mod', image, rivals: [], ...parts }
  if (module === undefined) return { ...identity, mapping: { kind: 'none' } }
  return { ...identity, module, mapping: answerMapping(createMappingResolver(), module, node.kernelVersion) }
}

function answer(module: Module | undefined, node: Partial<NodeView> = {}, image = exists, present = true): Answer {
  const view = buildNode(node)
  return answerModule(observeModule(module, view, image, present ? { entry: buildItem() } : {}), view)
}

const summarise = (given: Answer): string => (given.kind === 'want' ? 'want' : `${given.kind} ${given.reason}`)

const otherKernelOnly: ModuleParts = {
  container: { kernelMappings: [{ literal: '5.15.0-1', containerImage: 'registry.test/mod:v0' }] },
}
const brokenPattern: ModuleParts = {
  container: { kernelMappings: [{ regexp: '(', containerImage: 'registry.test/mod:v0' }] },
}
const withVersion: ModuleParts = { container: { version: '2' } }
const withoutFinalizer: ModuleParts = { metadata: { finalizers: [] } }
const versionLabel = getWorkerPodVersionLabelName('ns', 'mod')
const versioned = (version: string): Partial<NodeView> => ({ labels: { role: 'worker', [versionLabel]: version } })
const askedLabel = getModuleVersionLabelName('ns', 'mod')
/** A node whose administrator asks for another version than the one whose workers may run. */
const asked = (version: string, wanted: string): Partial<NodeView> => ({
  labels: { ...versioned(version).labels, [askedLabel]: wanted },
})
const loadedLabels = { role: 'worker', [getKernelModuleReadyNodeLabel('ns', 'mod')]: '' }
const noExecute = { key: 'gone', value: '', effect: 'NoExecute' }

describe('whether a node is to have a Module', () => {
  const rows: [string, Module | undefined, Partial<NodeView>, string, string][] = [
    ['a Module that matches', buildModule(), {}, 'want', 'want'],
    [
      'a Module that is being deleted',
      markDeleted(buildModule()),
      {},
      'release ModuleDeleted',
      'release ModuleDeleted',
    ],
    ['labels that do not match', buildModule(), { labels: {} }, 'release SelectorMismatch', 'release SelectorMismatch'],
    ['an empty selector', buildModule({ spec: { selector: {} } }), { labels: {} }, 'want', 'want'],
    [
      'no mapping for the kernel',
      buildModule(otherKernelOnly),
      {},
      'release NoKernelMapping',
      'release NoKernelMapping',
    ],
    ['no moduleLoader', buildPluginModule(), {}, 'release ModuleLoaderRemoved', 'release ModuleLoaderRemoved'],
    [
      'a version label withdrawn',
      buildModule(withVersion),
      {},
      'release VersionLabelMissing',
      'release VersionLabelMissing',
    ],
    [
      'an empty version label',
      buildModule(withVersion),
      versioned(''),
      'release VersionLabelMissing',
      'release VersionLabelMissing',
    ],
    ['a version label that is right', buildModule(withVersion), versioned('2'), 'want', 'want'],
    [
      'a version label that differs',
      buildModule(withVersion),
      versioned('1'),
      'keep VersionDiffers',
      'keep VersionDiffers',
    ],
    ['a version label that nobody asks for', buildModule(), versioned('1'), 'want', 'want'],
    ['a Module that vanished', undefined, {}, 'keep ModuleVanished', 'keep ModuleVanished'],
    ['a pattern that is broken', buildModule(brokenPattern), {}, 'keep MappingInvalid', 'keep MappingInvalid'],
    [
      'a node that does not say its kernel',
      buildModule(otherKernelOnly),
      { kernelVersion: '' },
      'keep NodeNotReady',
      'keep NodeNotReady',
    ],
    ['no finalizer yet', buildModule(withoutFinalizer), {}, 'want', 'keep FinalizerMissing'],
    ['a name that fills its label', buildModule({ name: 'm'.repeat(39) }), {}, 'want', 'want'],
    ['a name that no label has room for', buildModule({ name: 'm'.repeat(40) }), {}, 'want', 'keep NameTooLong'],
    ['a cordoned node', buildModule(), { taints: [cordoned] }, 'want', 'keep NodeNotSchedulable'],
    [
      'a cordoned node whose administrator asks for the version',
      buildModule(withVersion),
      { ...asked('2', '2'), taints: [cordoned] },
      'want',
      'want',
    ],
    [
      'a cordoned node whose administrator asks for another version',
      buildModule(withVersion),
      { ...asked('2', '1'), taints: [cordoned] },
      'want',
      'keep NodeNotSchedulable',
    ],
    [
      'a cordoned node with an empty label, and a Module without a version',
      buildModule(),
      { ...asked('', ''), taints: [cordoned] },
      'want',
      'keep NodeNotSchedulable',
    ],
    [
      'a cordoned node with the version of another Module where a ready label would be',
      buildModule(),
      { labels: { role: 'worker', [getKernelModuleReadyNodeLabel('ns', 'mod')]: '1' }, taints: [cordoned] },
      'want',
      'keep NodeNotSchedulable',
    ],
    ['a NoExecute taint', buildModule(), { taints: [noExecute] }, 'want', 'keep NodeNotSchedulable'],
    ['a cordoned node where it is loaded', buildModule(), { taints: [cordoned], labels: loadedLabels }, 'want', 'want'],
    [
      'a PreferNoSchedule taint',
      buildModule(),
      { taints: [{ ...noExecute, effect: 'PreferNoSchedule' }] },
      'want',
      'want',
    ],
    [
      'memory pressure',
      buildModule(),
      { taints: [{ key: 'node.kubernetes.io/memory-pressure', value: '', effect: 'NoSchedule' }] },
      'want',
      'want',
    ],
    ['a node that is not ready', buildModule(), { ready: false }, 'want', 'want'],
    [
      'a tolerated taint',
      buildModule({ spec: { tolerations: [{ operator: 'Exists' }] } }),
      { taints: [noExecute] },
      'want',
      'want',
    ],
  ]
  it.each(rows)('%s', (_title, module, node, ...expected) => {
    expect([true, false].map((present) => summarise(answer(module, node, exists, present)))).toEqual(expected)
  })
})

describe('whether an image lets the plan go ahead', () => {
  const rows: [ImagePhase, string | undefined, string, string][] = [
    ['Exists', undefined, 'want', 'want'],
    ['Ready', undefined, 'want', 'want'],
    ['Unknown', undefined, 'keep ImageUnknown', 'keep ImageUnknown'],
    ['Checking', undefined, 'keep ImageUnknown', 'keep ImageUnknown'],
    ['Unknown', 'RegistryUnreachable', 'keep ImageUnknown', 'keep ImageUnknown'],
    ['Unknown', 'SigningKeyInvalid', 'keep SigningKeyInvalid', 'keep SigningKeyInvalid'],
    ['Building', undefined, 'keep ImageBuilding', 'keep ImageBuilding'],
    ['Building', 'JobPodPending', 'keep JobPodPending', 'keep JobPodPending'],
    ['Built', undefined, 'keep ImageBuilding', 'keep ImageBuilding'],
    ['Signing', 'ImageSigning', 'keep ImageSigning', 'keep ImageSigning'],
    ['Missing', 'ImageNotFound', 'keep ImageMissing', 'keep ImageMissing'],
    ['Missing', 'ImageInputMissing', 'keep ImageInputMissing', 'keep ImageInputMissing'],
    ['Missing', 'ImageLost', 'keep ImageLost', 'keep ImageLost'],
    ['Failed', undefined, 'keep ImageMissing', 'keep ImageMissing'],
    ['Failed', 'BuildFailed', 'keep BuildFailed', 'keep BuildFailed'],
    ['Failed', 'SigningKeyInvalid', 'keep SigningKeyInvalid', 'keep SigningKeyInvalid'],
    // A worker's reasons are not for images: a node that never tried did not fail.
    ['Failed', 'RegistryUnauthorized', 'keep ImageMissing', 'keep ImageMissing'],
    ['Unverified', 'RegistryUnreachable', 'want', 'want'],
    ['Unverified', 'RegistryUnauthorized', 'keep ImageUnverified', 'want'],
    ['Unverified', 'ImageInvalid', 'keep ImageUnverified', 'want'],
  ]
  it.each(rows)('%s (%s): %s where an entry is, %s elsewhere', (phase, reason, ...expected) => {
    const image: ImageFact = { phase, ...(reason ? { reason, message: 'words' } : {}) }
    expect([true, false].map((present) => summarise(answer(buildModule(), {}, image, present)))).toEqual(expected)
  })
})

describe('an image that KMM is to make', () => {
  const build = { dockerfileConfigMap: { name: 'dockerfile' } }
  const sign = { keySecret: { name: 'key' }, certSecret: { name: 'cert' } }
  const missing: ImageFact = { phase: 'Missing', reason: 'ImageNotFound' }
  const rows: [string, ModuleParts['container'], ImageFact, string][] = [
    ['is about to be built when it is found missing', { build }, missing, 'keep ImageBuilding'],
    ['is about to be signed when it is found missing', { sign }, missing, 'keep ImageSigning'],
    ['waits for its turn', { build }, { phase: 'Missing', reason: 'JobQueued' }, 'keep JobQueued'],
    ['cannot be pushed', { build }, { phase: 'Failed', reason: 'RegistryUnauthorized' }, 'keep BuildFailed'],
    ['cannot be pulled', { sign }, { phase: 'Failed', reason: 'RegistryUnauthorized' }, 'keep SignFailed'],
    ['cannot be made', { build, sign }, { phase: 'Failed', reason: 'OutOfSpace' }, 'keep ImageMissing'],
    ['fails', { build }, { phase: 'Missing', reason: 'ImageInputMissing' }, 'keep ImageInputMissing'],
  ]
  it.each(rows)('%s', (_title, container = {}, image, expected) => {
    expect(summarise(answer(buildModule({ container }), {}, image))).toBe(expected)
  })
})

it('releases nothing and lets nothing come for an image that is not there, whatever is said of it', () => {
  const open = imagePhases.filter((phase) => !['Exists', 'Ready', 'Unverified'].includes(phase))
  const reasons = [undefined, 'no word of ours', ...operatorReasons, ...reportReasons]
  const containers = [{}, { build: { dockerfileConfigMap: { name: 'dockerfile' } } }]
  const kinds = containers.flatMap((container) =>
    open.flatMap((phase) =>
      reasons.map((reason) => {
        const image: ImageFact = reason === undefined ? { phase } : { phase, reason, message: 'words' }
        return answer(buildModule({ container }), {}, image).kind
      }),
    ),
  )
  expect(new Set(kinds)).toEqual(new Set(['keep']))
})

it('names the image in what it says of it, once', () => {
  const tell = (message: string) => {
    const given = answer(buildModule(), {}, { phase: 'Failed', reason: 'BuildFailed', message })
    return given.kind === 'want' ? '' : given.message
  }
  expect(tell('no space')).toBe('registry.test/mod:v1: no space')
  expect(tell('registry.test/mod:v1 cannot be pushed')).toBe('registry.test/mod:v1 cannot be pushed')
})

it('tells of the taint rather than of the image where nothing would come anyway', () => {
  const given = answer(buildModule(), { taints: [cordoned] }, { phase: 'Missing' }, false)
  expect(summarise(given)).toBe('keep NodeNotSchedulable')
})

it('releases a deleted Module from a tainted node, too', () => {
  expect(summarise(answer(markDeleted(buildModule()), { taints: [cordoned] }))).toBe('release ModuleDeleted')
})

it('says what to do in every reason not to act', () => {
  const messages = [
    answer(undefined),
    answer(buildModule(otherKernelOnly)),
    answer(buildModule(), { taints: [cordoned] }, exists, false),
    answer(buildModule(withVersion), versioned('1')),
    answer(buildModule(withVersion)),
    answer(buildModule(withVersion), asked('1', '2')),
  ].map((given) => (given.kind === 'want' ? '' : given.message))
  expect(messages).toEqual([
    'Module ns/mod does not exist, and its deletion was not seen; create it again, or delete its entry in the NodeModulesConfig to unload it',
    'no kernel mapping matches kernel 6.1.0-1-amd64; add one to spec.moduleLoader.container.kernelMappings',
    'the node has the taint node.kubernetes.io/unschedulable:NoSchedule, which the Module does not tolerate',
    `the node's label ${versionLabel} is 1, the Module's version is 2; set the node's label ${askedLabel}=2 to load it`,
    `the node has no label ${versionLabel} for version 2; set the node's label ${askedLabel}=2 to load it`,
    `the node's label ${versionLabel} is 1, the Module's version is 2; it is about to get it`,
  ])
})

it('writes an entry as upstream does, and the verified digest beside the image', () => {
  const module = buildModule({
    spec: { imageRepoSecret: { name: 'pull' }, tolerations: [{ key: 'a', operator: 'Exists' }] },
    container: {
      version: '2',
      inTreeModuleToRemove: 'old',
      inTreeModulesToRemove: ['older'],
      registryTLS: { insecureSkipTLSVerify: true },
    },
  })
  const pressure = (name: string) => ({ key: `node.kubernetes.io/${name}`, operator: 'Exists', effect: 'NoSchedule' })
  expect(answer(module, { ...versioned('2'), kernelVersion: '6.1.0-1-amd64+' })).toEqual({
    kind: 'want',
    item: {
      namespace: 'ns',
      name: 'mod',
      serviceAccountName: 'default',
      imageRepoSecret: { name: 'pull' },
      version: '2',
      tolerations: [
        { key: 'a', operator: 'Exists' },
        pressure('disk-pressure'),
        pressure('memory-pressure'),
        pressure('pid-pressure'),
      ],
      config: {
        kernelVersion: '6.1.0-1-amd64',
        containerImage: 'registry.test/mod:v1',
        imageDigest: 'sha256:aa',
        imagePullPolicy: '',
        inTreeModulesToRemove: ['older', 'old'],
        insecurePull: true,
        registryTLS: { insecure: false, insecureSkipTLSVerify: true },
        modprobe: { moduleName: 'mod', dirName: '/opt' },
      },
    },
  })
})
