import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { parse } from 'yaml'
import type { KernelMapping, Module, ModuleLoaderContainer, ModuleSpec, Sign } from '../../api/module.ts'
import { validateManagedClusterModule } from './validate-managed-cluster-module.ts'
import { type ModuleRulesOptions, validateModule } from './validate-module.ts'

const mapping: KernelMapping = { regexp: '^.+$', containerImage: 'r.example/m:${KERNEL_FULL_VERSION}' }
const sign: Sign = { keySecret: { name: 'k' }, certSecret: { name: 'c' }, filesToSign: ['/opt/lib/m.ko'] }

function makeContainer(fields: Partial<ModuleLoaderContainer> = {}): ModuleLoaderContainer {
  return { modprobe: { moduleName: 'm', dirName: '/opt' }, kernelMappings: [mapping], ...fields }
}

function makeModule(spec: Partial<ModuleSpec> = {}, metadata: Partial<Module['metadata']> = {}): Module {
  return {
    metadata: { name: 'm', namespace: 'ns', ...metadata },
    spec: { selector: {}, moduleLoader: { container: makeContainer() }, ...spec },
  }
}

const withContainer = (fields: Partial<ModuleLoaderContainer>): Module =>
  makeModule({ moduleLoader: { container: makeContainer(fields) } })
const withMapping = (...mappings: Partial<KernelMapping>[]): Module =>
  withContainer({ kernelMappings: mappings.map((each) => ({ containerImage: 'r/m:${KERNEL_FULL_VERSION}', ...each })) })
const withModprobe = (modprobe: ModuleLoaderContainer['modprobe']): Module => withContainer({ modprobe })
const withHostPath = (path: string): Module =>
  makeModule({ devicePlugin: { container: { image: 'p:1' }, volumes: [{ name: 'v', hostPath: { path } }] } })
const withDra = (dra: Partial<NonNullable<ModuleSpec['dra']>>): Module =>
  makeModule({ dra: { container: { image: 'd:1' }, driverName: 'gpu.example.com', ...dra } })
const withToleration = (toleration: NonNullable<ModuleSpec['tolerations']>[number]): Module =>
  makeModule({ tolerations: [toleration] })

const fieldsOf = (module: Module, old?: Module, options?: ModuleRulesOptions): string[] =>
  validateModule(module, old, options).errors.map(({ field }) => field)

const container = 'spec.moduleLoader.container'
const first = `${container}.kernelMappings[0]`
const kernel34 = { serverVersion: { major: 1, minor: 34 } }
const text = (length: number): string => 'a'.repeat(length)

type Row = [what: string, module: Module, options?: ModuleRulesOptions]
type RefusedRow = [what: string, module: Module, fields: string[], options?: ModuleRulesOptions]

