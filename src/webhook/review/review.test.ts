import { describe, expect, it } from 'vitest'
import { managedClusterModules, modules, preflightValidations } from '../../api/resources.ts'
import { containsModulesLabel } from '../../api/labels.ts'
import {
  admitManagedClusterModule,
  admitNamespace,
  admitPreflight,
  createModuleAdmission,
  type Admit,
} from './admit.ts'
import { type AdmissionAnswer, formatAdmissionReview, parseAdmissionReview } from './admission-review.ts'
import { answerConversionReview } from './conversion-review.ts'

const module = (regexp: string, more: object = {}) => ({
  apiVersion: 'kmm.sigs.x-k8s.io/v1beta1',
  kind: 'Module',
  metadata: { name: 'm', namespace: 'ns', ...more },
  spec: {
    selector: {},
    moduleLoader: {
      container: { modprobe: { moduleName: 'm' }, kernelMappings: [{ regexp, containerImage: 'r/m:$KERNEL_VERSION' }] },
    },
  },
})

const review = (request: object) => ({
  apiVersion: 'admission.k8s.io/v1',
  kind: 'AdmissionReview',
  request: { uid: 'u', operation: 'CREATE', kind: modules, ...request },
})

const admitModule = createModuleAdmission(() => Promise.resolve({ major: 1, minor: 33 }))

async function ask(admit: Admit, request: object): Promise<AdmissionAnswer> {
  return admit(parseAdmissionReview(review(request)))
}

describe('a review of a Module', () => {
  it('is allowed, or refused with 403 and every path', async () => {
    expect(await ask(admitModule, { object: module('^.+$') })).toEqual({ warnings: [] })
    const object = module('(', { name: 'a'.repeat(40) })
    const answer = await ask(admitModule, { object })
    expect(formatAdmissionReview('u', answer)).toMatchObject({
      apiVersion: 'admission.k8s.io/v1',
      kind: 'AdmissionReview',
      response: {
        uid: 'u',
        allowed: false,
        status: {
          code: 403,
          message: expect.stringMatching(/^2 problems:\n- metadata\.name: .*\n- spec\.moduleLoader.*\.regexp: /),
          details: { causes: [{ field: 'metadata.name' }, { field: expect.stringContaining('regexp') }] },
        },
      },
    })
  })

  it('asks for the version of the cluster when DRA needs it', async () => {
    const dra = { container: { image: 'd:1' }, driverName: 'gpu' }
    const object = { ...module('x'), spec: { selector: {}, dra } }
    expect((await ask(admitModule, { object })).refusal?.message).toContain('this cluster is 1.33')
    const unknown = createModuleAdmission(() => Promise.resolve(undefined))
    expect((await ask(unknown, { object })).refusal).toBeUndefined()
  })

  it('takes null for absent, as the API server does', async () => {
    const object = module('x', { labels: null })
    expect(await ask(admitModule, { object: { ...object, spec: { ...object.spec, dra: null } } })).toEqual({
      warnings: [],
    })
  })

  it('lets an object go that never fitted the schema', async () => {
    const oldObject = { ...module('x'), spec: { selector: 'everything' } }
    const object = { ...oldObject, metadata: { ...oldObject.metadata, finalizers: [] } }
    expect(await ask(admitModule, { operation: 'UPDATE', object, oldObject })).toEqual({ warnings: [] })
    const changed = { ...object, spec: { selector: 'some' } }
    expect((await ask(admitModule, { operation: 'UPDATE', object: changed, oldObject })).refusal?.message).toContain(
      'spec.selector',
    )
    expect(await ask(admitModule, { operation: 'UPDATE', object: module('x'), oldObject })).toEqual({ warnings: [] })
  })

  it('warns of a misspelt unload policy that is all that an update changes', async () => {
    const oldObject = module('(')
    const annotations = { 'kmm.sigs.x-k8s.io/unload-policy': 'sometimes' }
    const object = { ...oldObject, metadata: { ...(oldObject['metadata'] as object), annotations } }
    const { refusal, warnings } = await ask(admitModule, { operation: 'UPDATE', object, oldObject })
    expect([refusal, warnings]).toEqual([undefined, [expect.stringContaining('"sometimes" is no unload policy')]])
  })

  it('does not answer for deletions', async () => {
    expect((await ask(admitModule, { operation: 'DELETE', oldObject: module('x') })).refusal?.message).toContain(
      'not implemented',
    )
  })

  it.each<[what: string, request: object]>([
    ['of another kind', { kind: preflightValidations, object: module('x') }],
    ['of another version', { kind: { ...modules, version: 'v1' }, object: module('x') }],
    ['whose object is another kind', { object: { ...module('x'), kind: 'Pod' } }],
    ['without an object', { object: null }],
    ['with a list for an object', { object: [] }],
    ['of an update without the old object', { operation: 'UPDATE', object: module('x') }],
    ['without metadata', { object: { ...module('x'), metadata: null } }],
    ['whose name is a number', { object: module('x', { name: 3 }) }],
    ['whose labels are a text', { object: module('x', { labels: 'a' }) }],
    ['without a uid', { uid: '', object: module('x') }],
    ['with an endless uid', { uid: 'u'.repeat(1_000), object: module('x') }],
    ['with an operation that is none', { operation: 'create', object: module('x') }],
  ])('%s is no review', async (_what, request) => {
    await expect(ask(admitModule, request)).rejects.toMatchObject({ code: 'Invalid' })
  })
})

