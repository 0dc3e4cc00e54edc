import { describe, expect, it } from 'vitest'
import { measureCpuMs } from '../../test/cpu-time.ts'
import { parse } from 'yaml'
import type { KernelMapping, Module, ModuleLoaderContainer } from '../api/module.ts'
import { KmmError } from '../errors/error.ts'
import { resolveMapping } from './resolve.ts'
import { createMappingResolver } from './resolver.ts'

/** The kernel part of the annotated example of the page "Deploying kernel modules". */
const annotatedExample = parse(`
metadata: { name: my-kmod, namespace: default }
spec:
  selector: { node-role.kubernetes.io/worker: "" }
  moduleLoader:
    container:
      modprobe: { moduleName: my-kmod, dirName: /opt, modulesLoadingOrder: [my-kmod, my_dep_a, my_dep_b] }
      imagePullPolicy: Always
      inTreeModuleToRemove: my-intree-kmod
      inTreeModulesToRemove: [my-intree-kmod, my-other-intree-kmod]
      kernelMappings:
        - literal: 6.0.15-300.fc37.x86_64
          containerImage: some.registry/org/my-kmod:6.0.15-300.fc37.x86_64
        - regexp: '^.+\\fc37\\.x86_64$'
          containerImage: "some.other.registry/org/my-kmod:\${KERNEL_FULL_VERSION}"
        - regexp: '^.+$'
          containerImage: "some.registry/org/my-kmod:\${KERNEL_FULL_VERSION}"
          inTreeModuleToRemove: my-intree-kmod
          inTreeModulesToRemove: [my-intree-kmod, my-other-intree-kmod]
          build:
            buildArgs: [{ name: ARG_NAME, value: some-value }]
            secrets: [{ name: some-kubernetes-secret }]
            baseImageRegistryTLS: { insecure: false, insecureSkipTLSVerify: false }
            dockerfileConfigMap: { name: my-kmod-dockerfile }
          sign:
            certSecret: { name: cert-secret }
            keySecret: { name: key-secret }
            filesToSign: ["/opt/lib/modules/\${KERNEL_FULL_VERSION}/my-kmod.ko"]
          registryTLS: { insecure: false, insecureSkipTLSVerify: false }
`) as Module

function moduleWith(mappings: KernelMapping[], container: Partial<ModuleLoaderContainer> = {}): Module {
  return {
    metadata: { name: 'demo', namespace: 'ns', uid: 'u', generation: 1 },
    spec: {
      selector: {},
      moduleLoader: { container: { modprobe: { moduleName: 'demo' }, kernelMappings: mappings, ...container } },
    },
  }
}

