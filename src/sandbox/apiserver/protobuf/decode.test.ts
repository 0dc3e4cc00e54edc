import { describe, expect, it } from 'vitest'
import { decodeProtobuf } from './decode.ts'

/** A field with a length: a string, or a message made of fields. */
function field(number: number, ...parts: (string | Buffer)[]): Buffer {
  const content = Buffer.concat(parts.map((part) => Buffer.from(part)))
  return Buffer.concat([Buffer.from([number * 8 + 2, content.length]), content])
}

const varint = (number: number, value: number): Buffer => Buffer.from([number * 8, value])

function body(apiVersion: string, kind: string, ...fields: Buffer[]): Buffer {
  return Buffer.concat([Buffer.from('k8s\0'), field(1, field(1, apiVersion), field(2, kind)), field(2, ...fields)])
}

describe('a protobuf body', () => {
  it('of a secret becomes the JSON that it stands for', () => {
    const label = field(11, field(1, 'a'), field(2, 'b'))
    const time = field(8, varint(1, 60))
    const metadata = field(1, field(1, 'name'), field(2, ''), label, time, field(14, 'x/y'), field(14, 'x/z'))
    const data = field(2, field(1, 'key'), field(2, Buffer.from([0, 255])))
    expect(decodeProtobuf(body('v1', 'Secret', metadata, data, field(3, 'Opaque'), varint(5, 1)))).toEqual({
      apiVersion: 'v1',
      kind: 'Secret',
      metadata: {
        name: 'name',
        labels: { a: 'b' },
        creationTimestamp: '1970-01-01T00:01:00Z',
        finalizers: ['x/y', 'x/z'],
      },
      data: { key: 'AP8=' },
      type: 'Opaque',
      immutable: true,
    })
  })

  it('of a quota has its amounts as text', () => {
    const hard = field(1, field(1, 'pods'), field(2, field(1, '5')))
    expect(decodeProtobuf(body('v1', 'ResourceQuota', field(2, hard)))).toMatchObject({ spec: { hard: { pods: '5' } } })
  })

  it('of delete options has their numbers, negative ones too', () => {
    const minusOne = Buffer.from([8, 255, 255, 255, 255, 255, 255, 255, 255, 255, 1])
    expect(decodeProtobuf(body('v1', 'DeleteOptions', minusOne))).toMatchObject({ gracePeriodSeconds: -1 })
  })

  it('of a kind that is not known here is not imitated', () => {
    expect(() => decodeProtobuf(body('apps/v1', 'Deployment'))).toThrow('protobuf bodies of Deployment')
  })

  it('that is broken is refused', () => {
    expect(() => decodeProtobuf(Buffer.from('{}'))).toThrow('does not appear to be a protobuf message')
    const whole = body('v1', 'ConfigMap', field(1, field(1, 'name')))
    for (let cut = 1; cut < 10; cut++) {
      expect(() => decodeProtobuf(whole.subarray(0, -cut))).toThrow('the protobuf body is broken')
    }
  })
})
