import { describe, expect, it } from 'vitest'
import { buildModule, buildPluginModule } from '../../../test/builders/module.ts'
import {
  buildAsked,
  buildFact,
  buildPreflight,
  digest,
  nextKernel,
  observePreflight,
  type PreflightParts,
} from '../../../test/builders/preflight.ts'
import type { ImageStatus } from '../../api/module-images-config.ts'
import type { PreflightModuleStatus } from '../../api/preflight-validation.ts'
import type { ContentResult } from './content/observed.ts'
import { decide } from './decide.ts'

const nowMs = Date.parse('2030-01-01T00:00:10.500Z')
const before = '2029-12-31T00:00:00Z'

/** The status that is written; undefined where nothing is. */
function tell(parts: PreflightParts): PreflightModuleStatus | undefined {
  const observed = observePreflight(parts)
  const actions = observed === undefined ? [] : decide(observed, nowMs).actions
  const write = actions.find(({ type }) => type === 'writeStatus')
  return write?.type === 'writeStatus' ? write.modules[0] : undefined
}

const build = { dockerfileConfigMap: { name: 'dockerfile' } }
const sign = { keySecret: { name: 'key' }, certSecret: { name: 'cert' }, filesToSign: ['/opt/a.ko'] }
type Told = [result: PreflightModuleStatus['verificationStatus'], words: string, isPushed?: boolean]
type Phase = Partial<ImageStatus> & Pick<ImageStatus, 'phase'>

const plain = buildModule()
const made = buildModule({ container: { build, sign } })
const signed = buildModule({ container: { sign: { ...sign, unsignedImage: 'registry.test/unsigned:v1' } } })

const notYet = 'verification is not finished yet'
const absent = 'verified image does not exist'
const notMade = `${absent} and build/sign failed`
const unfit = 'verified image cannot be used'
const seen = 'verified image exists'

