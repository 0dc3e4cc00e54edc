import { describe, expect, it } from 'vitest'
import { builtInResources } from '../built-in-resources.ts'
import type { ApiResource } from '../hooks.ts'
import type { ApiObject } from '../object.ts'
import { StatusError } from '../status-error.ts'
import { createValidator } from './validator.ts'

const validator = createValidator()

function findResource(kind: string): ApiResource {
  const resource = builtInResources.find((each) => each.kind === kind)
  if (resource === undefined) throw new Error(`${kind} is not built in`)
  return resource
}

type Fields = Record<string, unknown>

function complete(resource: ApiResource, fields: Fields): ApiObject {
  const apiVersion = resource.group === '' ? 'v1' : `${resource.group}/v1`
  const metadata = { name: 'x', namespace: 'ns' }
  return { apiVersion, kind: resource.kind, metadata, ...structuredClone(fields) }
}

function prepare(kind: string, fields: Fields): { object: ApiObject; unknownFields: readonly string[] } {
  const resource = findResource(kind)
  const object = complete(resource, fields)
  return { ...validator.prepare(resource, object), object }
}

function validate(kind: string, fields: Fields, old?: Fields): string[] {
  const { object } = prepare(kind, fields)
  const before = old === undefined ? {} : { oldObject: prepare(kind, old).object }
  const causes = validator.validate({ resource: findResource(kind), object, ...before })
  return causes.map((cause) => `${cause.field}: ${cause.message}`)
}

function refusal(kind: string, fields: Fields): string {
  try {
    prepare(kind, fields)
  } catch (error) {
    if (error instanceof StatusError && error.status === 400) return error.message
    throw error
  }
  throw new Error('expected a refusal')
}

const container = { name: 'c', image: 'i' }
const pod = (spec: Fields): Fields => ({ spec: { containers: [container], ...spec } })

describe('a built-in object', () => {
  it('gets the defaults of its kind', () => {
    const { object } = prepare('Pod', {
      spec: {
        containers: [
          { name: 'a', image: 'r:5000/i', resources: { limits: { cpu: 1 } }, ports: [{ containerPort: 80 }] },
          { name: 'b', image: 'i:v1', livenessProbe: { httpGet: { port: 80 } } },
          { name: 'd', image: 'i@sha256:aa', imagePullPolicy: 'Never' },
        ],
        serviceAccountName: 'robot',
        volumes: [{ name: 'e' }, { name: 'h', hostPath: { path: '/x' } }, { name: 's', secret: { secretName: 's' } }],
      },
    })
    expect(object['spec']).toEqual({
      containers: [
        {
          name: 'a',
          image: 'r:5000/i',
          imagePullPolicy: 'Always',
          ports: [{ containerPort: 80, protocol: 'TCP' }],
          resources: { limits: { cpu: 1 }, requests: { cpu: 1 } },
          terminationMessagePath: '/dev/termination-log',
          terminationMessagePolicy: 'File',
        },
        {
          name: 'b',
          image: 'i:v1',
          imagePullPolicy: 'IfNotPresent',
          livenessProbe: {
            httpGet: { port: 80, path: '/', scheme: 'HTTP' },
            timeoutSeconds: 1,
            periodSeconds: 10,
            successThreshold: 1,
            failureThreshold: 3,
          },
          resources: {},
          terminationMessagePath: '/dev/termination-log',
          terminationMessagePolicy: 'File',
        },
        {
          name: 'd',
          image: 'i@sha256:aa',
          imagePullPolicy: 'Never',
          resources: {},
          terminationMessagePath: '/dev/termination-log',
          terminationMessagePolicy: 'File',
        },
      ],
      dnsPolicy: 'ClusterFirst',
      enableServiceLinks: true,
      restartPolicy: 'Always',
      schedulerName: 'default-scheduler',
      securityContext: {},
      serviceAccount: 'robot',
      serviceAccountName: 'robot',
      terminationGracePeriodSeconds: 30,
      volumes: [
        { name: 'e', emptyDir: {} },
        { name: 'h', hostPath: { path: '/x', type: '' } },
        { name: 's', secret: { secretName: 's', defaultMode: 420 } },
      ],
    })
  })

  it('gets them once: preparing again changes nothing', () => {
    const { object } = prepare('DaemonSet', { spec: { selector: {}, template: { spec: { containers: [container] } } } })
    const again = structuredClone(object)
    validator.prepare(findResource('DaemonSet'), again)
    expect(again).toEqual(object)
    expect(object['spec']).toMatchObject({
      revisionHistoryLimit: 10,
      updateStrategy: { type: 'RollingUpdate', rollingUpdate: { maxUnavailable: 1, maxSurge: 0 } },
      template: { spec: { restartPolicy: 'Always' } },
    })
  })

  it('loses fields that its kind does not know, which are named, and nulls', () => {
    const { object, unknownFields } = prepare('Pod', pod({ nodeNaem: 'n', hostNetwork: null }))
    expect(unknownFields).toEqual(['spec.nodeNaem'])
    expect(object['spec']).not.toHaveProperty('nodeNaem')
    expect(object['spec']).not.toHaveProperty('hostNetwork')
  })

  it.each([
    [
      'Pod',
      { spec: { containers: 'c' } },
      'json: cannot unmarshal string into Go struct field spec.containers of type array',
    ],
    [
      'Pod',
      pod({ hostNetwork: 'yes' }),
      'json: cannot unmarshal string into Go struct field spec.hostNetwork of type boolean',
    ],
    [
      'Lease',
      { spec: { renewTime: 'now' } },
      'parsing time "now" as "2006-01-02T15:04:05Z07:00": cannot parse "now" as "2006"',
    ],
    ['Secret', { data: { a: '!' } }, 'illegal base64 data at input byte 0'],
  ])('of kind %s with %j is no such object', (kind, fields, why) => {
    expect(refusal(kind, fields)).toBe(`${kind} in version "v1" cannot be handled as a ${kind}: ${why}`)
  })
})

