/**
 * The ceiling: issues the six useful writes of each node, and the kubelet's one, as fast as the API server takes them, and
 * prints the seconds: `npx tsx test/bench/blind-client.ts KUBECONFIG NODES`. Nobody must act on what it writes.
 */
import { randomUUID } from 'node:crypto'
import type { Pod } from 'kubernetes-types/core/v1.js'
import type { NodeModulesConfig } from '../../src/api/node-modules-config.ts'
import { nodeModulesConfigs } from '../../src/api/resources.ts'
import { nodes, pods } from '../../src/kube/core-resources.ts'
import { recordEvent } from '../../src/kube/events.ts'
import { createKubeClient } from '../../src/kube/http-client.ts'
import { loadKubeconfig } from '../../src/kube/kubeconfig.ts'
import { defineResource } from '../../src/kube/resource.ts'

const atOnce = 48
const configs = defineResource<NodeModulesConfig>(nodeModulesConfigs)
const config = {
  kernelVersion: '6.1.0-56-amd64',
  containerImage: 'registry.example/image:1',
  imagePullPolicy: '',
  insecurePull: false,
  modprobe: { moduleName: 'kmm_demo' },
}
const entry = { namespace: 'default', name: 'demo', serviceAccountName: 'default', config }

const [path = '', count = '0'] = process.argv.slice(2)
const client = createKubeClient({ connection: loadKubeconfig({ path }), userAgent: 'kmm-ceiling/1' })

const buildPod = (node: string): Pod => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { namespace: 'default', name: `kmm-worker-${node}-demo`, labels: { 'bench.example/worker': 'Load' } },
  spec: {
    nodeName: node,
    restartPolicy: 'OnFailure',
    containers: [{ name: 'worker', image: 'registry.example/worker:1', args: ['kmod', 'load', '/etc/config.yaml'] }],
  },
})

async function writeAll(node: string): Promise<void> {
  const api = { apiVersion: 'kmm.sigs.x-k8s.io/v1beta1', kind: 'NodeModulesConfig' }
  await client.create(configs, { ...api, metadata: { name: node }, spec: { modules: [entry] } })
  const pod = await client.create(pods, buildPod(node))
  const key = { namespace: 'default', name: pod.metadata?.name ?? '' }
  const status = { phase: 'Succeeded' }
  await client.patch(pods, key, { type: 'merge', body: { status } }, { subresource: 'status' })
  const loaded = { status: { modules: [{ ...entry, bootId: randomUUID() }] } }
  await client.patch(configs, { name: node }, { type: 'merge', body: loaded }, { subresource: 'status' })
  const labels = { 'kmm.node.kubernetes.io/default.demo.ready': '' }
  await client.patch(nodes, { name: node }, { type: 'merge', body: { metadata: { labels } } })
  await recordEvent(client, {
    name: `${node}.${randomUUID()}`,
    regarding: { apiVersion: 'v1', kind: 'Node', name: node },
    type: 'Normal',
    reason: 'ModuleLoaded',
    message: 'Module default/demo loaded into the kernel',
  })
  await client.delete(pods, key)
}

const open = Array.from({ length: Number(count) }, (_, index) => `blind-${index}`)
const startedMs = performance.now()
await Promise.all(
  Array.from({ length: atOnce }, async () => {
    for (let node = open.shift(); node !== undefined; node = open.shift()) await writeAll(node)
  }),
)
process.stdout.write(`${((performance.now() - startedMs) / 1_000).toFixed(2)}\n`)
await client.close()
