import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { parse } from 'yaml'
import { container, first, mapping, sign, withContainer, withMapping } from '../../../test/admission/modules.ts'
import type { Module } from '../../api/module.ts'
import { validateModule } from './validate-module.ts'

const warningsOf = (module: Module): string[] => {
  const { errors, warnings } = validateModule(module)
  expect(errors).toEqual([])
  return warnings
}

const build = { dockerfileConfigMap: { name: 'd' } }
const real = '6.1.0-56-amd64'

describe('a Module is accepted with a warning for', () => {
  it.each<[what: string, module: Module, path: string, words: string]>([
    ['\\f in a pattern', withMapping({ regexp: '^.+\\fc37$' }), `${first}.regexp`, 'a form feed'],
    [
      'both in-tree forms',
      withContainer({ inTreeModuleToRemove: 'a', inTreeModulesToRemove: ['b'] }),
      container,
      'deprecated',
    ],
    [
      'in-tree forms that differ',
      withContainer({ inTreeModuleToRemove: 'a', kernelMappings: [{ ...mapping, inTreeModulesToRemove: ['b'] }] }),
      first,
      'one of inTree',
    ],
    [
      'a literal behind its pattern',
      withMapping({ regexp: 'amd64' }, { literal: real }),
      `${container}.kernelMappings[1]`,
      'never used',
    ],
    [
      'a literal twice',
      withMapping({ literal: real }, { literal: real }),
      `${container}.kernelMappings[1]`,
      'never used',
    ],
    [
      'a pattern twice',
      withMapping({ regexp: 'el9' }, { regexp: 'el9' }),
      `${container}.kernelMappings[1]`,
      'never used',
    ],
    [
      'a pattern behind ^.+$',
      withMapping({ regexp: '^.+$' }, { regexp: 'el9' }),
      `${container}.kernelMappings[1]`,
      'never used',
    ],
    [
      'a pattern behind ""-like ones',
      withMapping({ regexp: '.*' }, { regexp: 'el9' }),
      `${container}.kernelMappings[1]`,
      'never used',
    ],
    [
      'one image for many kernels',
      withMapping({ regexp: 'el9', containerImage: 'r/m:1' }),
      first,
      'it must hold the modules of every',
    ],
    [
      'one build for many kernels',
      withMapping({ regexp: 'el9', containerImage: 'r/m:1', build }),
      first,
      'it is built for the first',
    ],
    [
      'one signing for many kernels',
      withMapping({ regexp: 'el9', containerImage: 'r/m:1', sign }),
      first,
      'it is signed for the first',
    ],
    [
      'one image of two literals',
      withMapping({ literal: 'a', containerImage: 'r/m:1' }, { literal: 'b', containerImage: 'r/m:1' }),
      `${container}.kernelMappings[1]`,
      'share the image',
    ],
    [
      'latest',
      withMapping({ literal: 'a', containerImage: 'r/m:latest' }),
      `${first}.containerImage`,
      'has the tag latest',
    ],
    [
      'no tag behind a port',
      withMapping({ literal: 'a', containerImage: 'r:5000/m' }),
      `${first}.containerImage`,
      'has the tag latest',
    ],
    [
      'no tag of an unsigned image',
      withContainer({ sign: { ...sign, unsignedImage: 'r:5000/x/m' } }),
      `${container}.sign.unsignedImage`,
      'has the tag latest',
    ],
    [
      'no tag of an unsigned image without a port',
      withContainer({ sign: { ...sign, unsignedImage: 'm' } }),
      `${container}.sign.unsignedImage`,
      'has the tag latest',
    ],
    ['a literal that ends in a plus', withMapping({ literal: '4.18.0+' }), `${first}.literal`, 'write "4.18.0"'],
    ['a pattern that ends in a plus', withMapping({ regexp: '^4\\.18\\.0\\+$' }), `${first}.regexp`, 'leave the + out'],
    [
      'kanikoParams',
      withMapping({ regexp: 'x', build: { ...build, kanikoParams: {} } }),
      `${first}.build.kanikoParams`,
      'is ignored',
    ],
    [
      'an unknown variable',
      withMapping({ literal: 'a', containerImage: 'r/m:${KERNEL}' }),
      `${first}.containerImage`,
      '"KERNEL" is no variable',
    ],
    [
      'an unclosed variable',
      withMapping({ literal: 'a', containerImage: 'r/m:${KERNEL_X' }),
      `${first}.containerImage`,
      'without its "}"',
    ],
    [
      'a variable of files',
      withContainer({ sign: { ...sign, filesToSign: ['/opt/$X'] } }),
      `${container}.sign.filesToSign[0]`,
      '"X" is no variable',
    ],
    [
      'a name that ends as a label of another Module',
      { ...withContainer({}), metadata: { namespace: 'ns', name: 'x.version' } },
      'metadata.name',
      'does not end in .version',
    ],
    ['a version that is no label', withContainer({ version: 'a b' }), `${container}.version`, 'cannot be the value'],
  ])('%s', (_what, module, path, words) => {
    const warnings = warningsOf(module)
    expect(warnings.filter((each) => each.startsWith(path) && each.includes(words))).toHaveLength(1)
    expect(warnings).toHaveLength(1)
  })

  it.each<[what: string, module: Module]>([
    ['a plus inside', withMapping({ literal: '6.1.0+deb12' }, { regexp: '\\+deb12-[0-9]+$' })],
    ['a digest of an unsigned image', withContainer({ sign: { ...sign, unsignedImage: 'r/m@sha256:00' } })],
    ['an escaped backslash before f', withMapping({ regexp: 'a\\\\f' })],
    ['a literal before the pattern', withMapping({ literal: real }, { regexp: 'amd64' })],
    ['^.+$ at the end', withMapping({ regexp: 'el9' }, { regexp: '^.+$' })],
    ['lower case before upper case', withMapping({ regexp: '^[a-z0-9 ._+-]+$' }, { regexp: 'WSL2$' })],
    ['short versions before long ones', withMapping({ regexp: '^.{1,40}$' }, { regexp: 'debug-with-' })],
    ['any one character before others', withMapping({ regexp: '^.$' }, { regexp: 'el9' })],
    [
      'a pattern for one kernel with its image',
      withMapping({ regexp: '^6\\.1\\.0-56-amd64$', containerImage: 'r/m:1', build }),
    ],
    ['a variable with a default', withMapping({ regexp: 'x', containerImage: 'r/m:${KERNEL_XYZ:-1}' })],
    ['a digest behind latest', withMapping({ literal: 'a', containerImage: 'r/m:latest@sha256:00' })],
    ['a dollar sign', withMapping({ literal: 'a', containerImage: 'r/m:$$KERNEL' })],
    ['names of the Module', withMapping({ literal: 'a', containerImage: 'r/$MOD_NAMESPACE/${MOD_NAME}:1' })],
  ])('but not for %s', (_what, module) => {
    expect(warningsOf(module)).toEqual([])
  })

  it('but not beside a refusal for the same', () => {
    const { errors, warnings } = validateModule(withMapping({ literal: 'a', containerImage: 'r/m' }))
    expect([errors.length, warnings]).toEqual([1, []])
  })

  it('each of the three oddities of the annotated example of the documentation', () => {
    const example = parse(readFileSync('src/api/testdata/module-example.yaml', 'utf8')) as Module
    const mappings = `${container}.kernelMappings`
    expect(warningsOf(example).map((warning) => warning.split(': ')[0])).toEqual([
      `${container}.inTreeModuleToRemove`,
      `${mappings}[2].inTreeModuleToRemove`,
      `${mappings}[1].regexp`,
    ])
  })
})
