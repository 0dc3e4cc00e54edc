import { describe, expect, it } from 'vitest'
import { container, first, sign, text, withContainer, withMapping } from '../../../test/admission/modules.ts'
import { measureCpuMs } from '../../../test/cpu-time.ts'
import type { KernelMapping } from '../../api/module.ts'
import { validateModule } from './validate-module.ts'

it('tells all that is wrong with a Module at once, each with its path and what to do', () => {
  const module = withMapping({ regexp: '(' }, { literal: 'a', containerImage: 'r/x' })
  const { errors } = validateModule({ ...module, metadata: { name: text(40), namespace: 'ns' } })
  expect(errors.map(({ field }) => field)).toEqual([
    'metadata.name',
    `${first}.regexp`,
    `${container}.kernelMappings[1].containerImage`,
  ])
  expect(errors[2]?.message).toBe('"r/x" has neither tag nor digest; write one, as name:tag or name@sha256:…')
})

describe('a Module that is made to keep the webhook busy', () => {
  it.each<[what: string, mappings: Partial<KernelMapping>[]]>([
    ['large patterns', Array.from({ length: 500 }, () => ({ regexp: 'a{1000}'.repeat(200) }))],
    ['a pattern that is costly to read', [{ regexp: `[${'\\pL'.repeat(400_000)}]` }]],
    ['patterns that go through all of Unicode', Array.from({ length: 900 }, () => ({ regexp: '(?i)[\u0100-\uffff]' }))],
    [
      'costly patterns and literals',
      Array.from({ length: 500 }, (_, index) =>
        index % 2 ? { literal: `6.1.${index}` } : { regexp: '(a|b?)'.repeat(50) },
      ),
    ],
    [
      'a mapping for each of 20,000 kernels',
      Array.from({ length: 20_000 }, (_, index) => ({ literal: `6.1.${index}`, containerImage: 'r/m:1' })),
    ],
    [
      'a template of many variables',
      [{ literal: 'a', containerImage: `r:${Array.from({ length: 50_000 }, (_, index) => `$v${index}`).join('')}` }],
    ],
  ])('by %s is answered within seconds', async (_what, mappings) => {
    expect(await measureCpuMs(() => validateModule(withMapping(...mappings)))).toBeLessThan(20_000)
  })

  it('by much that each of many mappings shares is answered within seconds', async () => {
    const dockerfileConfigMap = { name: 'd' }
    const many = Array.from({ length: 20_000 }, (_, index) => index)
    const module = withContainer({
      build: { dockerfileConfigMap, buildArgs: many.map((each) => ({ name: `${each}`, value: '' })) },
      sign: { ...sign, filesToSign: many.map((each) => `/opt/${each}`) },
      kernelMappings: many.slice(0, 10_000).map((each) => ({
        literal: `${each}`,
        containerImage: 'r:1',
        build: { dockerfileConfigMap },
        sign,
      })),
    })
    expect(await measureCpuMs(() => validateModule(module))).toBeLessThan(10_000)
  })
})
