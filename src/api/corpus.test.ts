import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { parse } from 'yaml'
import { customResourceDefinitions } from './crds.ts'
import { sameKernelState } from './module-config.ts'
import type { NodeModulesConfig } from './node-modules-config.ts'
import { formatFieldError } from './schema/field-error.ts'
import type { Json, StructuralSchema } from './schema/schema.ts'
import { applySchema } from './schema/structural.ts'

const folder = join(import.meta.dirname, 'testdata')
const files = readdirSync(folder).filter((name) => name.endsWith('.yaml'))

type Loaded = { apiVersion: string; kind: string } & Record<string, Json>
const load = (name: string): Loaded => parse(readFileSync(join(folder, name), 'utf8'), { version: '1.1' })

function schemaOf(object: Loaded): StructuralSchema {
  const definition = customResourceDefinitions.find(
    ({ spec }) => spec.names.kind === object.kind && object.apiVersion.startsWith(`${spec.group}/`),
  )
  const version = definition?.spec.versions.find((each) => object.apiVersion.endsWith(`/${each.name}`))
  if (version === undefined) throw new Error(`no schema for ${object.apiVersion} ${object.kind}`)
  return version.schema.openAPIV3Schema
}

const store = (object: Loaded) => applySchema(schemaOf(object), object, { prune: true, default: true })

/** Every leaf of a value with its path; an empty object or list is a leaf. */
function listLeaves(value: Json, path = ''): [string, Json][] {
  if (value === null || typeof value !== 'object' || Object.keys(value).length === 0) return [[path, value]]
  const isList = Array.isArray(value)
  return Object.entries(value).flatMap(([key, item]) => listLeaves(item, isList ? `${path}[${key}]` : `${path}/${key}`))
}

const volumes = '/spec/devicePlugin/volumes'
const env = '/spec/devicePlugin/container/env'
const dirName = '/spec/moduleLoader/container/modprobe/dirName'

/** What defaulting adds to each file; nothing where a file is not named. */
const added: Record<string, Record<string, Json>> = {
  'module-zero-values.yaml': {
    [dirName]: '/opt',
    '/spec/moduleLoader/container/kernelMappings[1]/build/dockerfileConfigMap/name': '',
    '/spec/moduleLoader/container/kernelMappings[1]/sign/certSecret/name': '',
    '/spec/moduleLoader/container/kernelMappings[1]/sign/keySecret/name': '',
  },
  'module-raw-arguments.yaml': { [dirName]: '/opt' },
  'managed-cluster-module.yaml': { '/spec/moduleSpec/moduleLoader/container/modprobe/dirName': '/opt' },
  'module-core-types.yaml': {
    [`${env}[2]/valueFrom/configMapKeyRef/name`]: '',
    [`${env}[6]/valueFrom/fileKeyRef/optional`]: false,
    [`${volumes}[1]/configMap/name`]: '',
    [`${volumes}[5]/azureDisk/fsType`]: 'ext4',
    [`${volumes}[5]/azureDisk/readOnly`]: false,
    [`${volumes}[6]/iscsi/iscsiInterface`]: 'default',
    [`${volumes}[7]/rbd/keyring`]: '/etc/ceph/keyring',
    [`${volumes}[7]/rbd/pool`]: 'rbd',
    [`${volumes}[7]/rbd/user`]: 'admin',
    [`${volumes}[8]/scaleIO/fsType`]: 'xfs',
    [`${volumes}[8]/scaleIO/secretRef/name`]: '',
    [`${volumes}[8]/scaleIO/storageMode`]: 'ThinProvisioned',
    [`${volumes}[12]/projected/sources[1]/secret/name`]: '',
  },
  'node-modules-config-upstream.yaml': { '/status/modules[0]/config/modprobe/dirName': '/opt' },
  'node-modules-config-workers.yaml': {
    '/spec/modules[0]/config/imagePullPolicy': 'IfNotPresent',
    '/spec/modules[0]/config/modprobe/dirName': '/opt',
  },
  'module-images-config-upstream.yaml': { '/spec/images[1]/dirName': '/opt' },
  'module-images-config-phases.yaml': { '/spec/imagePullPolicy': 'IfNotPresent' },
}

/** Nulls that stay: below a field whose content the schema does not know, and in metadata. */
const keptNulls = [
  '/spec/dra/deviceClasses[0]/config[0]/opaque/parameters/sharing/nothing',
  '/metadata/creationTimestamp',
]

describe.each(files)('%s', (name) => {
  const object = load(name)

  it('is valid and has no unknown field', () => {
    const { errors, unknownFields } = store(object)
    expect(errors.map(formatFieldError)).toEqual([])
    expect(unknownFields).toEqual([])
  })

  it('comes back with all that it had, and nothing added but the defaults', () => {
    const before = new Map(listLeaves(object).filter(([path, value]) => value !== null || keptNulls.includes(path)))
    const after = new Map(listLeaves(store(object).value))
    const filled = Object.keys(added[name] ?? {})
    // An empty object that got a default is no leaf any more.
    const opened = (path: string): boolean => filled.some((each) => each.startsWith(`${path}/`))
    for (const [path, value] of before) if (!opened(path)) expect([path, after.get(path)]).toEqual([path, value])
    expect(Object.fromEntries([...after].filter(([path]) => !before.has(path)))).toEqual(added[name] ?? {})
  })

  it('does not change when it is stored again', () => {
    const { value } = store(object)
    expect(store(value)).toEqual({ value, errors: [], unknownFields: [] })
  })
})