describe('what is said of an image', () => {
  it.each<[string, typeof plain, Phase, Told]>([
    ['missing', plain, { phase: 'Missing', reason: 'ImageNotFound', message: 'no such tag' }, ['Failure', absent]],
    ['missing and about to be made', made, { phase: 'Missing', reason: 'ImageNotFound' }, ['InProgress', notYet]],
    ['waiting its turn', made, { phase: 'Missing', reason: 'JobQueued', message: 'waits' }, ['InProgress', notYet]],
    ['being built', made, { phase: 'Building', reason: 'ImageBuilding', message: 'in pod x' }, ['InProgress', notYet]],
    ['being signed', made, { phase: 'Signing', reason: 'ImageSigning', message: 'in pod x' }, ['InProgress', notYet]],
    ['being looked at for its signature', made, { phase: 'Checking', message: 'looking' }, ['InProgress', notYet]],
    ['built, and to be signed', made, { phase: 'Built' }, ['InProgress', notYet, true]],
    ['built, and not to be pushed', made, { phase: 'Built', message: 'it can be built' }, ['Success', seen]],
    ['failed once', made, { phase: 'Failed', reason: 'BuildFailed', retryAt: before }, ['InProgress', notYet]],
    ['failed for good', made, { phase: 'Failed', reason: 'BuildFailed', message: 'exit 3' }, ['Failure', notMade]],
    ['without its inputs', made, { phase: 'Failed', reason: 'ImageInputMissing' }, ['Failure', notMade]],
    [
      'without what is to be signed',
      signed,
      { phase: 'Failed', reason: 'UnsignedImageMissing', retryAt: before },
      ['Failure', notMade],
    ],
    [
      'to be signed, while the registry does not answer',
      signed,
      { phase: 'Failed', reason: 'RegistryUnreachable', retryAt: before },
      ['InProgress', notYet],
    ],
    ['refused its pod', made, { phase: 'Failed', reason: 'JobPodRefused', retryAt: before }, ['Failure', notMade]],
    [
      'made from something damaged, once',
      made,
      {
        phase: 'Failed',
        reason: 'ImageInvalid',
        message: 'no gzip; attempt 2 of 3 follows',
        pod: 'x',
        retryAt: before,
      },
      ['InProgress', notYet],
    ],
    [
      'made from something damaged, for good',
      made,
      { phase: 'Failed', reason: 'ImageInvalid', message: 'no gzip; tried 3 times', pod: 'x' },
      ['Failure', notMade],
    ],
    [
      'to be signed, and the image to sign is damaged',
      signed,
      { phase: 'Failed', reason: 'ImageInvalid', message: 'the image to sign: no manifest', retryAt: before },
      ['Failure', notMade],
    ],
    [
      'to be signed in its place, once more',
      made,
      { phase: 'Failed', reason: 'ImageInvalid', digest, pod: 'x', retryAt: before },
      ['InProgress', notYet],
    ],
    ['there and damaged', made, { phase: 'Failed', reason: 'ImageInvalid', digest }, ['Failure', unfit]],
    ['unsigned', made, { phase: 'Failed', reason: 'ExistsUnsigned', digest }, ['Failure', unfit]],
    ['broken', plain, { phase: 'Unknown', reason: 'ImageInvalid', message: 'no manifest' }, ['Failure', unfit]],
    [
      'refused by its registry',
      plain,
      { phase: 'Unverified', reason: 'RegistryUnauthorized' },
      ['Failure', 'verified'],
    ],
    ['of a registry that is away', plain, { phase: 'Unknown', reason: 'RegistryUnreachable' }, ['InProgress', notYet]],
    ['of a registry long away', plain, { phase: 'Unverified', reason: 'RegistryUnreachable' }, ['InProgress', notYet]],
    ['of which nothing is known', plain, { phase: 'Unknown' }, ['InProgress', notYet]],
    ['seen by the Go operator alone', plain, { phase: 'Exists' }, ['InProgress', notYet]],
    ['there, and not looked into', plain, { phase: 'Exists', digest }, ['InProgress', notYet]],
  ])('%s', (_what, module, status, told) => {
    const [verificationStatus, words, pushBuiltImage = false] = told
    const parts = { preflight: buildPreflight({ pushBuiltImage }), modules: [module] }
    const entry = tell({ ...parts, configs: [buildAsked(parts, status)] })
    expect(entry).toMatchObject({ namespace: 'ns', name: 'mod', verificationStatus })
    expect(entry?.verificationStage).toBe(verificationStatus === 'InProgress' ? 'Image' : 'Done')
    expect(entry?.statusReason?.startsWith(words)).toBe(true)
    if (status.message !== undefined) expect(entry?.statusReason).toContain(status.message)
  })

  it('says of an image that was signed to see that it can be no more than that', () => {
    const parts = { modules: [made] }
    const entry = tell({ ...parts, configs: [buildAsked(parts, { phase: 'Built', message: 'it can be signed' })] })
    expect(entry?.statusReason).toMatch(/it can be signed$/)
  })

  it('does not count what was said for another kernel', () => {
    const parts = { modules: [plain] }
    const config = buildAsked(parts, { phase: 'Missing', kernelVersion: '6.1.0-1-amd64' })
    expect(tell({ ...parts, configs: [config] })).toMatchObject({ verificationStatus: 'InProgress' })
  })

  it('does not count what was said before it asks for the right thing', () => {
    const parts = { modules: [plain] }
    const config = buildAsked(parts, { phase: 'Missing' })
    const asked = { ...parts, preflight: buildPreflight({ pushBuiltImage: true }), configs: [config] }
    expect(tell(asked)).toMatchObject({ verificationStatus: 'InProgress', statusReason: notYet })
  })
})

