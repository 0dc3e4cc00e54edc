import { describe, expect, it } from 'vitest'
import type { ApiObject } from '../object.ts'
import { builtInColumns } from './built-in.ts'

const nowMs = Date.UTC(2026, 0, 1, 1)
const created = '2026-01-01T00:00:00Z'

/** The cells of an object by the names of their columns. */
function cells(
  resource: string,
  fields: Record<string, unknown>,
  metadata: Partial<ApiObject['metadata']> = {},
): unknown {
  const object: ApiObject = {
    apiVersion: 'v1',
    kind: 'Any',
    metadata: { name: 'x', creationTimestamp: created, ...metadata },
    ...fields,
  }
  return Object.fromEntries((builtInColumns[resource] ?? []).map((column) => [column.name, column.cell(object, nowMs)]))
}

describe('the columns of built-in kinds', () => {
  it('tell of a node whether it is ready, cordoned, and what it runs', () => {
    const node = {
      spec: { unschedulable: true },
      status: {
        conditions: [{ type: 'Ready', status: 'False' }],
        addresses: [{ type: 'InternalIP', address: '10.0.0.1' }],
        nodeInfo: { kubeletVersion: 'v1', kernelVersion: '6.1', architecture: 'amd64' },
      },
    }
    const labels = { 'node-role.kubernetes.io/worker': '', 'kubernetes.io/role': 'edge', other: '' }
    expect(cells('nodes', node, { labels })).toEqual({
      Name: 'x',
      Status: 'NotReady,SchedulingDisabled',
      Roles: 'edge,worker',
      Age: '60m',
      Version: 'v1',
      'Internal-IP': '10.0.0.1',
      'External-IP': '<none>',
      'OS-Image': '<unknown>',
      'Kernel-Version': '6.1 (amd64)',
      'Container-Runtime': '<unknown>',
    })
    expect(cells('nodes', {})).toMatchObject({ Status: 'Unknown', Roles: '<none>' })
  })

  it('count the pods of a DaemonSet and name its nodes, containers and selector', () => {
    const containers = [
      { name: 'a', image: 'i' },
      { name: 'b', image: 'j' },
    ]
    const matchExpressions = [{ key: 'k', operator: 'In', values: ['1', '2'] }]
    const daemonSet = {
      spec: {
        selector: { matchLabels: { app: 'x' }, matchExpressions },
        template: { spec: { containers, nodeSelector: { disk: 'ssd' } } },
      },
      status: { desiredNumberScheduled: 3, currentNumberScheduled: 3, numberReady: 2, updatedNumberScheduled: 1 },
    }
    expect(cells('daemonsets.apps', daemonSet)).toEqual({
      Name: 'x',
      Desired: 3,
      Current: 3,
      Ready: 2,
      'Up-to-date': 1,
      Available: 0,
      'Node Selector': 'disk=ssd',
      Age: '60m',
      Containers: 'a,b',
      Images: 'i,j',
      Selector: 'app=x,k in (1,2)',
    })
  })

  it('tell of an event what happened to what, when last and how often', () => {
    const event = {
      type: 'Warning',
      reason: 'Failed',
      involvedObject: { kind: 'Pod', name: 'p', fieldPath: 'spec.containers{a}' },
      message: ' it failed \n',
      source: { component: 'kubelet', host: 'n' },
      firstTimestamp: '2026-01-01T00:10:00Z',
      lastTimestamp: '2026-01-01T00:59:30Z',
      count: 4,
    }
    expect(cells('events', event)).toEqual({
      'Last Seen': '30s',
      Type: 'Warning',
      Reason: 'Failed',
      Object: 'pod/p',
      Subobject: 'spec.containers{a}',
      Source: 'kubelet, n',
      Message: 'it failed',
      'First Seen': '50m',
      Count: 4,
      Name: 'x',
    })
    const series = { eventTime: '2026-01-01T00:30:00Z', series: { count: 7, lastObservedTime: '2026-01-01T00:59:00Z' } }
    expect(cells('events', series)).toMatchObject({ 'Last Seen': '60s', 'First Seen': '30m', Count: 7 })
  })

  it('tell the little that there is of other kinds', () => {
    expect(cells('namespaces', { status: { phase: 'Active' } })).toMatchObject({ Status: 'Active' })
    expect(cells('secrets', { type: 'Opaque', data: { a: '', b: '' } })).toMatchObject({ Type: 'Opaque', Data: 2 })
    expect(cells('configmaps', { data: { a: '' }, binaryData: { b: '' } })).toMatchObject({ Data: 2 })
    expect(cells('leases.coordination.k8s.io', { spec: { holderIdentity: 'me' } })).toMatchObject({ Holder: 'me' })
    expect(cells('leases.coordination.k8s.io', {})).toMatchObject({ Holder: '<none>' })
    expect(cells('customresourcedefinitions.apiextensions.k8s.io', {})).toEqual({ Name: 'x', 'Created At': created })
    const hard = { pods: '5', 'limits.cpu': '2' }
    expect(cells('resourcequotas', { status: { hard, used: { pods: '1', 'limits.cpu': '0' } } })).toMatchObject({
      Request: 'pods: 1/5',
      Limit: 'limits.cpu: 0/2',
    })
  })
})
