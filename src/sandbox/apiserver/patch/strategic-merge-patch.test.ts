import { describe, expect, it } from 'vitest'
import { applyStrategicMergePatch } from './strategic-merge-patch.ts'

const pod = {
  metadata: { name: 'p', labels: { a: '1' }, finalizers: ['x/1'] },
  spec: {
    containers: [
      { name: 'one', image: 'i1', env: [{ name: 'A', value: '1' }], ports: [{ containerPort: 80, name: 'http' }] },
      { name: 'two', image: 'i2' },
    ],
    tolerations: [{ key: 'a', operator: 'Exists' }],
  },
  status: { conditions: [{ type: 'Ready', status: 'False' }] },
}

const apply = (patch: unknown): unknown => applyStrategicMergePatch('Pod', pod, patch)

describe('a strategic merge patch', () => {
  it('merges containers by name and their variables by name', () => {
    const env = [{ name: 'B', value: '2' }]
    expect(apply({ spec: { containers: [{ name: 'one', env }] } })).toEqual({
      ...pod,
      spec: {
        ...pod.spec,
        containers: [{ ...pod.spec.containers[0], env: [...env, { name: 'A', value: '1' }] }, pod.spec.containers[1]],
      },
    })
  })

  it('replaces lists without merge keys, as tolerations are', () => {
    const tolerations = [{ key: 'b' }]
    expect(apply({ spec: { tolerations } })).toMatchObject({ spec: { tolerations } })
  })

  it('merges conditions by type', () => {
    const conditions = [
      { type: 'Ready', status: 'True' },
      { type: 'PodScheduled', status: 'True' },
    ]
    expect(apply({ status: { conditions } })).toMatchObject({ status: { conditions } })
  })

  it('adds finalizers to a set and removes those that it is told to', () => {
    expect(apply({ metadata: { finalizers: ['x/2', 'x/1'] } })).toMatchObject({
      metadata: { finalizers: ['x/2', 'x/1'] },
    })
    const removed = apply({ metadata: { '$deleteFromPrimitiveList/finalizers': ['x/1'] } })
    expect(removed).toMatchObject({ metadata: { finalizers: [] } })
  })

  it('removes fields by null and list items by $patch', () => {
    const patched = apply({
      metadata: { labels: { a: null, b: '2' } },
      spec: { containers: [{ name: 'two', $patch: 'delete' }] },
    })
    expect(patched).toEqual({
      ...pod,
      metadata: { ...pod.metadata, labels: { b: '2' } },
      spec: { ...pod.spec, containers: [pod.spec.containers[0]] },
    })
  })

  it('replaces a whole list or object when told to', () => {
    const patched = apply({ spec: { containers: [{ $patch: 'replace' }, { name: 'three' }] } })
    expect(patched).toMatchObject({ spec: { containers: [{ name: 'three' }] } })
    expect(apply({ metadata: { $patch: 'replace', name: 'q' } })).toMatchObject({ metadata: { name: 'q' } })
    expect(apply({ metadata: { $patch: 'replace', name: 'q' } })).not.toHaveProperty('metadata.labels')
  })

  it('orders a list as it is told, and drops what is not to be retained', () => {
    const order = [{ name: 'two' }, { name: 'one' }]
    const patched = apply({ spec: { '$setElementOrder/containers': order } })
    expect(patched).toMatchObject({ spec: { containers: order } })
    expect(patched).not.toHaveProperty(['spec', '$setElementOrder/containers'])
    expect(apply({ metadata: { $retainKeys: ['name'] } })).toMatchObject({ metadata: { name: 'p' } })
    expect(apply({ metadata: { $retainKeys: ['name'] } })).not.toHaveProperty('metadata.labels')
  })

  it('knows the pod template of a DaemonSet', () => {
    const template = {
      spec: {
        containers: [
          { name: 'a', image: '1' },
          { name: 'b', image: '1' },
        ],
      },
    }
    const patch = { spec: { template: { spec: { containers: [{ name: 'b', image: '2' }] } } } }
    expect(applyStrategicMergePatch('DaemonSet', { spec: { template } }, patch)).toEqual({
      spec: {
        template: {
          spec: {
            containers: [
              { name: 'a', image: '1' },
              { name: 'b', image: '2' },
            ],
          },
        },
      },
    })
  })

  it('refuses items without their merge key and unknown directives', () => {
    expect(() => apply({ spec: { containers: [{ image: 'x' }] } })).toThrow('does not contain declared merge key: name')
    expect(() => apply({ metadata: { $patch: 'explode' } })).toThrow(
      'unknown patch type: explode in map: map[$patch:explode]',
    )
  })
})
