import { describe, expect, it } from 'vitest'
import { validateMetadata } from './metadata.ts'
import type { ApiMeta, ApiObject } from './object.ts'

const configMaps = { group: '', version: 'v1', kind: 'ConfigMap', plural: 'configmaps', namespaced: true }
const namespaces = { ...configMaps, kind: 'Namespace', plural: 'namespaces', namespaced: false }
const roles = { ...configMaps, group: 'rbac.authorization.k8s.io', kind: 'ClusterRole', plural: 'clusterroles' }

const object = (metadata: Partial<ApiMeta>): ApiObject => {
  return { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'ok', ...metadata } }
}

const owner = { apiVersion: 'v1', kind: 'Pod', name: 'p', uid: 'u' }

const wrong: [what: string, metadata: Partial<ApiMeta>, field: string, message: RegExp][] = [
  ['an upper-case name', { name: 'A' }, 'metadata.name', /a lowercase RFC 1123 subdomain must consist of/],
  ['a name that is too long', { name: 'a'.repeat(254) }, 'metadata.name', /no more than 253 characters/],
  ['a label key without a name', { labels: { 'x.io/': 'a' } }, 'metadata.labels', /name part must be non-empty/],
  ['a label key with an odd prefix', { labels: { 'X_/a': 'a' } }, 'metadata.labels', /prefix part a lowercase/],
  ['a long label key', { labels: { ['a'.repeat(64)]: 'a' } }, 'metadata.labels', /no more than 63 bytes/],
  ['a long label value', { labels: { a: 'a'.repeat(64) } }, 'metadata.labels', /no more than 63 bytes/],
  ['an odd label value', { labels: { a: 'a b' } }, 'metadata.labels', /a valid label must be an empty string or/],
  ['an odd annotation key', { annotations: { 'a b': '' } }, 'metadata.annotations', /name part must consist of/],
  ['long annotations', { annotations: { a: 'x'.repeat(262_144) } }, 'metadata.annotations', /^Too long: may not/],
  ['an unqualified finalizer', { finalizers: ['mine'] }, 'metadata.finalizers[0]', /neither a standard finalizer name/],
  [
    'an owner without uid',
    { ownerReferences: [{ ...owner, uid: '' }] },
    'metadata.ownerReferences.uid',
    /not be empty/,
  ],
  [
    'two controllers',
    { ownerReferences: [owner, { ...owner, name: 'q' }].map((each) => ({ ...each, controller: true })) },
    'metadata.ownerReferences',
    /Only one reference can have Controller set to true. Found "true" in references for Pod\/p and Pod\/q/,
  ],
]

describe('metadata', () => {
  it.each(wrong)('with %s is refused', (_what, metadata, field, message) => {
    expect(validateMetadata(configMaps, object(metadata))).toEqual([
      { field, message: expect.stringMatching(message), reason: expect.any(String) },
    ])
  })

  it('that is right is accepted', () => {
    const metadata = {
      name: 'a.b-c',
      labels: { 'x.io/a_b': '', plain: 'A.1' },
      annotations: { 'X.io/Any': 'anything at all' },
      finalizers: ['x.io/y', 'orphan', 'old.example.com'],
      ownerReferences: [
        { ...owner, controller: true },
        { ...owner, name: 'q' },
      ],
    }
    expect(validateMetadata(configMaps, object(metadata))).toEqual([])
  })

  it('of some kinds has other rules for names', () => {
    expect(validateMetadata(namespaces, object({ name: 'a.b' }))).toHaveLength(1)
    expect(validateMetadata(roles, object({ name: 'system:Any_Name' }))).toEqual([])
    expect(validateMetadata(roles, object({ name: 'a/b' }))).toHaveLength(1)
  })

  it('of an object that is going may lose finalizers but gain none', () => {
    const old = object({ deletionTimestamp: '2026-01-01T00:00:00Z', finalizers: ['x.io/a', 'x.io/b'] })
    expect(validateMetadata(configMaps, object({ finalizers: ['x.io/b'] }), old)).toEqual([])
    expect(validateMetadata(configMaps, object({ finalizers: ['x.io/c'] }), old)).toMatchObject([
      { field: 'metadata.finalizers', reason: 'FieldValueForbidden' },
    ])
  })
})