describe('a pod', () => {
  it.each<[error: string, spec: Fields]>([
    ['spec.containers: Required value', { containers: [] }],
    ['spec.containers[0].name: Required value', { containers: [{ image: 'i' }] }],
    ['spec.containers[0].image: Required value', { containers: [{ name: 'c' }] }],
    ['spec.containers[1].name: Duplicate value: "c"', { containers: [container, container] }],
    ['spec.initContainers[0].name: Duplicate value: "c"', { initContainers: [container] }],
    [
      `spec.containers[0].name: Invalid value: "C": a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')`,
      { containers: [{ name: 'C', image: 'i' }] },
    ],
    [
      'spec.containers[0].imagePullPolicy: Unsupported value: "Sometimes": supported values: "Always", "IfNotPresent", "Never"',
      { containers: [{ ...container, imagePullPolicy: 'Sometimes' }] },
    ],
    [
      'spec.containers[0].volumeMounts[0].name: Not found: "v"',
      { containers: [{ ...container, volumeMounts: [{ name: 'v', mountPath: '/v' }] }] },
    ],
    [
      'spec.containers[0].volumeMounts[1].mountPath: Invalid value: "/v": must be unique',
      {
        volumes: [{ name: 'v' }],
        containers: [{ ...container, volumeMounts: ['v', 'v'].map((name) => ({ name, mountPath: '/v' })) }],
      },
    ],
    ['spec.volumes[1].name: Duplicate value: "v"', { volumes: [{ name: 'v' }, { name: 'v' }] }],
    [
      'spec.volumes[0].secret: Forbidden: may not specify more than 1 volume type',
      { volumes: [{ name: 'v', emptyDir: {}, secret: { secretName: 's' } }] },
    ],
    ['spec.volumes[0].hostPath.path: Required value', { volumes: [{ name: 'v', hostPath: { path: '' } }] }],
    [
      `spec.volumes[0].hostPath.path: Invalid value: "/a/../b": must not contain '..'`,
      { volumes: [{ name: 'v', hostPath: { path: '/a/../b' } }] },
    ],
    [
      'spec.restartPolicy: Unsupported value: "Often": supported values: "Always", "OnFailure", "Never"',
      { restartPolicy: 'Often' },
    ],
    [
      'spec.tolerations[0].operator: Invalid value: "": operator must be Exists when `key` is empty, which means "match all values and all keys"',
      { tolerations: [{ value: 'v' }] },
    ],
  ])('is told %s', (error, spec) => {
    expect(validate('Pod', pod(spec))).toEqual([error])
  })

  it('keeps its spec', () => {
    expect(validate('Pod', pod({ nodeName: 'b' }), pod({ nodeName: 'a' }))).toEqual([
      'spec: Forbidden: pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)',
    ])
    expect(validate('Pod', pod({ containers: [container, { name: 'd', image: 'i' }] }), pod({}))).toEqual([
      'spec.containers: Forbidden: pod updates may not add or remove containers',
    ])
    expect(validate('Pod', pod({}), pod({ tolerations: [{ operator: 'Exists' }] }))).toEqual([
      'spec.tolerations: Forbidden: existing toleration can not be modified except its tolerationSeconds',
    ])
  })

  it('may change its images and get further tolerations', () => {
    const now = pod({ containers: [{ name: 'c', image: 'i:2' }], tolerations: [{ operator: 'Exists' }] })
    expect(validate('Pod', { ...now }, pod({ containers: [{ name: 'c', image: 'i:1' }] }))).toEqual([])
  })
})

