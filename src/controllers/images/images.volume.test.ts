import { describe, expect, it } from 'vitest'
import type { ImageStatus, ModuleImagesConfig } from '../../api/module-images-config.ts'
import { decide } from './decide.ts'
import { makeObserved, usualSettings } from './fake-images.ts'
import { formatAccess } from './lookup.ts'
import { type CheckResult, createFacts } from './observed.ts'

const image = 'registry.example/kmod:1'
const spec = { image, kernelVersion: '6.1.0' }
const known: ImageStatus = { ...spec, phase: 'Exists', digest: 'sha256:1', since: '1970-01-01T00:00:00Z' }

const preflight = {
  apiVersion: 'kmm.sigs.x-k8s.io/v1beta2',
  kind: 'PreflightValidation',
  name: 'next',
  uid: 'uid-next',
  controller: true,
}

/** What is written of the image where the kubelet fetches it, after this answer of the registry. */
function writtenOf(
  result: CheckResult,
  present?: ImageStatus,
  { isDoubted = false, isPreflight = false } = {},
): ImageStatus | undefined {
  const config: ModuleImagesConfig = {
    apiVersion: 'kmm.sigs.x-k8s.io/v1beta1',
    kind: 'ModuleImagesConfig',
    metadata: {
      namespace: 'ns',
      name: 'mod',
      resourceVersion: '1',
      ...(isPreflight ? { ownerReferences: [preflight] } : {}),
    },
    spec: { images: [spec], pushBuiltImage: true },
    ...(present === undefined ? {} : { status: { images: [present], imagesStates: [{ image, status: 'Exists' }] } }),
  }
  const check = { result, atMs: 0, attempts: 1, trigger: undefined, access: formatAccess(config, spec), after: [] }
  const facts = { ...createFacts(), checks: new Map([[image, check]]) }
  const settings = { ...usualSettings, imageSource: 'volume' as const }
  const write = decide(makeObserved(config, { facts, isDoubted }), 0, settings).actions.find(
    (action) => action.type === 'writeStatus',
  )
  return write?.images[0]
}

const away = { kind: 'unknown', reason: 'RegistryUnreachable', message: 'no route' } as const

describe('an image that the kubelet fetches', () => {
  it.each(['RegistryUnreachable', 'RegistryUnauthorized'] as const)(
    'is left to it at once where the operator cannot look: %s',
    (reason) => {
      expect(writtenOf({ kind: 'unknown', reason, message: 'who?' })).toMatchObject({
        phase: 'Unverified',
        reason: 'ImageUnverified',
        message: 'who?; the kubelet fetches it (worker.imageSource: volume) and decides',
      })
    },
  )

  it.each(['RegistryUnreachable', 'RegistryUnauthorized'] as const)(
    'is not left to it for a preflight, for which it fetches nothing: %s',
    (reason) => {
      const written = writtenOf({ kind: 'unknown', reason, message: 'who?' }, undefined, { isPreflight: true })
      expect(written).toMatchObject({ phase: 'Unknown', reason, message: 'who?' })
    },
  )

  it('is no longer left to it for a preflight where it was', () => {
    const left: ImageStatus = {
      ...spec,
      phase: 'Unverified',
      reason: 'ImageUnverified',
      message: 'the kubelet decides',
    }
    const answer = { kind: 'unknown', reason: 'RegistryUnauthorized', message: 'who?' } as const
    const written = writtenOf(answer, left, { isPreflight: true })
    expect(written).toMatchObject({ phase: 'Unverified', reason: 'RegistryUnauthorized', message: 'who?' })
  })

  it('stays missing where the registry says that it does not exist', () => {
    expect(writtenOf({ kind: 'missing', message: 'no such tag' })?.phase).toBe('Missing')
  })

  it('is looked at again for a while where the registry’s answer is nonsense', () => {
    expect(writtenOf({ kind: 'unknown', reason: 'ImageInvalid', message: 'what?' })?.phase).toBe('Unknown')
  })

  it('keeps the digest that was verified before', () => {
    expect(writtenOf(away, known)).toBeUndefined()
  })

  it('loses a digest that nobody can verify any more when nodes fail with it', () => {
    expect(writtenOf(away, known, { isDoubted: true })).toMatchObject({ phase: 'Unverified' })
    expect(writtenOf(away, known, { isDoubted: true })).not.toHaveProperty('digest')
  })
})
