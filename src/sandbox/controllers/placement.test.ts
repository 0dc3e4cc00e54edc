import { describe, expect, it } from 'vitest'
import type { PodSpec } from '../apiserver/admission/pod-shape.ts'
import { type Node, placePod } from './placement.ts'
import { tolerates, tolerationSeconds } from './tolerations.ts'

describe('a toleration', () => {
  it.each([
    [{ operator: 'Exists' }, true],
    [{ key: 'k', operator: 'Exists' }, true],
    [{ key: 'k', operator: 'Exists', effect: 'NoSchedule' }, false],
    [{ key: 'k', value: 'v' }, true],
    [{ key: 'k', operator: 'Equal', value: 'v', effect: 'NoExecute' }, true],
    [{ key: 'k', value: 'w' }, false],
    [{ key: 'other', operator: 'Exists' }, false],
    [{}, false],
    [{ key: 'k', operator: 'Sometimes' }, false],
  ])('%j covers k=v:NoExecute: %s', (toleration, expected) => {
    expect(tolerates(toleration, { key: 'k', value: 'v', effect: 'NoExecute' })).toBe(expected)
  })

  it('gives the time until the first taint is no longer tolerated', () => {
    const taints = ['a', 'b'].map((key) => ({ key, effect: 'NoExecute' }))
    const [a, b] = [
      { key: 'a', operator: 'Exists', tolerationSeconds: 30 },
      { key: 'b', operator: 'Exists' },
    ]
    expect(tolerationSeconds(taints, [a, b])).toBe(30)
    expect(tolerationSeconds(taints, [b])).toBe(0)
    expect(tolerationSeconds(taints, [{ operator: 'Exists' }])).toBe(Number.POSITIVE_INFINITY)
    expect(tolerationSeconds([{ key: 'a', effect: 'NoSchedule' }], [])).toBe(Number.POSITIVE_INFINITY)
  })
})

describe('a pod', () => {
  const node: Node = {
    apiVersion: 'v1',
    kind: 'Node',
    metadata: { name: 'n1', labels: { zone: 'a', size: '5' } },
    spec: { taints: [] },
  }
  const affine = (...terms: object[]): Partial<PodSpec> => ({
    affinity: {
      nodeAffinity: { requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms: terms as never[] } },
    },
  })
  const term = (key: string, operator: string, ...values: string[]): object => ({
    matchExpressions: [{ key, operator, values }],
  })

  it.each<[fits: boolean, spec: Partial<PodSpec>]>([
    [true, {}],
    [true, { nodeSelector: { zone: 'a' } }],
    [false, { nodeSelector: { zone: 'b' } }],
    [false, { nodeSelector: { constructor: 'a' } }],
    [true, affine(term('zone', 'In', 'a', 'b'))],
    [false, affine(term('zone', 'NotIn', 'a'))],
    [true, affine(term('gone', 'NotIn', 'a'))],
    [true, affine(term('zone', 'Exists'))],
    [false, affine(term('zone', 'DoesNotExist'))],
    [true, affine(term('size', 'Gt', '4'))],
    [false, affine(term('size', 'Lt', '4'))],
    [false, affine(term('zone', 'Gt', '4'))],
    [true, affine(term('zone', 'In', 'b'), term('zone', 'In', 'a'))],
    [false, affine({})],
    [true, affine({ matchFields: [{ key: 'metadata.name', operator: 'In', values: ['n1'] }] })],
    [false, affine({ matchFields: [{ key: 'metadata.name', operator: 'In', values: ['n2'] }] })],
  ])('fits: %s, when it asks for %j', (fits, spec) => {
    expect(placePod({ containers: [], ...spec }, node).mayRun).toBe(fits)
  })

  it('may stay on a node that it may not come to', () => {
    const tainted = { ...node, spec: { taints: [{ key: 'k', effect: 'NoSchedule' }] } }
    expect(placePod({ containers: [] }, tainted)).toEqual({ mayRun: false, mayStay: true })
    const evicting = { ...node, spec: { taints: [{ key: 'k', effect: 'NoExecute' }] } }
    expect(placePod({ containers: [] }, evicting)).toEqual({ mayRun: false, mayStay: false })
  })
})
