import { describe, expect, it } from 'vitest'
import type { Module } from '../../api/module.ts'
import { validateModule } from './validate-module.ts'

const key = 'kmm.sigs.x-k8s.io/unload-policy'
const module: Module = { metadata: { name: 'm', namespace: 'ns' }, spec: { selector: {} } }
const withPolicy = (policy: string): Module => ({
  ...module,
  metadata: { ...module.metadata, annotations: { [key]: policy } },
})

describe('an unload policy', () => {
  it('that is none is warned of when it is written, also alone, and not again', () => {
    const words = `metadata.annotations[${key}]: "never" is no unload policy; write OnDelete (which counts now), OnTaint or Never`
    expect(validateModule(withPolicy('never')).warnings).toEqual([words])
    expect(validateModule(withPolicy('never'), module).warnings).toEqual([words])
    expect(validateModule(withPolicy('never'), withPolicy('never')).warnings).toEqual([])
  })

  it('is refused in no case', () => {
    for (const policy of ['OnDelete', 'OnTaint', 'Never', '', 'never', 'x'.repeat(1_000)])
      expect(validateModule(withPolicy(policy)).errors).toEqual([])
    for (const policy of ['OnDelete', 'OnTaint', 'Never'])
      expect(validateModule(withPolicy(policy)).warnings).toEqual([])
  })
})