describe('other kinds', () => {
  const daemonSet = (matchLabels: Fields, labels: Fields, spec: Fields = {}): Fields => ({
    spec: { selector: { matchLabels }, template: { metadata: { labels }, spec: { containers: [container], ...spec } } },
  })

  it.each<[error: string, kind: string, now: Fields, old?: Fields]>([
    [
      'spec.template.metadata.labels: Invalid value: {"a":"c"}: `selector` does not match template `labels`',
      'DaemonSet',
      daemonSet({ a: 'b' }, { a: 'c' }),
    ],
    ['spec.selector: Required value', 'Deployment', { spec: { template: { spec: { containers: [container] } } } }],
    [
      'spec.selector: Invalid value: {"matchLabels":{"a":"c"}}: field is immutable',
      'DaemonSet',
      daemonSet({ a: 'c' }, { a: 'c' }),
      daemonSet({ a: 'b' }, { a: 'b' }),
    ],
    [
      'spec.template.spec.restartPolicy: Unsupported value: "Never": supported values: "Always"',
      'DaemonSet',
      daemonSet({ a: 'b' }, { a: 'b' }, { restartPolicy: 'Never' }),
    ],
    ['data[.dockerconfigjson]: Required value', 'Secret', { type: 'kubernetes.io/dockerconfigjson' }],
    [
      `data[a b]: Invalid value: "a b": a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or 'KEY_NAME',  or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')`,
      'Secret',
      { data: { 'a b': '' } },
    ],
    ['type: Invalid value: "b": field is immutable', 'Secret', { type: 'b' }, { type: 'a' }],
    [
      'data: Forbidden: field is immutable when `immutable` is set',
      'ConfigMap',
      { immutable: true, data: { a: '2' } },
      { immutable: true, data: { a: '1' } },
    ],
    [
      'spec.leaseDurationSeconds: Invalid value: 0: must be greater than 0',
      'Lease',
      { spec: { leaseDurationSeconds: 0 } },
    ],
    [
      'metadata.taints[0].effect: Unsupported value: "Never": supported values: "NoSchedule", "PreferNoSchedule", "NoExecute"',
      'Node',
      { spec: { taints: [{ key: 'k', effect: 'Never' }] } },
    ],
    [
      'metadata.taints[1]: Duplicate value: {"key":"k","effect":"NoSchedule"}: taints must be unique by key and effect pair',
      'Node',
      { spec: { taints: ['k', 'k'].map((key) => ({ key, effect: 'NoSchedule' })) } },
    ],
    [
      'involvedObject.namespace: Invalid value: "other": does not match event.namespace',
      'Event',
      { involvedObject: { kind: 'Pod', namespace: 'other' } },
    ],
  ])('are told %s', (error, kind, now, old) => {
    expect(validate(kind, now, old)).toEqual([error])
  })
})