describe('what is said of the content of an image', () => {
  const parts = { modules: [plain] }
  const config = buildAsked(parts, { phase: 'Exists', digest })
  const present = (verificationStatus: PreflightModuleStatus['verificationStatus']): PreflightModuleStatus => ({
    namespace: 'ns',
    name: 'mod',
    verificationStatus,
    verificationStage: verificationStatus === 'InProgress' ? 'Image' : 'Done',
    statusReason: `${verificationStatus === 'Success' ? seen : unfit}: registry.test/mod:v1: as before`,
    lastTransitionTime: before,
  })
  const away: ContentResult = { kind: 'unknown', reason: 'RegistryUnreachable', message: 'it answered 503' }

  it.each<[ContentResult, PreflightModuleStatus['verificationStatus'], string]>([
    [{ kind: 'fits', message: 'mod was built for it' }, 'Success', seen],
    [{ kind: 'wrong', message: 'there is no mod' }, 'Failure', unfit],
    [away, 'InProgress', notYet],
  ])('%o', (result, verificationStatus, words) => {
    const entry = tell({ ...parts, configs: [config], facts: buildFact(config, plain, result) })
    expect(entry).toMatchObject({ verificationStatus })
    expect(entry?.statusReason?.startsWith(words)).toBe(true)
    expect(entry?.statusReason).toContain(result.message)
  })

  it('holds while only the way in which the image would be made is asked for anew', () => {
    const facts = buildFact(config, plain, { kind: 'fits', message: 'it fits' })
    const module = buildModule({ spec: { tolerations: [{ key: 'x', operator: 'Exists' }] } })
    const asked = { ...parts, modules: [module], configs: [config], facts }
    expect(tell(asked)).toMatchObject({ verificationStatus: 'Success' })
    const refusal = { preflight: 'uid-next', message: 'no', attempts: 1, untilMs: 0 }
    const refusals = new Map([[`ns/${config.metadata.name}`, refusal]])
    expect(tell({ ...asked, refusals })).toMatchObject({ verificationStatus: 'InProgress' })
  })

  it('counts for the digest for which it was seen', () => {
    const facts = buildFact(config, plain, { kind: 'fits', message: 'fine' })
    const moved = buildAsked(parts, { phase: 'Exists', digest: `sha256:${'e'.repeat(64)}` })
    expect(tell({ ...parts, configs: [moved], facts })).toMatchObject({ verificationStatus: 'InProgress' })
  })

  it.each(['Success', 'Failure'] as const)('stays a %s after a restart, until it is looked into again', (result) => {
    const preflight = buildPreflight({}, [present(result)])
    expect(tell({ ...parts, preflight, configs: [config] })).toBeUndefined()
  })

  it.each([
    'no image to verify: the Module has no moduleLoader',
    'mapping not found: no kernelMappings fit',
    `${absent}: registry.test/mod:v1: no such tag`,
    `${seen}: registry.test/mod:v0: it was fine`,
  ])('is not what was said of something else: %s', (statusReason) => {
    const preflight = buildPreflight({}, [{ ...present('Success'), statusReason }])
    const entry = tell({ ...parts, preflight, configs: [config] })
    expect(entry).toMatchObject({ verificationStatus: 'InProgress' })
    const facts = buildFact(config, plain, away)
    expect(tell({ ...parts, preflight, configs: [config], facts })).toMatchObject({ verificationStatus: 'InProgress' })
  })

  it.each([
    [seen, 'without a word more'],
    [`${seen}: ${'x'.repeat(150)}…`, 'cut'],
  ])('may be %s, %s', (statusReason) => {
    const preflight = buildPreflight({}, [{ ...present('Success'), statusReason }])
    expect(tell({ ...parts, preflight, configs: [config] })).toBeUndefined()
  })

  it('stays good after a restart while the registry is away, and not otherwise', () => {
    const [first, later] = [buildFact(config, plain, away), buildFact(config, plain, away, true)]
    const good = { ...parts, preflight: buildPreflight({}, [present('Success')]), configs: [config] }
    expect(tell({ ...good, facts: first })).toBeUndefined()
    expect(tell({ ...good, facts: later })).toMatchObject({ verificationStatus: 'InProgress' })
    const bad = { ...good, preflight: buildPreflight({}, [present('Failure')]) }
    expect(tell({ ...bad, facts: first })).toMatchObject({ verificationStatus: 'InProgress' })
  })

  it('keeps its time while the result stays, whatever else is said', () => {
    const facts = buildFact(config, plain, { kind: 'fits', message: 'in other words' })
    const preflight = buildPreflight({}, [present('Success')])
    expect(tell({ ...parts, preflight, configs: [config], facts })).toMatchObject({ lastTransitionTime: before })
    const changed = buildPreflight({}, [present('Failure')])
    expect(tell({ ...parts, preflight: changed, configs: [config], facts })).toMatchObject({
      lastTransitionTime: '2030-01-01T00:00:10Z',
    })
  })
})

describe('what is said of a Module', () => {
  it.each([
    ['without a loader', buildPluginModule(), 'Success', /^no image to verify: .*no moduleLoader/],
    [
      'without a mapping',
      buildModule({
        container: { kernelMappings: [{ literal: '6.1.0-1-amd64', containerImage: 'registry.test/mod:v1' }] },
      }),
      'Failure',
      new RegExp(`^mapping not found: .*${nextKernel}.*add`),
    ],
    [
      'with a broken mapping',
      buildModule({ container: { kernelMappings: [{ regexp: '^6', containerImage: 'registry.test/${MOD_NAME' }] } }),
      'Failure',
      /^mapping cannot be used: /,
    ],
    ['that was just found', plain, 'InProgress', /^verification is not finished yet$/],
  ])('%s', (_what, module, verificationStatus, words) => {
    const entry = tell({ modules: [module] })
    expect(entry).toMatchObject({ verificationStatus, statusReason: expect.stringMatching(words) as string })
  })

  it('that has a kernel with a plus at its end is for the kernel without', () => {
    const kernelMappings = [{ literal: nextKernel, containerImage: 'registry.test/mod:v1' }]
    const preflight = buildPreflight({ kernelVersion: `${nextKernel}+` })
    const entry = tell({ preflight, modules: [buildModule({ container: { kernelMappings } })] })
    expect(entry).toMatchObject({ verificationStatus: 'InProgress' })
  })
})
