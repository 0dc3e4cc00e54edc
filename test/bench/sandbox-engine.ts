import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import type { Node } from 'kubernetes-types/core/v1.js'
import { getDevicePluginReadyLabel, getKernelModuleReadyNodeLabel } from '../../src/api/labels.ts'
import type { Module } from '../../src/api/module.ts'
import { modules } from '../../src/api/resources.ts'
import { readModulesTree } from '../../src/cli/demo/modules-image.ts'
import { configMaps, namespaces, nodes } from '../../src/kube/core-resources.ts'
import { defineResource } from '../../src/kube/resource.ts'
import { buildImage } from '../../src/oci/image-builder.ts'
import { pushImage } from '../../src/oci/push.ts'
import { parseReference } from '../../src/oci/reference.ts'
import { createRegistry } from '../../src/oci/registry.ts'
import { type EmbeddedSandbox, type Sandbox, startSandbox } from '../../src/sandbox/sandbox.ts'

const kernel = '6.1.0-56-amd64'
const selector = { 'node-role.kubernetes.io/worker': '' }
const moduleResource = defineResource<Module>(modules)

/** The operator's namespace. */
export const operatorNamespace = 'kmm-operator-system'

/** What the nodes of a benchmark do with worker pods: run the worker, or let them end well at once. */
export type Workers = 'real' | 'instant'

/** Starts a cluster of `count` nodes, with the operator's configuration and a namespace for Modules. */
export async function startCluster(count: number, workers: Workers): Promise<EmbeddedSandbox> {
  const names = Array.from({ length: count }, (_, index) => `node-${String(index).padStart(5, '0')}`)
  const sandbox = await startSandbox({
    nodes: names.map((name) => ({ name, kernel, labels: selector })),
    rules: workers === 'real' ? [] : [{ match: { name: '^kmm-worker-' }, behaviour: { do: 'report' } }],
  })
  const labels = { 'pod-security.kubernetes.io/enforce': 'privileged' }
  await sandbox.client.create(namespaces, { metadata: { name: 'bench', labels } })
  // Ports of its own, so that it disturbs nobody.
  const config = 'healthProbeBindAddress: 127.0.0.1:0\nmetrics: {bindAddress: "0"}\n'
  await sandbox.client.create(configMaps, {
    metadata: { namespace: operatorNamespace, name: 'kmm-operator-manager-config' },
    data: { 'controller_config.yaml': config },
  })
  return sandbox
}

/** Pushes the compiled example modules; answers the image. */
export async function pushExample(sandbox: Sandbox): Promise<string> {
  const image = `${sandbox.registry.address}/bench:${kernel}`
  const registry = createRegistry({ settings: {}, tls: { insecure: true, insecureSkipTLSVerify: false } })
  try {
    const files = await readModulesTree(join('examples/kmod/prebuilt', kernel), kernel)
    await pushImage(registry, parseReference(image), await buildImage({ files }))
  } finally {
    await registry.close()
  }
  return image
}

/** Creates the Module that all nodes want, with a device plugin or without. */
export async function createModule(sandbox: Sandbox, containerImage: string, withPlugin: boolean): Promise<void> {
  await sandbox.client.create(moduleResource, {
    apiVersion: 'kmm.sigs.x-k8s.io/v1beta1',
    kind: 'Module',
    metadata: { namespace: 'bench', name: 'demo' },
    spec: {
      selector,
      ...(withPlugin ? { devicePlugin: { container: { image: 'registry.example/plugin:1' } } } : {}),
      moduleLoader: {
        container: {
          modprobe: { moduleName: 'kmm_demo' },
          registryTLS: { insecure: true },
          kernelMappings: [{ regexp: '^.+$', containerImage }],
        },
      },
    },
  })
}

/** When nodes became ready, or their device plugins, in the order in which they did: `performance.now()`. */
export function watchReady(
  sandbox: EmbeddedSandbox,
  ofPlugin: boolean,
): { times: readonly number[]; end: () => unknown } {
  const label = (ofPlugin ? getDevicePluginReadyLabel : getKernelModuleReadyNodeLabel)('bench', 'demo')
  const ready = new Set<string>()
  const times: number[] = []
  const end = sandbox.api.store.subscribe(nodes, ({ object }) => {
    const { name, labels } = object.metadata
    if (labels?.[label] === undefined || ready.has(name)) return
    ready.add(name)
    times.push(performance.now())
  })
  return { times, end }
}

/** The operator's writes since the `from`-th of all, without its Lease, as `verb resource/subresource`. */
export function listOperatorWrites(sandbox: Sandbox, from: number): string[] {
  return sandbox.writes
    .slice(from)
    .filter(({ userAgent, resource }) => userAgent.startsWith('kmm-operator') && resource !== 'leases')
    .map(({ verb, resource, subresource }) => `${verb} ${resource}${subresource ? `/${subresource}` : ''}`)
}

/** Resolves when `holds` does; rejects after a time. */
export async function until(what: string, holds: () => boolean, timeoutMs: number): Promise<void> {
  const startedMs = performance.now()
  while (!holds()) {
    if (performance.now() - startedMs > timeoutMs) throw new Error(`not within ${timeoutMs / 1_000} s: ${what}`)
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}

/** Resolves when the operator has written nothing for a time. */
export async function untilQuiet(sandbox: Sandbox, quietMs: number): Promise<void> {
  let writes = -1
  for (let now = 0; writes !== now; now = listOperatorWrites(sandbox, 0).length) {
    writes = now
    await new Promise((resolve) => setTimeout(resolve, quietMs))
  }
}

/** True when the Module says that all its nodes are ready. */
export function isModuleReady({ api }: EmbeddedSandbox): boolean {
  const module = api.store.find(modules, { namespace: 'bench', name: 'demo' }) as Module | undefined
  return module?.status?.conditions?.some(({ type, status }) => type === 'Ready' && status === 'True') === true
}

async function createBareNode(sandbox: Sandbox, name: string): Promise<void> {
  const conditions = [{ type: 'Ready', status: 'True', reason: 'KubeletReady', message: '' }]
  const body = { status: { conditions } } as Pick<Node, 'status'>
  await sandbox.client.create(nodes, { metadata: { name } })
  await sandbox.client.patch(nodes, { name }, { type: 'merge', body }, { subresource: 'status' })
}

/** Seconds that the useful writes for `count` nodes take one client, in a cluster where nobody acts on them. */
export async function measureCeiling(count: number): Promise<number> {
  const sandbox = await startSandbox()
  try {
    for (let index = 0; index < count; index++) await createBareNode(sandbox, `blind-${index}`)
    const argv = ['--import', 'tsx', 'test/bench/blind-client.ts', sandbox.kubeconfigPath, String(count)]
    const child = spawn(process.execPath, argv, { stdio: ['ignore', 'pipe', 'inherit'] })
    const [printed] = await Promise.all([text(child.stdout), once(child, 'close')])
    if (child.exitCode !== 0) throw new Error('the blind client failed')
    return Number(printed)
  } finally {
    await sandbox.stop()
  }
}