describe('a Module is accepted with', () => {
  it.each<Row>([
    // Rule 1
    ['41 characters of name and namespace', makeModule({}, { name: text(20), namespace: text(21) })],
    ['40 characters of name and namespace', makeModule({}, { name: text(20), namespace: text(20) })],
    // Rule 2
    ['a toleration of everything', withToleration({ operator: 'Exists' })],
    ['a toleration of a value', withToleration({ key: 'example.com/x', value: 'y', effect: 'NoSchedule' })],
    ['a toleration for a time', withToleration({ key: 'x', effect: 'NoExecute', tolerationSeconds: 5 })],
    ['a taint key of 63 characters', withToleration({ key: text(63), operator: 'Exists' })],
    // Rule 3
    ['DRA on Kubernetes 1.34', withDra({}), kernel34],
    ['DRA on Kubernetes 2.0', withDra({}), { serverVersion: { major: 2, minor: 0 } }],
    ['DRA on a cluster of unknown version', withDra({})],
    ['several device classes', withDra({ deviceClasses: [{ name: 'a' }, { name: 'b.example.com' }] })],
    ['a driver name of 253 characters', withDra({ driverName: text(253) })],
    // Rule 4
    ...['/dev', '/dev/', '/sys/class', '/var/lib/x', '/opt', '/run/y', '/etc/../dev', '//dev'].map(
      (path): Row => [`the host path ${path}`, withHostPath(path)],
    ),
    // Rule 5
    ['no module loader', { metadata: { name: 'm', namespace: 'ns' }, spec: { selector: {} } }],
    ['no spec', { metadata: { name: 'm', namespace: 'ns' } }],
    // Rule 6
    ['a literal', withMapping({ literal: '6.1.0' })],
    [
      'the image of the container',
      withContainer({ containerImage: 'r/x:1', kernelMappings: [{ ...mapping, containerImage: '' }] }),
    ],
    ['a digest', withMapping({ regexp: 'x', containerImage: 'r/x@sha256:00' })],
    ['a port in place of a tag', withMapping({ regexp: 'x', containerImage: 'r:5000/x' })],
    ['an empty literal beside a pattern', withMapping({ literal: '', regexp: 'x' })],
    // Rule 7
    ['raw arguments alone', withModprobe({ rawArgs: { load: ['m'], unload: ['m'] } })],
    ['empty raw arguments beside a name', withModprobe({ moduleName: 'm', rawArgs: {} })],
    ['two modules in order', withModprobe({ moduleName: 'm', modulesLoadingOrder: ['m', 'n'] })],
    // Rule 8
    ['files below dirName', withContainer({ sign })],
    [
      'files of a mapping below another dirName',
      withContainer({
        modprobe: { moduleName: 'm', dirName: '/x' },
        kernelMappings: [{ ...mapping, sign: { ...sign, filesToSign: ['/x/${KERNEL_FULL_VERSION}/m.ko'] } }],
      }),
    ],
    ['files below the default dirName', withContainer({ modprobe: { moduleName: 'm' }, sign })],
  ])('%s', (_what, module, options) => {
    expect(fieldsOf(module, undefined, options)).toEqual([])
  })
})

