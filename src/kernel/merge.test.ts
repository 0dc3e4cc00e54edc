import { describe, expect, it } from 'vitest'
import type { Build, Sign } from '../api/module.ts'
import { listBuildArguments } from './build-arguments.ts'
import { mergeBuild, mergeInTreeModules, mergeSign } from './merge.ts'

const containerBuild: Build = {
  dockerfileConfigMap: { name: 'container-file' },
  buildArgs: [
    { name: 'A', value: 'container' },
    { name: 'B', value: 'container' },
  ],
  secrets: [{ name: 'one' }],
  baseImageRegistryTLS: { insecure: true },
  selector: { role: 'builder' },
}
const mappingBuild: Build = {
  dockerfileConfigMap: { name: 'mapping-file' },
  buildArgs: [
    { name: 'Z', value: 'mapping' },
    { name: 'B', value: 'mapping' },
    { name: 'C', value: 'mapping' },
  ],
  secrets: [{ name: 'two' }],
  baseImageRegistryTLS: { insecure: false },
  kanikoParams: { tag: 'v1' },
}
const containerSign: Sign = {
  keySecret: { name: 'key' },
  certSecret: { name: 'cert' },
  unsignedImage: 'container:1',
  filesToSign: ['/opt/a.ko'],
}
const mappingSign: Sign = {
  keySecret: { name: 'key2' },
  certSecret: { name: 'cert2' },
  unsignedImage: '',
  filesToSign: ['/opt/b.ko'],
  unsignedImageRegistryTLS: { insecure: true },
}

describe('merging container and mapping', () => {
  it('takes the one build that there is', () => {
    expect(mergeBuild(undefined, undefined)).toBeUndefined()
    expect(mergeBuild(containerBuild, undefined)).toEqual(containerBuild)
    expect(mergeBuild(undefined, mappingBuild)).toEqual(mappingBuild)
  })

  it('lets a mapping replace the Dockerfile and arguments, add others sorted and secrets, and nothing else', () => {
    const before = structuredClone(containerBuild)
    expect(mergeBuild(containerBuild, mappingBuild)).toEqual({
      dockerfileConfigMap: { name: 'mapping-file' },
      buildArgs: [
        { name: 'A', value: 'container' },
        { name: 'B', value: 'mapping' },
        { name: 'C', value: 'mapping' },
        { name: 'Z', value: 'mapping' },
      ],
      secrets: [{ name: 'one' }, { name: 'two' }],
      baseImageRegistryTLS: { insecure: true },
      selector: { role: 'builder' },
    })
    expect(containerBuild).toEqual(before)
  })

  it('takes the one signing that there is', () => {
    expect(mergeSign(undefined, undefined)).toBeUndefined()
    expect(mergeSign(containerSign, undefined)).toEqual(containerSign)
    expect(mergeSign(undefined, mappingSign)).toEqual(mappingSign)
  })

  it('lets a mapping replace keys and add files, and keeps the unsigned image where the mapping names none', () => {
    expect(mergeSign(containerSign, mappingSign)).toEqual({
      keySecret: { name: 'key2' },
      certSecret: { name: 'cert2' },
      unsignedImage: 'container:1',
      filesToSign: ['/opt/a.ko', '/opt/b.ko'],
    })
    expect(mergeSign(containerSign, { ...mappingSign, unsignedImage: 'mapping:1' })?.unsignedImage).toBe('mapping:1')
  })

  it.each([
    ['nothing', {}, {}, []],
    ['the container list', { inTreeModulesToRemove: ['a', 'b'] }, {}, ['a', 'b']],
    ['the mapping list', { inTreeModulesToRemove: ['a'] }, { inTreeModulesToRemove: ['b'] }, ['b']],
    ['an empty mapping list', { inTreeModulesToRemove: ['a'] }, { inTreeModulesToRemove: [] }, []],
    ['the container single', { inTreeModuleToRemove: 'a' }, { inTreeModuleToRemove: '' }, ['a']],
    ['the mapping single', { inTreeModuleToRemove: 'a' }, { inTreeModuleToRemove: 'b' }, ['b']],
    [
      'list and single of one level',
      {},
      { inTreeModulesToRemove: ['my-intree-kmod', 'my-other'], inTreeModuleToRemove: 'my-intree-kmod' },
      ['my-intree-kmod', 'my-other'],
    ],
    ['list and single apart', { inTreeModuleToRemove: 'c' }, { inTreeModulesToRemove: ['a', 'b'] }, ['a', 'b', 'c']],
  ])('removes %s', (_title, container, mapping, expected) => {
    expect(mergeInTreeModules(container, mapping)).toEqual(expected)
  })

  it('adds its own build arguments and lets them win in place', () => {
    const user = [
      { name: 'MOD_NAME', value: 'mine' },
      { name: 'OTHER', value: 'x' },
    ]
    expect(listBuildArguments(user, '6.1.0~x', { name: 'demo', namespace: 'ns' })).toEqual([
      { name: 'MOD_NAME', value: 'demo' },
      { name: 'OTHER', value: 'x' },
      { name: 'KERNEL_FULL_VERSION', value: '6.1.0~x' },
      { name: 'KERNEL_VERSION', value: '6.1.0~x' },
      { name: 'MOD_NAMESPACE', value: 'ns' },
    ])
  })
})
