import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { JsonObject } from '../../api/schema/json.ts'
import { convertPreflight, newerAnnotation, olderAnnotation, type PreflightVersion } from './convert.ts'

const result = { lastTransitionTime: '2026-01-01T00:00:00Z', verificationStage: 'Done', verificationStatus: 'Success' }
const group = 'kmm.sigs.x-k8s.io'

const make = (version: PreflightVersion, status?: JsonObject, annotations?: JsonObject): JsonObject => ({
  apiVersion: `${group}/${version}`,
  kind: 'PreflightValidation',
  metadata: { name: 'p', uid: 'u', ...(annotations ? { annotations } : {}) },
  spec: { kernelVersion: '6.1.0' },
  ...(status ? { status } : {}),
})

const down = (object: JsonObject): JsonObject => convertPreflight(object, 'v1beta2', 'v1beta1')
const up = (object: JsonObject): JsonObject => convertPreflight(object, 'v1beta1', 'v1beta2')

describe('a PreflightValidation', () => {
  it('has its results in a map in v1beta1, and in a sorted list in v1beta2', () => {
    const older = make('v1beta1', {
      crStatuses: { 'b/m': result, 'a/n': result, 'a/m': { ...result, statusReason: 'x' } },
    })
    const newer = make('v1beta2', {
      modules: [
        { ...result, statusReason: 'x', namespace: 'a', name: 'm' },
        { ...result, namespace: 'a', name: 'n' },
        { ...result, namespace: 'b', name: 'm' },
      ],
    })
    expect(up(older)).toEqual(newer)
    expect(down(newer)).toEqual(older)
  })

  it('keeps keys that name no Module in a namespace on the way up, and gives them back', () => {
    const older = make('v1beta1', { crStatuses: { m: result, '/x': result, 'a/m': result } }, { mine: 'kept' })
    const newer = up(older)
    expect(newer['status']).toEqual({ modules: [{ ...result, namespace: 'a', name: 'm' }] })
    expect(Object.keys((newer['metadata'] as JsonObject)['annotations'] as JsonObject)).toEqual([
      'mine',
      olderAnnotation,
    ])
    expect(down(newer)).toEqual(older)
  })

  it('keeps order and newer fields on the way down, and gives them back', () => {
    const newer = make('v1beta2', {
      observed: 3,
      modules: [
        { ...result, namespace: 'b', name: 'm', extra: { x: 1 } },
        { ...result, namespace: '', name: 'odd' },
        { ...result, namespace: 'a', name: 'm' },
      ],
    })
    const older = down(newer)
    expect(older['status']).toEqual({ crStatuses: { 'b/m': result, 'a/m': result } })
    expect(up(older)).toEqual(newer)
  })

  it('takes over what a client of v1beta1 changed meanwhile', () => {
    const entry = { ...result, namespace: 'b', name: 'm' }
    const older = down(
      make('v1beta2', { modules: [entry, { ...entry, namespace: 'a', extra: 1 }, { ...entry, namespace: 'c' }] }),
    )
    const failed = { ...result, verificationStatus: 'Failure' }
    const changed = { ...older, status: { crStatuses: { 'a/m': failed, 'b/m': result, 'b/new': result } } }
    expect(up(changed)['status']).toEqual({
      modules: [entry, { ...failed, namespace: 'a', name: 'm', extra: 1 }, { ...result, namespace: 'b', name: 'new' }],
    })
  })

  it.each(['no JSON', '[]', '"x"', '{"order":3,"modules":[],"status":7}', 'x'.repeat(200_000)])(
    'ignores an annotation that is not ours: %#',
    (text) => {
      const older = make('v1beta1', { crStatuses: { 'a/m': result } }, { [newerAnnotation]: text })
      expect(up(older)).toEqual(make('v1beta2', { modules: [{ ...result, namespace: 'a', name: 'm' }] }))
    },
  )

  it('loses order rather than become too large for the API server', () => {
    const modules = Array.from({ length: 5_000 }, (_, index) => ({
      ...result,
      namespace: 'namespace-of-some-length',
      name: `m${9_999 - index}`,
    }))
    const older = down(make('v1beta2', { modules }))
    expect((older['metadata'] as JsonObject)['annotations']).toBeUndefined()
    expect((up(older)['status'] as { modules: unknown[] }).modules).toHaveLength(5_000)
  })

  it('that has the version already stays as it is', () => {
    const object = make('v1beta2', {})
    expect(convertPreflight(object, 'v1beta2', 'v1beta2')).toBe(object)
  })
})

const names = fc.stringMatching(/^[a-c]{1,2}$/)
const results = fc.record(
  {
    lastTransitionTime: fc.constant('2026-01-01T00:00:00Z'),
    statusReason: fc.string(),
    verificationStage: fc.constantFrom('Image', 'Done'),
    verificationStatus: fc.constantFrom('Success', 'Failure'),
  },
  { requiredKeys: ['lastTransitionTime', 'verificationStage', 'verificationStatus'] },
)
const newerStatus = fc.record(
  {
    modules: fc.uniqueArray(fc.tuple(names, names, results), {
      maxLength: 8,
      selector: ([namespace, name]) => `${namespace}/${name}`,
    }),
    later: fc.integer(),
  },
  { requiredKeys: [] },
)
const olderStatus = fc.record(
  {
    crStatuses: fc.dictionary(
      fc.oneof(
        names,
        fc.tuple(names, names).map(([a, b]) => `${a}/${b}`),
        fc.string(),
      ),
      results,
    ),
  },
  { requiredKeys: [] },
)

describe('whatever it says', () => {
  it('in v1beta2 comes back from v1beta1', () => {
    fc.assert(
      fc.property(fc.option(newerStatus, { nil: undefined }), (status) => {
        const modules = status?.modules?.map(([namespace, name, fields]) => ({ ...fields, namespace, name }))
        const object = make(
          'v1beta2',
          status && ({ ...status, ...(modules ? { modules } : {}) } as unknown as JsonObject),
        )
        expect(up(down(object))).toEqual(object)
      }),
    )
  })

  it('in v1beta1 comes back from v1beta2', () => {
    fc.assert(
      fc.property(fc.option(olderStatus, { nil: undefined }), (status) => {
        const object = make('v1beta1', status as JsonObject | undefined)
        expect(down(up(object))).toEqual(object)
      }),
    )
  })
})