describe('a definition of a custom kind', () => {
  const define = (schema: Fields, change: Fields = {}): Fields => ({
    metadata: { name: 'things.example.com' },
    spec: {
      group: 'example.com',
      scope: 'Namespaced',
      names: { plural: 'things', singular: 'thing', kind: 'Thing', listKind: 'ThingList' },
      versions: [{ name: 'v1', served: true, storage: true, schema: { openAPIV3Schema: schema } }],
      ...change,
    },
  })
  const at = 'spec.validation.openAPIV3Schema'

  it('may be a good one', () => {
    const spec = {
      type: 'object',
      properties: { a: { type: 'string' } },
      'x-kubernetes-validations': [{ rule: 'self.a != ""' }],
    }
    expect(validate('CustomResourceDefinition', define({ type: 'object', properties: { spec } }))).toEqual([])
  })

  it.each<[error: string, definition: Fields]>([
    [`${at}.type: Required value: must not be empty at the root`, define({ properties: {} })],
    [`${at}.type: Invalid value: "string": must be object at the root`, define({ type: 'string' })],
    [
      `${at}.properties[a].type: Required value: must not be empty for specified object fields`,
      define({ type: 'object', properties: { a: {} } }),
    ],
    [
      `${at}.properties[a].items: Required value: must be specified`,
      define({ type: 'object', properties: { a: { type: 'array' } } }),
    ],
    [
      `${at}.anyOf[0].type: Forbidden: must be empty to be structural`,
      define({ type: 'object', anyOf: [{ type: 'object' }] }),
    ],
    [
      `${at}.properties[metadata]: Forbidden: must not specify anything other than name and generateName, but metadata is implicitly specified`,
      define({
        type: 'object',
        properties: { metadata: { type: 'object', properties: { labels: { type: 'object' } } } },
      }),
    ],
    [
      'metadata.name: Invalid value: "things.example.com": must be spec.names.plural+"."+spec.group',
      define({ type: 'object' }, { group: 'example.org' }),
    ],
    [
      'spec.versions[0].schema.openAPIV3Schema: Required value',
      define({}, { versions: [{ name: 'v1', served: true, storage: true }] }),
    ],
    [
      `${at}.x-kubernetes-validations[0].rule: Invalid value: {"Rule":"has(self.b)","Message":"m","MessageExpression":"","Reason":null,"FieldPath":"","OptionalOldSelf":null}: compilation failed: ERROR: <input>:1:10: undefined field 'b'\n | has(self.b)\n | .........^`,
      define({ type: 'object', 'x-kubernetes-validations': [{ rule: 'has(self.b)', message: 'm' }] }),
    ],
  ])('is told %s', (error, definition) => {
    expect(validate('CustomResourceDefinition', definition)).toEqual([error])
  })

  it('that needs what the sandbox cannot do is answered with 501', () => {
    const definition = define({ type: 'object', properties: { a: { type: 'object', oneOf: [{ required: ['b'] }] } } })
    expect(() => validate('CustomResourceDefinition', definition)).toThrow(/oneOf/)
  })
})

describe('a custom object', () => {
  const resource: ApiResource = {
    ...findResource('Pod'),
    group: 'example.com',
    kind: 'Thing',
    custom: true,
    schema: {
      type: 'object',
      properties: {
        spec: {
          type: 'object',
          required: ['a'],
          properties: { a: { type: 'string' }, b: { type: 'integer', default: 3 } },
          'x-kubernetes-validations': [{ rule: 'self.b < 5', message: 'b is too large' }],
        },
      },
    },
  }

  it('is pruned, defaulted and then held to its rules', () => {
    const object = complete(resource, { spec: { a: 'x', c: 1 } })
    expect(validator.prepare(resource, object).unknownFields).toEqual(['spec.c'])
    expect(object['spec']).toEqual({ a: 'x', b: 3 })
    expect(validator.validate({ resource, object })).toEqual([])
    expect(validator.validate({ resource, object: complete(resource, { spec: { a: 'x', b: 7 } }) })).toEqual([
      { field: 'spec', reason: 'FieldValueInvalid', message: 'Invalid value: b is too large' },
    ])
  })

  it('whose structure is wrong is not held to its rules', () => {
    const causes = validator.validate({ resource, object: complete(resource, { spec: { b: 7 } }) })
    const unchecked = expect.stringContaining('some validation rules were not checked')
    expect(causes).toEqual([
      { field: 'spec.a', reason: 'FieldValueRequired', message: 'Required value' },
      { field: '<nil>', reason: 'FieldValueInvalid', message: unchecked },
    ])
  })
})