it.each([null, 3, [], {}, { apiVersion: 'admission.k8s.io/v1beta1', kind: 'AdmissionReview', request: {} }])(
  'takes nothing else for a review: %j',
  (value) => {
    expect(() => parseAdmissionReview(value)).toThrow('no review that can be answered')
    expect(() => answerConversionReview(value)).toThrow('no review that can be answered')
  },
)

describe('the guard of namespaces', () => {
  const kind = { group: '', version: 'v1', kind: 'Namespace' }
  const namespace = (labels?: object) => ({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'ns', labels } })

  it('refuses to delete one that holds a Module, and no other', async () => {
    const labelled = namespace({ [containsModulesLabel]: '' })
    const request = { operation: 'DELETE', kind, object: null }
    expect((await ask(admitNamespace, { ...request, oldObject: labelled })).refusal?.message).toContain(
      'kubectl delete modules',
    )
    expect(await ask(admitNamespace, { ...request, oldObject: namespace({ other: '' }) })).toEqual({ warnings: [] })
    expect(await ask(admitNamespace, { ...request, oldObject: namespace() })).toEqual({ warnings: [] })
  })

  it('answers for deletions alone', async () => {
    expect((await ask(admitNamespace, { kind, object: namespace() })).refusal?.message).toContain('not implemented')
    await expect(ask(admitNamespace, { operation: 'DELETE', kind })).rejects.toMatchObject({ code: 'Invalid' })
  })
})

it('judges PreflightValidations of both versions, and ManagedClusterModules', async () => {
  for (const version of ['v1beta1', 'v1beta2']) {
    const kind = { ...preflightValidations, version }
    const object = {
      apiVersion: `kmm.sigs.x-k8s.io/${version}`,
      kind: kind.kind,
      metadata: { name: 'p' },
      spec: { kernelVersion: '6' },
    }
    expect((await ask(admitPreflight, { kind, object })).refusal?.message).toContain('spec.kernelVersion')
  }
  const spec = { selector: {}, spokeNamespace: 'ns', moduleSpec: module('(').spec }
  const object = {
    apiVersion: 'hub.kmm.sigs.x-k8s.io/v1beta1',
    kind: 'ManagedClusterModule',
    metadata: { name: 'm' },
    spec,
  }
  expect((await ask(admitManagedClusterModule, { kind: managedClusterModules, object })).refusal?.message).toContain(
    'spec.moduleSpec',
  )
})

it('sends warnings that fit into a header, once each', () => {
  const warnings = ['a\nb', 'a\nb', 'x'.repeat(1_000), ...Array.from({ length: 50 }, (_, index) => `w${index}`)]
  const { response } = formatAdmissionReview('u', { warnings }) as { response: { warnings: string[] } }
  expect(response.warnings[0]).toBe('a b')
  expect(response.warnings).toHaveLength(25)
  expect(response.warnings[1]).toHaveLength(400)
})

describe('a conversion', () => {
  const preflight = {
    apiVersion: 'kmm.sigs.x-k8s.io/v1beta2',
    kind: 'PreflightValidation',
    metadata: { name: 'p' },
    spec: { kernelVersion: '6.1.0' },
  }
  const convert = (request: object) =>
    answerConversionReview({
      apiVersion: 'apiextensions.k8s.io/v1',
      kind: 'ConversionReview',
      request: { uid: 'u', ...request },
    })

  it('answers with every object in the wanted version', () => {
    const desiredAPIVersion = 'kmm.sigs.x-k8s.io/v1beta1'
    expect(
      convert({ desiredAPIVersion, objects: [preflight, { ...preflight, apiVersion: desiredAPIVersion }] }),
    ).toEqual({
      apiVersion: 'apiextensions.k8s.io/v1',
      kind: 'ConversionReview',
      response: {
        uid: 'u',
        convertedObjects: [
          { ...preflight, apiVersion: desiredAPIVersion },
          { ...preflight, apiVersion: desiredAPIVersion },
        ],
        result: { status: 'Success' },
      },
    })
  })

  it.each<[string, object]>([
    ['to a version that there is not', { desiredAPIVersion: 'kmm.sigs.x-k8s.io/v1', objects: [preflight] }],
    ['of another kind', { desiredAPIVersion: preflight.apiVersion, objects: [{ ...preflight, kind: 'Module' }] }],
    ['of nothing', { desiredAPIVersion: preflight.apiVersion, objects: [null] }],
  ])('%s fails with words', (_what, request) => {
    expect(convert(request)).toMatchObject({
      response: { uid: 'u', result: { status: 'Failure', message: expect.any(String) } },
    })
  })

  it('answers in the version of the review', () => {
    const request = { uid: 'u', desiredAPIVersion: preflight.apiVersion, objects: [preflight] }
    const apiVersion = 'apiextensions.k8s.io/v1beta1'
    expect(answerConversionReview({ apiVersion, kind: 'ConversionReview', request })).toMatchObject({
      apiVersion,
      response: { convertedObjects: [preflight] },
    })
  })

  it('needs a list of objects', () => {
    expect(() => convert({ desiredAPIVersion: preflight.apiVersion })).toThrow('request.objects')
  })
})
