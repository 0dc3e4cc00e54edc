import type { DaemonSet } from 'kubernetes-types/apps/v1.js'
import type { Pod } from 'kubernetes-types/core/v1.js'
import { afterAll, beforeAll, expect, it, vi } from 'vitest'
import { hasCode } from '../../src/errors/error.ts'
import { daemonSets, leases, nodes, pods } from '../../src/kube/core-resources.ts'
import { createKubeClient, type HttpKubeClient } from '../../src/kube/http-client.ts'
import { loadKubeconfig } from '../../src/kube/kubeconfig.ts'
import { type KubernetesSandbox, startSandbox } from '../../src/sandbox/sandbox.ts'
import { findTestBinaries } from './binaries.ts'
import { tally } from './tally.ts'

const labels = { app: 'plugin' }
const waiting = { timeout: 60_000, interval: 100 }

let sandbox: KubernetesSandbox
beforeAll(async () => {
  const kernel = '6.1.0-56-amd64'
  sandbox = await startSandbox({
    engine: 'kubernetes',
    binaries: await findTestBinaries(),
    nodes: ['n1', 'n2'].map((name) => ({ name, kernel, labels: { zone: name } })),
  })
})
afterAll(async () => {
  tally(sandbox.controlPlane)
  await sandbox.stop()
})

async function asUser<T>(kubeconfig: string, act: (client: HttpKubeClient) => Promise<T>): Promise<T> {
  const client = createKubeClient({ connection: loadKubeconfig({ text: kubeconfig }), userAgent: 'test/1' })
  try {
    return await act(client)
  } finally {
    await client.close()
  }
}

const listPods = async (): Promise<Pod[]> => (await sandbox.client.list(pods, { namespace: 'default' })).items

const daemonSet = (name: string): DaemonSet => ({
  metadata: { name, namespace: 'default' },
  spec: {
    selector: { matchLabels: labels },
    template: {
      metadata: { labels },
      spec: { containers: [{ name: 'main', image: 'registry.example/plugin:1' }], terminationGracePeriodSeconds: 1 },
    },
  },
})

it('is a real API server of the version that was asked for, with KMM’s resources', async () => {
  expect(sandbox.version).toMatch(/^v1\.\d+\.\d+$/)
  expect(sandbox.version).toBe(sandbox.controlPlane.version)
  const list = await sandbox.client.getRaw('/apis/kmm.sigs.x-k8s.io/v1beta1/modules')
  expect(JSON.parse(list)).toMatchObject({ kind: 'ModuleList', items: [] })
})

it('keeps virtual nodes ready by their Leases, and untainted', async () => {
  const [node] = (await sandbox.client.list(nodes)).items
  expect(node?.spec?.taints).toBeUndefined()
  const renewed = async () =>
    (await sandbox.client.get(leases, { namespace: 'kube-node-lease', name: 'n1' })).spec?.renewTime
  const before = await renewed()
  await vi.waitFor(async () => expect(await renewed()).not.toBe(before), waiting)
})

it('runs the pods of a real DaemonSet on virtual nodes, and shows their logs and their end', async () => {
  await sandbox.client.create(daemonSets, daemonSet('plugin'))
  const isAllReady = async (): Promise<void> => {
    const { status } = await sandbox.client.get(daemonSets, { namespace: 'default', name: 'plugin' })
    expect(status?.numberReady).toBe(2)
  }
  await vi.waitFor(isAllReady, waiting)
  const found = await listPods()
  expect(new Set(found.map(({ spec }) => spec?.nodeName))).toEqual(new Set(['n1', 'n2']))
  const log = `/api/v1/namespaces/default/pods/${found[0]?.metadata?.name}/log`
  expect(await sandbox.client.getRaw(log)).toBe('')
  await expect(sandbox.client.getRaw(`${log}?previous=true`)).rejects.toThrow('previous terminated container "main"')
  await sandbox.client.delete(daemonSets, { namespace: 'default', name: 'plugin' })
  await vi.waitFor(async () => expect(await listPods()).toEqual([]), waiting)
})

it('gives the output of a container, as it was kept on the node', async () => {
  const name = 'talker'
  const worker = { name: 'worker', image: sandbox.workerImage, args: ['kmod', 'load', '/nowhere'] }
  await sandbox.client.create(pods, {
    metadata: { name, namespace: 'default' },
    spec: { nodeName: 'n1', restartPolicy: 'Never', automountServiceAccountToken: false, containers: [worker] },
  })
  const isOver = async (): Promise<void> => {
    const { status } = await sandbox.client.get(pods, { namespace: 'default', name })
    expect(status?.phase).toBe('Failed')
  }
  await vi.waitFor(isOver, waiting)
  const path = `/api/v1/namespaces/default/pods/${name}/log`
  expect(await sandbox.client.getRaw(path)).toContain('/nowhere')
  expect(await sandbox.client.getRaw(`${path}?tailLines=1&timestamps=true`)).toMatch(/^\d{4}-\d\d-\d\dT[^\n]*\n$/)
})

it('has the real controller find a silent node unreachable, and ready again when it speaks', async () => {
  const node = sandbox.node('n2')
  const taints = async (): Promise<(string | undefined)[]> =>
    ((await sandbox.client.get(nodes, { name: 'n2' })).spec?.taints ?? []).map(({ key }) => key)
  await node?.setReady(false)
  expect(await taints()).toContain('node.kubernetes.io/unreachable')
  await node?.setReady(true)
  expect(await taints()).toEqual([])
})

it('records each write with who made it', async () => {
  const from = sandbox.writes.length
  await sandbox.node('n1')?.label({ marked: 'yes' })
  await vi.waitFor(() => {
    const own = sandbox.writes.slice(from).filter(({ name, resource }) => name === 'n1' && resource === 'nodes')
    expect(own).toEqual([
      {
        verb: 'patch',
        group: '',
        resource: 'nodes',
        name: 'n1',
        userAgent: 'kmm-sandbox-node/1',
        user: 'kmm-sandbox-nodes',
        status: 200,
      },
    ])
  }, waiting)
})

it('lets nobody do more than RBAC and the node authorizer allow', async () => {
  const stranger = sandbox.kubeconfigFor({ name: 'stranger', groups: ['system:authenticated'] })
  await expect(asUser(stranger, (client) => client.list(nodes))).rejects.toThrow('stranger')
  const { kubeconfig } = sandbox.controlPlane.kubeletCredentials('n1', '127.0.0.1')
  const label = (name: string) => (client: HttpKubeClient) =>
    client.patch(nodes, { name }, { type: 'merge', body: { metadata: { labels: { touched: 'yes' } } } })
  await asUser(kubeconfig, label('n1'))
  const refused = await asUser(kubeconfig, label('n2')).catch((error: unknown) => error)
  expect(hasCode(refused, 'Forbidden')).toBe(true)
})