describe('resolving a mapping', () => {
  it('resolves each mapping of the annotated example for the kernels that it matches', () => {
    expect(resolveMapping(annotatedExample, '6.0.15-300.fc37.x86_64')).toEqual({
      kernelVersion: '6.0.15-300.fc37.x86_64',
      mappingIndex: 0,
      containerImage: 'some.registry/org/my-kmod:6.0.15-300.fc37.x86_64',
      registryTLS: {},
      inTreeModulesToRemove: ['my-intree-kmod', 'my-other-intree-kmod'],
    })
    expect(resolveMapping(annotatedExample, '6.2.9-300.\fc37.x86_64')).toMatchObject({
      mappingIndex: 1,
      containerImage: 'some.other.registry/org/my-kmod:6.2.9-300._c37.x86_64',
    })
    expect(resolveMapping(annotatedExample, '6.2.9-300.fc37.x86_64')).toEqual({
      kernelVersion: '6.2.9-300.fc37.x86_64',
      mappingIndex: 2,
      containerImage: 'some.registry/org/my-kmod:6.2.9-300.fc37.x86_64',
      registryTLS: { insecure: false, insecureSkipTLSVerify: false },
      inTreeModulesToRemove: ['my-intree-kmod', 'my-other-intree-kmod'],
      build: {
        buildArgs: [{ name: 'ARG_NAME', value: 'some-value' }],
        secrets: [{ name: 'some-kubernetes-secret' }],
        baseImageRegistryTLS: { insecure: false, insecureSkipTLSVerify: false },
        dockerfileConfigMap: { name: 'my-kmod-dockerfile' },
      },
      sign: {
        certSecret: { name: 'cert-secret' },
        keySecret: { name: 'key-secret' },
        filesToSign: ['/opt/lib/modules/6.2.9-300.fc37.x86_64/my-kmod.ko'],
      },
    })
  })

  it.each([
    [
      'the first that matches',
      [
        { regexp: '^6', containerImage: 'a:1' },
        { literal: '6.1.0', containerImage: 'b:1' },
      ],
      'a:1',
    ],
    [
      'a literal only when it is the whole version',
      [
        { literal: '6.1', containerImage: 'a:1' },
        { regexp: '.', containerImage: 'b:1' },
      ],
      'b:1',
    ],
    ['a pattern found anywhere', [{ regexp: '1\\.0', containerImage: 'a:1' }], 'a:1'],
    ['RE2 flags and classes', [{ regexp: '(?i)^\\pN[[:punct:]]1\\Q.0\\E\\z', containerImage: 'a:1' }], 'a:1'],
    ['the pattern beside a literal that differs', [{ literal: '5.0.0', regexp: '^6', containerImage: 'a:1' }], 'a:1'],
    ['nothing by empty literal and pattern', [{ literal: '', regexp: '', containerImage: 'a:1' }], undefined],
    ['nothing when nothing matches', [{ regexp: '^5', containerImage: 'a:1' }], undefined],
  ])('takes %s', (_title, mappings, image) => {
    expect(resolveMapping(moduleWith(mappings), '6.1.0')?.containerImage).toBe(image)
  })

  it('answers undefined for a Module without moduleLoader', () => {
    expect(resolveMapping({ metadata: { name: 'a', namespace: 'b' }, spec: { selector: {} } }, '6.1.0')).toBeUndefined()
    expect(resolveMapping({ metadata: { name: 'a', namespace: 'b' } }, '6.1.0')).toBeUndefined()
  })

  it.each(['(', '(?=x)', '\\1', 'a{1001}'])('refuses the pattern %s with its place and text', (regexp) => {
    const mappings = [
      { literal: 'x', containerImage: 'a:1' },
      { regexp, containerImage: 'a:1' },
      { regexp: '.', containerImage: 'b:1' },
    ]
    const resolve = () => resolveMapping(moduleWith(mappings), '6.1.0')
    expect(resolve).toThrow(KmmError)
    expect(resolve).toThrow(`kernelMappings[1].regexp ${JSON.stringify(regexp)}`)
    expect(resolve).toThrow(expect.objectContaining({ code: 'MappingInvalid', fate: 'terminal' }))
  })

  it('does not look at a broken pattern behind the mapping that matches', () => {
    const mappings = [
      { literal: '6.1.0', containerImage: 'a:1' },
      { regexp: '(', containerImage: 'b:1' },
    ]
    expect(resolveMapping(moduleWith(mappings), '6.1.0')?.containerImage).toBe('a:1')
  })

  it('answers an evil pattern at once', async () => {
    const module = moduleWith([{ regexp: '(a+)+$', containerImage: 'a:1' }])
    const resolve = (): void => expect(resolveMapping(module, `${'a'.repeat(5_000)}.1.2!`)).toBeUndefined()
    expect(await measureCpuMs(resolve)).toBeLessThan(2_000)
  })

  it.each([
    ['repeats too much', 'a{1000}'.repeat(500)],
    ['ignores the case of all of Unicode', `(?i)[${'\u0100-\uffff'.repeat(2_000)}]`],
    // Compiling it ends Node.js, for want of memory, and not with an exception.
    ['has the same large class very often', `[${'\\pL'.repeat(400_000)}]`],
    ['has very many alternatives', '(a)|'.repeat(300_000)],
  ])('refuses at once a pattern that %s', async (_what, regexp) => {
    const module = moduleWith([{ regexp, containerImage: 'a:1' }])
    const resolve = (): void =>
      expect(() => resolveMapping(module, '6.1.0')).toThrow(
        'kernelMappings[0].regexp cannot be used: it and the patterns',
      )
    expect(await measureCpuMs(resolve)).toBeLessThan(2_000)
  })

  it('takes a thousand patterns as they are in real life', () => {
    const mappings = Array.from({ length: 1_000 }, (_, index) => ({
      regexp: `^6\\.1\\.${index}-[0-9]+$`,
      containerImage: 'a:1',
    }))
    expect(resolveMapping(moduleWith(mappings), '6.1.999-1')?.mappingIndex).toBe(999)
  })

  it('cuts one trailing plus before it matches', () => {
    const resolved = resolveMapping(
      moduleWith([{ literal: '6.1.0', containerImage: 'a:$KERNEL_FULL_VERSION' }]),
      '6.1.0+',
    )
    expect(resolved).toMatchObject({ kernelVersion: '6.1.0', containerImage: 'a:6.1.0' })
  })

  it('falls back to the image, TLS options and in-tree modules of the container', () => {
    const module = moduleWith([{ regexp: '.', containerImage: '' }], {
      containerImage: 'c/$MOD_NAME:$KERNEL_XYZ',
      registryTLS: { insecure: true },
      inTreeModulesToRemove: ['old'],
    })
    expect(resolveMapping(module, '6.1.0-56')).toMatchObject({
      containerImage: 'c/demo:6.1.0',
      registryTLS: { insecure: true },
      inTreeModulesToRemove: ['old'],
    })
  })

  it('says which mapping has no image', () => {
    expect(() => resolveMapping(moduleWith([{ regexp: '.', containerImage: '' }]), '6.1.0')).toThrow(
      'kernelMappings[0] has no containerImage',
    )
  })

  it('replaces every variable in images, unsigned image and files to sign', () => {
    const all =
      '$KERNEL_FULL_VERSION|$KERNEL_VERSION|$KERNEL_XYZ|$KERNEL_X|$KERNEL_Y|$KERNEL_Z|$MOD_NAME|$MOD_NAMESPACE|$OTHER|'
    const secret = { name: 's' }
    const module = moduleWith([{ regexp: '.', containerImage: all }], {
      sign: { keySecret: secret, certSecret: secret, unsignedImage: all, filesToSign: [all, 'plain'] },
    })
    const forTags = '6.1.0_rc1-x_y|6.1.0_rc1-x_y|6.1.0_rc1|6|1|0_rc1|demo|ns||'
    const forPaths = '6.1.0~rc1-x_y|6.1.0~rc1-x_y|6.1.0_rc1|6|1|0_rc1|demo|ns||'
    expect(resolveMapping(module, '6.1.0~rc1-x_y')).toMatchObject({
      containerImage: forTags,
      sign: { unsignedImage: forTags, filesToSign: [forPaths, 'plain'] },
    })
  })
})