describe('a Module is refused with', () => {
  it.each<RefusedRow>([
    // Rule 1
    ['42 characters of name and namespace', makeModule({}, { name: text(21), namespace: text(21) }), ['metadata.name']],
    ['a very long name', makeModule({}, { name: text(63), namespace: 'ns' }), ['metadata.name']],
    // Rule 2
    ['a taint key with a space', withToleration({ key: 'a b', operator: 'Exists' }), ['spec.tolerations[0].key']],
    [
      'a taint key of 64 characters',
      withToleration({ key: text(64), operator: 'Exists' }),
      ['spec.tolerations[0].key'],
    ],
    ['a taint key with two slashes', withToleration({ key: 'a/b/c', operator: 'Exists' }), ['spec.tolerations[0].key']],
    ['a toleration without a key', withToleration({ operator: 'Equal' }), ['spec.tolerations[0].key']],
    [
      'seconds without NoExecute',
      withToleration({ key: 'x', tolerationSeconds: 0 }),
      ['spec.tolerations[0].tolerationSeconds'],
    ],
    ['a taint value that is none', withToleration({ key: 'x', value: '-' }), ['spec.tolerations[0].value']],
    [
      'a value beside Exists',
      withToleration({ key: 'x', operator: 'Exists', value: 'y' }),
      ['spec.tolerations[0].value'],
    ],
    [
      'an operator that compares',
      withToleration({ key: 'x', operator: 'Lt', value: '1' }),
      ['spec.tolerations[0].operator'],
    ],
    ['an unknown effect', withToleration({ key: 'x', effect: 'Never' }), ['spec.tolerations[0].effect']],
    // Rule 3
    ['DRA on Kubernetes 1.33', withDra({}), ['spec.dra'], { serverVersion: { major: 1, minor: 33 } }],
    ['no driver name', withDra({ driverName: '' }), ['spec.dra.driverName']],
    ['a driver name of 254 characters', withDra({ driverName: text(254) }), ['spec.dra.driverName']],
    ['an upper-case driver name', withDra({ driverName: 'GPU' }), ['spec.dra.driverName']],
    [
      'a device class that is no name',
      withDra({ deviceClasses: [{ name: 'a_b' }] }),
      ['spec.dra.deviceClasses[0].name'],
    ],
    [
      'a device class twice',
      withDra({ deviceClasses: [{ name: 'a' }, { name: 'a' }] }),
      ['spec.dra.deviceClasses[1].name'],
    ],
    // Rule 4
    ...['/', '/etc', '/devious', '/dev/../etc', 'dev', ''].map(
      (path): RefusedRow => [
        `the host path "${path}"`,
        withHostPath(path),
        ['spec.devicePlugin.volumes[0].hostPath.path'],
      ],
    ),
    [
      'a host path of the DRA driver',
      withDra({ volumes: [{ name: 'v', hostPath: { path: '/root' } }] }),
      ['spec.dra.volumes[0].hostPath.path'],
    ],
    // Rule 6
    [
      'an image of the container without tag',
      withContainer({ containerImage: 'r/x' }),
      [`${container}.containerImage`],
    ],
    [
      'an image of a mapping without tag',
      withMapping({ regexp: 'x', containerImage: 'r/x' }),
      [`${first}.containerImage`],
    ],
    ['no image at all', withMapping({ regexp: 'x', containerImage: '' }), [`${first}.containerImage`]],
    ['a mapping for nothing', withMapping({}), [first]],
    ['literal and pattern together', withMapping({ literal: 'a', regexp: 'a' }), [first]],
    ['a pattern that does not compile', withMapping({ regexp: '(' }), [`${first}.regexp`]],
    ['a pattern with a look-ahead', withMapping({ regexp: 'a(?=b)' }), [`${first}.regexp`]],
    // Rule 7
    [
      'raw arguments beside a name',
      withModprobe({ moduleName: 'm', rawArgs: { load: ['m'] } }),
      [`${container}.modprobe.rawArgs.load`],
    ],
    [
      'raw arguments for loading alone',
      withModprobe({ rawArgs: { load: ['m'] } }),
      [`${container}.modprobe.rawArgs.unload`],
    ],
    [
      'neither name nor arguments',
      withModprobe({}),
      [`${container}.modprobe.rawArgs.load`, `${container}.modprobe.rawArgs.unload`],
    ],
    [
      'an order of one',
      withModprobe({ moduleName: 'm', modulesLoadingOrder: ['m'] }),
      [`${container}.modprobe.modulesLoadingOrder`],
    ],
    [
      'an empty order',
      withModprobe({ moduleName: 'm', modulesLoadingOrder: [] }),
      [`${container}.modprobe.modulesLoadingOrder`],
    ],
    [
      'an order of others',
      withModprobe({ moduleName: 'm', modulesLoadingOrder: ['n', 'm'] }),
      [`${container}.modprobe.modulesLoadingOrder[0]`],
    ],
    [
      'an order with one twice',
      withModprobe({ moduleName: 'm', modulesLoadingOrder: ['m', 'n', 'n'] }),
      [`${container}.modprobe.modulesLoadingOrder[2]`],
    ],
    [
      'an order without a name',
      withModprobe({ rawArgs: { load: ['m'], unload: ['m'] }, modulesLoadingOrder: ['m', 'n'] }),
      [`${container}.modprobe.modulesLoadingOrder`],
    ],
    // Rule 8
    ['no files to sign', withContainer({ sign: { ...sign, filesToSign: [] } }), [`${container}.sign.filesToSign`]],
    [
      'files elsewhere',
      withContainer({ sign: { ...sign, filesToSign: ['/option/m.ko'] } }),
      [`${container}.sign.filesToSign[0]`],
    ],
    [
      'a mapping without files to sign',
      withMapping({ regexp: 'x', sign: { keySecret: {}, certSecret: {} } }),
      [`${first}.sign.filesToSign`],
    ],
  ])('%s', (_what, module, fields, options) => {
    expect(fieldsOf(module, undefined, options)).toEqual(fields)
  })

  it('all that is wrong at once, each with its path and what to do', () => {
    const module = withMapping({ regexp: '(' }, { literal: 'a', containerImage: 'r/x' })
    const { errors } = validateModule({ ...module, metadata: { name: text(40), namespace: 'ns' } })
    expect(errors.map(({ field }) => field)).toEqual([
      'metadata.name',
      `${first}.regexp`,
      `${container}.kernelMappings[1].containerImage`,
    ])
    expect(errors[2]?.message).toBe('"r/x" has neither tag nor digest; write one, as name:tag or name@sha256:…')
  })
})

