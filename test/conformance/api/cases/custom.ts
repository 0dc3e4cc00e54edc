import type { ApiAnswer, Body } from '../client.ts'
import type { ApiCase } from '../context.ts'
import {
  at,
  changed,
  definition,
  definitions,
  dig,
  gadget,
  gadgetsOf,
  module,
  modules,
  nodeModulesConfigs,
} from '../objects.ts'

const micPath = 'kmm.sigs.x-k8s.io/v1beta1/moduleimagesconfigs'
const preflights = 'kmm.sigs.x-k8s.io/v1beta2/preflightvalidations'

const mapping = { regexp: '^.+$', containerImage: 'r/i:t' }
const loader = (container: unknown): Record<string, unknown> => ({ moduleLoader: { container } })

const nested = {
  type: 'object',
  properties: {
    spec: {
      type: 'object',
      required: ['size'],
      properties: {
        size: { type: 'integer', minimum: 1, maximum: 10 },
        word: { type: 'string', minLength: 2, maxLength: 5, pattern: '^[a-z]+$' },
        kind: { type: 'string', enum: ['A', 'B'], default: 'A' },
        list: { type: 'array', maxItems: 3, minItems: 1, items: { type: 'string' }, 'x-kubernetes-list-type': 'set' },
        map: {
          type: 'array',
          items: {
            type: 'object',
            required: ['name'],
            properties: { name: { type: 'string' }, v: { type: 'integer', default: 5 } },
          },
          'x-kubernetes-list-type': 'map',
          'x-kubernetes-list-map-keys': ['name'],
        },
        any: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true },
        intOrString: { 'x-kubernetes-int-or-string': true },
        nullable: { type: 'string', nullable: true },
        times: { type: 'string', format: 'date-time' },
        strings: { type: 'object', additionalProperties: { type: 'string' }, maxProperties: 2 },
        number: { type: 'number' },
        flag: { type: 'boolean' },
        deep: { type: 'object', default: {}, properties: { inner: { type: 'string', default: 'x' } } },
      },
    },
  },
}

const isEstablished = ({ body }: ApiAnswer): boolean =>
  ((dig(body, 'status', 'conditions') ?? []) as Body[]).some(
    ({ type, status }) => type === 'Established' && status === 'True',
  )