describe('the resolver', () => {
  const mappings = [{ regexp: '^6', containerImage: 'a:$KERNEL_FULL_VERSION' }]

  it('gives the same object for the same generation and kernel', () => {
    const resolver = createMappingResolver()
    const first = resolver.resolve(moduleWith(mappings), '6.1.0')
    expect(resolver.resolve(moduleWith(mappings), '6.1.0')).toBe(first)
    expect(resolver.resolve(moduleWith(mappings), '6.1.1')).not.toBe(first)
  })

  it('resolves again for another generation, back and forth', () => {
    const resolver = createMappingResolver()
    const second = moduleWith([{ regexp: '.', containerImage: 'b:1' }])
    second.metadata.generation = 2
    for (const [module, image] of [
      [moduleWith(mappings), 'a:6.1.0'],
      [second, 'b:1'],
      [moduleWith(mappings), 'a:6.1.0'],
    ] as const) {
      expect(resolver.resolve(module, '6.1.0')?.containerImage).toBe(image)
    }
  })

  it('does not mix up Modules, and remembers that a mapping is missing', () => {
    const resolver = createMappingResolver()
    const other = moduleWith([{ regexp: '^5', containerImage: 'b:1' }])
    other.metadata.uid = 'v'
    expect(resolver.resolve(other, '6.1.0')).toBeUndefined()
    expect(resolver.resolve(moduleWith(mappings), '6.1.0')?.containerImage).toBe('a:6.1.0')
    expect(resolver.resolve(other, '6.1.0')).toBeUndefined()
  })

  it('throws the same error again', () => {
    const resolver = createMappingResolver()
    const broken = moduleWith([{ regexp: '(', containerImage: 'a:1' }])
    const errors = [1, 2].map(() => {
      try {
        return resolver.resolve(broken, '6.1.0')
      } catch (error) {
        return error
      }
    })
    expect(errors[0]).toMatchObject({ code: 'MappingInvalid' })
    expect(errors[1]).toBe(errors[0])
  })

  it('does not remember objects that were never stored', () => {
    const resolver = createMappingResolver()
    const module = moduleWith(mappings)
    delete module.metadata.uid
    expect(resolver.resolve(module, '6.1.0')?.containerImage).toBe('a:6.1.0')
    module.spec!.moduleLoader!.container.kernelMappings = [{ regexp: '.', containerImage: 'b:1' }]
    expect(resolver.resolve(module, '6.1.0')?.containerImage).toBe('b:1')
  })

  it('forgets what was not asked for longest', () => {
    const resolver = createMappingResolver({ mostAnswers: 2, mostPatternCost: 1 })
    const module = moduleWith(mappings)
    const first = resolver.resolve(module, '6.1.1')
    const second = resolver.resolve(module, '6.1.2')
    expect(resolver.resolve(module, '6.1.1')).toBe(first)
    resolver.resolve(module, '6.1.3')
    expect(resolver.resolve(module, '6.1.1')).toBe(first)
    expect(resolver.resolve(module, '6.1.2')).not.toBe(second)
  })
})