describe('a Module that is made to keep the webhook busy', () => {
  it.each<[what: string, mappings: Partial<KernelMapping>[]]>([
    ['large patterns', Array.from({ length: 500 }, () => ({ regexp: 'a{1000}'.repeat(200) }))],
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
  ])('by %s is answered within seconds', (_what, mappings) => {
    const startMs = performance.now()
    validateModule(withMapping(...mappings))
    expect(performance.now() - startMs).toBeLessThan(20_000)
  })
})

describe('an update', () => {
  const versioned = withContainer({ version: '1' })
  const broken = withMapping({ regexp: '(' })

  it.each<[string, Module, Module, string[]]>([
    ['may change the version', withContainer({ version: '2' }), versioned, []],
    ['may not add a version', versioned, makeModule(), [`${container}.version`]],
    ['may not remove the version', withContainer({ version: '' }), versioned, [`${container}.version`]],
    ['may remove the loader with its version', makeModule({ moduleLoader: undefined } as object), versioned, []],
    ['may leave a spec that was never right', broken, broken, []],
    ['may not make it wrong', broken, makeModule(), [`${first}.regexp`]],
    [
      'of what is being deleted passes',
      { ...broken, metadata: { ...broken.metadata, deletionTimestamp: '2026-01-01T00:00:00Z' } },
      makeModule(),
      [],
    ],
  ])('%s', (_what, module, old, fields) => {
    expect(fieldsOf(module, old)).toEqual(fields)
  })

  it('that leaves the spec alone warns of nothing', () => {
    const warned = withMapping({ regexp: 'x', containerImage: 'r/x:latest' })
    expect(validateModule(warned).warnings).not.toEqual([])
    expect(validateModule(warned, structuredClone(warned)).warnings).toEqual([])
  })
})

describe('a ManagedClusterModule', () => {
  const wrap = (module: Module) => ({
    metadata: { name: text(60) },
    spec: { selector: {}, spokeNamespace: 'ns', ...(module.spec ? { moduleSpec: module.spec } : {}) },
  })

  it('obeys the rules of Modules, but for names and versions of clusters it does not know', () => {
    expect(validateManagedClusterModule(wrap(withDra({}))).errors).toEqual([])
    expect(validateManagedClusterModule(wrap(withMapping({ regexp: '(' }))).errors.map(({ field }) => field)).toEqual([
      'spec.moduleSpec.moduleLoader.container.kernelMappings[0].regexp',
    ])
  })

  it('may not add a version', () => {
    const { errors } = validateManagedClusterModule(wrap(withContainer({ version: '1' })), wrap(makeModule()))
    expect(errors.map(({ field }) => field)).toEqual(['spec.moduleSpec.moduleLoader.container.version'])
  })
})

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
    ['a version that is no label', withContainer({ version: 'a b' }), `${container}.version`, 'cannot be the value'],
  ])('%s', (_what, module, path, words) => {
    const warnings = warningsOf(module)
    expect(warnings.filter((each) => each.startsWith(path) && each.includes(words))).toHaveLength(1)
    expect(warnings).toHaveLength(1)
  })

  it.each<[what: string, module: Module]>([
    ['an escaped backslash before f', withMapping({ regexp: 'a\\\\f' })],
    ['a literal before the pattern', withMapping({ literal: real }, { regexp: 'amd64' })],
    ['^.+$ at the end', withMapping({ regexp: 'el9' }, { regexp: '^.+$' })],
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