describe('a NodeModulesConfig of the Go operator', () => {
  it('means the same to the node after it was defaulted', () => {
    const object = load('node-modules-config-upstream.yaml')
    const before = object as unknown as NodeModulesConfig
    const after = store(object).value as unknown as NodeModulesConfig
    const configs = ({ spec, status }: NodeModulesConfig) =>
      [...(spec?.modules ?? []), ...(status?.modules ?? [])].flatMap(({ config }) => (config ? [config] : []))
    expect(configs(after)).toHaveLength(2)
    for (const [index, config] of configs(after).entries()) {
      expect(config.imagePullPolicy).toBe('')
      expect(sameKernelState(configs(before)[index]!, config)).toBe(true)
    }
  })
})

/** Changes one place of a valid object; undefined removes it. */
function change(name: string, path: (string | number)[], value: Json | undefined): Loaded {
  const object = load(name)
  let node: any = object // oxlint-disable-line typescript/no-explicit-any
  for (const step of path.slice(0, -1)) node = node[step]
  const last = path.at(-1)!
  if (value === undefined) delete node[last]
  else node[last] = value
  return object
}

const container = ['spec', 'moduleLoader', 'container']
const mapping = [...container, 'kernelMappings', 0]
const example = 'module-example.yaml'

const refused: [string, Loaded, string[]][] = [
  ['no selector', change(example, ['spec', 'selector'], undefined), ['spec.selector: Required value']],
  ['a null selector', change(example, ['spec', 'selector'], null), ['spec.selector: Required value']],
  [
    'no mapping',
    change(example, [...container, 'kernelMappings'], []),
    [
      'spec.moduleLoader.container.kernelMappings: Invalid value: 0: ' +
        'spec.moduleLoader.container.kernelMappings in body should have at least 1 items',
    ],
  ],
  [
    'a mapping without an image',
    change(example, [...mapping, 'containerImage'], undefined),
    ['spec.moduleLoader.container.kernelMappings[0].containerImage: Required value'],
  ],
  [
    'no modprobe',
    change(example, [...container, 'modprobe'], undefined),
    ['spec.moduleLoader.container.modprobe: Required value'],
  ],
  [
    'a number for a string',
    change(example, ['spec', 'selector', 'zone'], 1),
    ['spec.selector.zone: Invalid value: "integer": spec.selector.zone in body must be of type string: "integer"'],
  ],
  [
    'a string for an object',
    change(example, container, 'x'),
    [
      'spec.moduleLoader.container: Invalid value: "string": ' +
        'spec.moduleLoader.container in body must be of type object: "string"',
    ],
  ],
  [
    'empty raw arguments',
    change('module-raw-arguments.yaml', [...container, 'modprobe', 'rawArgs', 'load'], []),
    [
      'spec.moduleLoader.container.modprobe.rawArgs.load: Invalid value: 0: ' +
        'spec.moduleLoader.container.modprobe.rawArgs.load in body should have at least 1 items',
    ],
  ],
  [
    'a DeviceClass with a capital letter',
    change('module-dra.yaml', ['spec', 'dra', 'deviceClasses', 0, 'name'], 'GPU'),
    [
      'spec.dra.deviceClasses[0].name: Invalid value: "GPU": spec.dra.deviceClasses[0].name in body should match ' +
        "'^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$'",
    ],
  ],
  [
    'too many device selectors',
    change('module-dra.yaml', ['spec', 'dra', 'deviceClasses', 0, 'selectors'], Array(33).fill({})),
    ['spec.dra.deviceClasses[0].selectors: Too many: 33: must have at most 32 items'],
  ],
  [
    'a driver without a name',
    change('module-dra.yaml', ['spec', 'dra', 'driverName'], undefined),
    ['spec.dra.driverName: Required value'],
  ],
  [
    'a stage that does not exist',
    change('preflight-validation.yaml', ['status', 'modules', 0, 'verificationStage'], 'Build'),
    ['status.modules[0].verificationStage: Unsupported value: "Build": supported values: "Image", "Done"'],
  ],
  [
    'a time that is none',
    change('preflight-validation.yaml', ['status', 'modules', 0, 'lastTransitionTime'], 'yesterday'),
    [
      'status.modules[0].lastTransitionTime: Invalid value: "yesterday": ' +
        'status.modules[0].lastTransitionTime in body must be of type date-time: "yesterday"',
    ],
  ],
  [
    'a Module twice in a keyed list',
    change('preflight-validation.yaml', ['status', 'modules', 1, 'namespace'], 'team-a'),
    ['status.modules[1]: Duplicate value: {"name":"a","namespace":"team-a"}'],
  ],
  [
    'a number that does not fit',
    change('module-status.yaml', ['status', 'moduleLoader', 'desiredNumber'], 2 ** 31),
    [
      '<nil>: Invalid value: "": ' +
        'Checked value must be of type integer with format int32 in status.moduleLoader.desiredNumber',
    ],
  ],
  ['no spec of a preflight', change('preflight-validation.yaml', ['spec'], undefined), ['spec: Required value']],
]

describe('what upstream refuses', () => {
  it.each(refused)('is refused here: %s', (_title, object, messages) => {
    expect(store(object).errors.map(formatFieldError)).toEqual(messages)
  })

  it('names unknown fields by their paths, and drops them', () => {
    const object = change(example, [...mapping, 'image'], 'x')
    const { value, errors, unknownFields } = store(object)
    expect(unknownFields).toEqual(['spec.moduleLoader.container.kernelMappings[0].image'])
    expect(errors).toEqual([])
    expect(value).toEqual(store(load(example)).value)
  })
})
