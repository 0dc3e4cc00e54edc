import { describe, expect, it } from 'vitest'
import type { ModuleImagesConfig } from '../../api/module-images-config.ts'
import { decide } from './decide.ts'
import { makeObserved, usualSettings } from './fake-images.ts'
import { formatAccess } from './lookup.ts'
import { createFacts } from './observed.ts'

const image = 'registry.example/kmod:1'
const spec = { image, kernelVersion: '6.1.0' }
const config: ModuleImagesConfig = {
  apiVersion: 'kmm.sigs.x-k8s.io/v1beta1',
  kind: 'ModuleImagesConfig',
  metadata: { namespace: 'ns', name: 'mod', resourceVersion: '1' },
  spec: { images: [spec], pushBuiltImage: true },
  status: {
    images: [{ ...spec, phase: 'Exists', digest: 'sha256:1', since: '1970-01-01T00:00:00Z' }],
    imagesStates: [{ image, status: 'Exists' }],
  },
}
const result = { kind: 'exists' as const, digest: 'sha256:1' }
const check = { result, atMs: 0, attempts: 0, trigger: undefined, access: formatAccess(config, spec), after: [] }

/** When the image is looked at again; 0: now. */
function nextLook(isDoubted: boolean, checks: ReadonlyMap<string, typeof check>): number {
  const facts = { ...createFacts(), checks: new Map(checks) }
  const { actions, waits } = decide(makeObserved(config, { facts, isDoubted }), 0, usualSettings)
  return actions.some(({ type }) => type === 'checkImage') ? 0 : (waits[0]?.untilMs ?? Number.POSITIVE_INFINITY)
}

describe('an image that was found', () => {
  it('is looked at again within an hour or two', () => {
    expect(nextLook(false, new Map([[image, check]]))).toBeGreaterThanOrEqual(3_600_000)
    expect(nextLook(false, new Map())).toBeGreaterThan(0)
  })

  it('is looked at again within two minutes while workers fail with it, since a better one may be pushed', () => {
    expect(nextLook(true, new Map([[image, check]]))).toBeLessThanOrEqual(120_000)
    expect(nextLook(true, new Map([[image, check]]))).toBeGreaterThanOrEqual(60_000)
    expect(nextLook(true, new Map())).toBe(0)
  })
})