/** Custom resources: ours and one whose schema uses every keyword. */
export const customCases: readonly ApiCase[] = [
  {
    name: 'a Module is defaulted and pruned',
    observe: async ({ api, ns }) => {
      const spec = loader({ modprobe: { moduleName: 'm', nonsense: 1 }, kernelMappings: [mapping], version: 'v1' })
      const created = await api.post(at(modules, ns), { ...module('a', spec), extra: { a: 1 } })
      return { created, read: await api.get(at(modules, ns, 'a')) }
    },
  },
  {
    name: 'unknown fields under Strict, Warn and Ignore',
    observe: async ({ api, ns }) => {
      const body = changed(module('a'), { spec: { bogus: 1, moduleLoader: { other: { x: 1 } } } })
      const send = (validation: string): Promise<unknown> =>
        api.post(`${at(modules, ns)}?dryRun=All&fieldValidation=${validation}`, body)
      const pod = { metadata: { name: 'p' }, spec: { containers: [{ name: 'c', image: 'i', bogus: 1 }], other: true } }
      const twice = '{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"d"},"data":{"a":"1","a":"2"},"x":1}'
      return {
        strict: await send('Strict'),
        warn: await send('Warn'),
        ignore: await send('Ignore'),
        byDefault: await api.post(`${at(modules, ns)}?dryRun=All`, body),
        wrong: await send('Perhaps'),
        podStrict: await api.post(`${at('v1/pods', ns)}?dryRun=All&fieldValidation=Strict`, pod),
        podWarn: dig(await api.post(`${at('v1/pods', ns)}?dryRun=All`, pod), 'warnings'),
        metadata: await api.post(`${at(modules, ns)}?dryRun=All&fieldValidation=Strict`, module('a', {}, { bogus: 1 })),
        duplicate: await api.post(`${at('v1/configmaps', ns)}?fieldValidation=Strict&dryRun=All`, twice),
        duplicateWarn: await api.post(`${at('v1/configmaps', ns)}?dryRun=All`, twice),
      }
    },
  },
  {
    name: 'unknown fields in patches',
    observe: async ({ api, ns }) => {
      await api.post(at(modules, ns), module('a'))
      const merge = 'application/merge-patch+json'
      const send = (query: string): Promise<unknown> =>
        api.send('PATCH', `${at(modules, ns, 'a')}${query}`, { body: { spec: { bogus: 1 } }, type: merge })
      return {
        strict: await send('?fieldValidation=Strict'),
        warn: await send(''),
        ignore: await send('?fieldValidation=Ignore'),
      }
    },
  },
  {
    name: 'Modules that the schema refuses',
    observe: async ({ api, ns }) => {
      const create = (spec: Record<string, unknown>): Promise<unknown> => api.post(at(modules, ns), module('a', spec))
      return {
        noSelector: await create({ selector: undefined }),
        selectorType: await create({ selector: 'a=b' }),
        selectorValue: await create({ selector: { a: 1 } }),
        noModprobe: await create(loader({ kernelMappings: [mapping] })),
        noMappings: await create(loader({ modprobe: { moduleName: 'm' } })),
        mappingsEmpty: await create(loader({ modprobe: { moduleName: 'm' }, kernelMappings: [] })),
        mappingsType: await create(loader({ modprobe: { moduleName: 'm' }, kernelMappings: 'x' })),
        pullPolicy: await create(
          loader({ modprobe: { moduleName: 'm' }, kernelMappings: [mapping], imagePullPolicy: 'Often' }),
        ),
        parameters: await create(
          loader({ modprobe: { moduleName: 'm', parameters: [1, true] }, kernelMappings: [mapping] }),
        ),
        several: await create({ selector: { a: 1 }, moduleLoader: 'x', tolerations: 3 }),
        specNull: await api.post(at(modules, ns), { ...module('a'), spec: null }),
        specMissing: await api.post(at(modules, ns), { ...module('a'), spec: undefined }),
        notAnObject: await api.post(at(modules, ns), '[1]'),
        notJson: await api.post(at(modules, ns), '{"apiVersion":'),
        empty: await api.send('POST', at(modules, ns)),
      }
    },
  },
  {
    name: 'the status of our kinds is checked',
    observe: async ({ api, ns, token }) => {
      await api.post(at(modules, ns), module('a'))
      const path = at(modules, ns, 'a', 'status')
      const nmc = { apiVersion: 'kmm.sigs.x-k8s.io/v1beta1', kind: 'NodeModulesConfig', metadata: { name: token } }
      const created = await api.post(at(nodeModulesConfigs), { ...nmc, spec: {} })
      const condition = {
        type: 'Ready',
        status: 'True',
        reason: 'R',
        message: '',
        lastTransitionTime: '2026-01-01T00:00:00Z',
      }
      const result = {
        counts: await api.patch(path, 'merge', { status: { moduleLoader: { desiredNumber: 'two' } } }),
        conditions: await api.patch(path, 'merge', { status: { conditions: [condition] } }),
        conditionsTwice: await api.patch(path, 'merge', { status: { conditions: [condition, condition] } }),
        conditionStatus: await api.patch(path, 'merge', {
          status: { conditions: [{ ...condition, status: 'Perhaps' }] },
        }),
        conditionReason: await api.patch(path, 'merge', {
          status: { conditions: [{ ...condition, reason: 'not good' }] },
        }),
        conditionTime: await api.patch(path, 'merge', {
          status: { conditions: [{ ...condition, lastTransitionTime: 'now' }] },
        }),
        created,
        nmcStatus: await api.patch(at(nodeModulesConfigs, '', token, 'status'), 'merge', {
          status: { modules: [{ name: 'm', namespace: ns, config: {} }] },
        }),
      }
      await api.delete(at(nodeModulesConfigs, '', token))
      return result
    },
  },
  {
    name: 'our other kinds are defaulted and checked',
    observe: async ({ api, ns, token }) => {
      const images = { apiVersion: 'kmm.sigs.x-k8s.io/v1beta1', kind: 'ModuleImagesConfig', metadata: { name: 'a' } }
      const preflight = {
        apiVersion: 'kmm.sigs.x-k8s.io/v1beta2',
        kind: 'PreflightValidation',
        metadata: { name: token },
      }
      const result = {
        images: await api.post(at(micPath, ns), {
          ...images,
          spec: { images: [{ image: 'a:b', kernelVersion: '6.1', imagePullPolicy: 'Always' }] },
        }),
        imagesBad: await api.post(at(micPath, ns), {
          ...images,
          metadata: { name: 'b' },
          spec: { images: [{ image: 1 }] },
        }),
        preflight: await api.post(at(preflights), { ...preflight, spec: { kernelVersion: '6.1' } }),
        preflightBad: await api.post(at(preflights), { ...preflight, metadata: { name: `${token}b` }, spec: {} }),
        asOlder: await api.get(at('kmm.sigs.x-k8s.io/v1beta1/preflightvalidations', '', token)),
      }
      await api.delete(at(preflights, '', token))
      return result
    },
  },
  {
    name: 'every keyword of a schema has its refusal',
    observe: async ({ api, ns, token, until }) => {
      const made = await api.post(at(definitions), definition({ token, schema: nested }))
      await until(at(gadgetsOf(token), ns), ({ status }) => status === 200)
      const create = (spec: unknown): Promise<unknown> =>
        api.post(`${at(gadgetsOf(token), ns)}?dryRun=All`, gadget(token, 'g', { spec }))
      const result = {
        made: made.status,
        good: await create({ size: 2, map: [{ name: 'a' }], any: { x: { y: 1 } }, intOrString: '5%', nullable: null }),
        required: await create({}),
        minimum: await create({ size: 0 }),
        maximum: await create({ size: 12 }),
        integer: await create({ size: 2.5 }),
        text: await create({ size: '2' }),
        short: await create({ size: 2, word: 'a' }),
        long: await create({ size: 2, word: 'abcdef' }),
        pattern: await create({ size: 2, word: 'AB' }),
        enum: await create({ size: 2, kind: 'C' }),
        tooMany: await create({ size: 2, list: ['a', 'b', 'c', 'd'] }),
        tooFew: await create({ size: 2, list: [] }),
        twice: await create({ size: 2, list: ['a', 'a'] }),
        keyTwice: await create({ size: 2, map: [{ name: 'a' }, { name: 'a' }] }),
        keyMissing: await create({ size: 2, map: [{ v: 1 }] }),
        intOrString: await create({ size: 2, intOrString: true }),
        null: await create({ size: 2, word: null, kind: null, deep: null }),
        time: await create({ size: 2, times: 'yesterday' }),
        properties: await create({ size: 2, strings: { a: '1', b: '2', c: '3' } }),
        property: await create({ size: 2, strings: { a: 1 } }),
        boolean: await create({ size: 2, flag: 'yes' }),
        number: await create({ size: 2, number: 'one' }),
        several: await create({ size: 11, word: 'A', kind: 'Z' }),
        object: await create([1]),
      }
      await api.delete(at(definitions, '', `gadgets.${token}.example.com`))
      return result
    },
  },
  {
    name: 'a definition is established, served, changed and taken away with its objects',
    observe: async ({ api, ns, token, until, gone }) => {
      const path = at(definitions, '', `gadgets.${token}.example.com`)
      const created = await api.post(at(definitions), definition({ token, schema: { type: 'object' } }))
      const established = await until(path, isEstablished)
      await until(at(gadgetsOf(token), ns), ({ status }) => status === 200)
      const first = await api.post(at(gadgetsOf(token), ns), gadget(token, 'g', { spec: { a: 1 } }))
      const listed = await api.get(at(gadgetsOf(token), ns))
      const deleted = await api.delete(path)
      await gone(path)
      const after = await until(at(gadgetsOf(token), ns), ({ status }) => status === 404)
      return { created, established, first, listed, deletedStatus: deleted.status, after }
    },
  },
  {
    name: 'definitions that are refused',
    observe: async ({ api, token }) => {
      const create = (parts: Partial<Parameters<typeof definition>[0]>): Promise<unknown> =>
        api.post(at(definitions), definition({ token, schema: { type: 'object' }, ...parts }))
      const other = definition({ token, schema: { type: 'object' } })
      return {
        noType: await create({ schema: {} }),
        noItems: await create({ schema: { type: 'object', properties: { a: { type: 'array' } } } }),
        reference: await create({ schema: { type: 'object', properties: { a: { $ref: '#/x' } } } }),
        noSchema: await create({ version: { schema: undefined } }),
        noStorage: await create({ version: { storage: false } }),
        name: await api.post(at(definitions), changed(other, { metadata: { name: 'wrong' } })),
        scope: await create({ spec: { scope: 'Galactic' } }),
        plural: await create({ names: { plural: 'Gadgets' } }),
        defaultType: await create({
          schema: { type: 'object', properties: { a: { type: 'integer', default: 'x' } } },
        }),
        unstructured: await create({
          schema: { type: 'object', anyOf: [{ properties: { a: { type: 'string', description: 'no' } } }] },
        }),
        column: await create({ version: { additionalPrinterColumns: [{ name: 'A', type: 'thing', jsonPath: '.x' }] } }),
        columnPath: await create({
          version: { additionalPrinterColumns: [{ name: 'A', type: 'string', jsonPath: 'x[' }] },
        }),
      }
    },
  },
]
