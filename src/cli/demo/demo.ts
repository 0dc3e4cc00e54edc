import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { parseAllDocuments } from 'yaml'
import type { Module } from '../../api/module.ts'
import { modules as modulesResource, nodeModulesConfigs } from '../../api/resources.ts'
import { describeError, hasCode, KmmError } from '../../errors/error.ts'
import type { KubeClient } from '../../kube/client.ts'
import { configMaps, namespaces } from '../../kube/core-resources.ts'
import { defineResource } from '../../kube/resource.ts'
import { buildImage } from '../../oci/image-builder.ts'
import { pushImage } from '../../oci/push.ts'
import { parseReference } from '../../oci/reference.ts'
import { createRegistry } from '../../oci/registry.ts'
import { startSandbox, type Sandbox } from '../../sandbox/sandbox.ts'
import { describeObject } from '../describe.ts'
import type { EngineChoice } from '../engine.ts'
import { fetchTable } from '../table.ts'
import { type ClusterWatch, watchCluster } from './cluster-watch.ts'
import { readModulesTree } from './modules-image.ts'
import type { Narrator } from './narrator.ts'
import { type NodePhase, tellPhase } from './node-progress.ts'
import { startOperatorProcess } from './operator-process.ts'

/** What the demo is started with. */
export interface DemoOptions {
  /** The folder with `examples/`, `deploy/` and `dist/`. */
  root: string
  narrator: Narrator
  engine: EngineChoice
  /** Stays up at the end until the signal is aborted, and deletes nothing. */
  keep: boolean
  signal: AbortSignal
}

const kernels = ['6.1.0-56-amd64', '6.1.0-55-amd64'] as const
const workerLabel = { 'node-role.kubernetes.io/worker': '' }
const key = { namespace: 'kmm-demo', name: 'kmm-demo' }
const moduleResource = defineResource<Module>(modulesResource)
const operatorNamespace = 'kmm-operator-system'
const timeoutMs = 45_000

interface Stage extends DemoOptions {
  sandbox: Sandbox
  cluster: ClusterWatch
  client: KubeClient
}

async function pushImages({ root, sandbox, narrator, signal }: Omit<Stage, 'cluster' | 'client'>): Promise<void> {
  const registry = createRegistry({ settings: {}, tls: { insecure: true, insecureSkipTLSVerify: false } })
  try {
    for (const kernel of kernels) {
      const image = `${sandbox.registry.address}/kmm-demo:${kernel}`
      const files = await readModulesTree(join(root, 'examples/kmod/prebuilt', kernel), kernel)
      const { digest } = await pushImage(registry, parseReference(image), await buildImage({ files }), signal)
      narrator.tell({
        event: 'imagePushed',
        fields: { image, digest },
        text: `pushed ${image}, with kmm_demo.ko for that kernel`,
      })
    }
  } finally {
    await registry.close()
  }
}

/** The example as a user has it, with the sandbox's registry, which speaks plain HTTP. */
async function readExample(root: string, registryAddress: string): Promise<{ namespace: object; module: Module }> {
  const text = await readFile(join(root, 'examples/module.yaml'), 'utf8')
  const [namespace, module] = parseAllDocuments(text.replaceAll('registry.example', registryAddress), {
    version: '1.1',
  }).map((document) => document.toJS() as unknown) as [object, Module]
  const container = module.spec?.moduleLoader?.container
  if (container) container.registryTLS = { insecure: true }
  return { namespace, module }
}

function listLoaded(sandbox: Sandbox, node: string): string[] {
  return (sandbox.node(node)?.kernel.loadedModules() ?? []).map(({ name }) => name)
}

interface Seen {
  name: string
  kernel: string
  phase: NodePhase
}

function lookAtNodes(cluster: ClusterWatch): Seen[] {
  return cluster.listNodes().map(({ metadata, status }) => {
    const { name = '', labels = {} } = metadata ?? {}
    const phase = tellPhase({ labels, config: cluster.findConfig(name) }, key)
    return { name, kernel: status?.nodeInfo?.kernelVersion ?? '', phase }
  })
}

/** Tells of each node's progress as it happens; the answer reads the present phases. */
function narrateNodes({ cluster, narrator, sandbox }: Stage): () => ReadonlyMap<string, NodePhase> {
  const phases = new Map<string, NodePhase>()
  const look = (): void => {
    for (const { name, kernel, phase } of lookAtNodes(cluster)) {
      const before = phases.get(name) ?? 'untouched'
      phases.set(name, phase)
      if (phase === before) continue
      const modules = listLoaded(sandbox, name)
      const seen = phase === 'loaded' ? `; its kernel has ${modules.join(', ')}` : ''
      const text = `${name.padEnd(7)} ${kernel.padEnd(15)} ${before} → ${phase}${seen}`
      narrator.tell({ event: 'node', fields: { node: name, kernel, phase, modules }, text })
    }
  }
  look()
  cluster.onChange(look)
  return () => phases
}

const isAll = (phases: ReadonlyMap<string, NodePhase>, phase: NodePhase): boolean =>
  phases.size > 0 && [...phases.values()].every((each) => each === phase)

async function showModule({ cluster, narrator, client }: Stage): Promise<void> {
  narrator.show(`kubectl -n ${key.namespace} get module ${key.name}`, await fetchTable(client, moduleResource, key))
  const module = await client.get(moduleResource, key)
  const events = cluster.listEvents().filter(({ involvedObject }) => involvedObject.uid === module.metadata.uid)
  narrator.show(`kubectl -n ${key.namespace} describe module ${key.name}`, describeObject(module, events))
  narrator.show('kubectl get nodemodulesconfigs', await fetchTable(client, defineResource(nodeModulesConfigs)))
}

async function loadAndShow(stage: Stage, phases: () => ReadonlyMap<string, NodePhase>): Promise<void> {
  const { cluster, narrator, root, sandbox, client } = stage
  narrator.chapter('Applying examples/module.yaml')
  const { namespace, module } = await readExample(root, sandbox.registry.address)
  await client.create(namespaces, namespace)
  await client.create(moduleResource, module)
  await cluster.until(
    'all nodes have the module and its device plugin',
    () => isAll(phases(), 'device plugin ready'),
    timeoutMs,
  )
  const isReady = (): boolean =>
    cluster.findModule(key)?.status?.conditions?.some(({ type, status }) => type === 'Ready' && status === 'True') ===
    true
  await cluster.until('the Module says that it is ready', isReady, timeoutMs)
  narrator.chapter('What an administrator sees')
  await showModule(stage)
}

async function deleteAndShow(stage: Stage, phases: () => ReadonlyMap<string, NodePhase>): Promise<void> {
  const { cluster, narrator, client, sandbox } = stage
  narrator.chapter('Deleting the Module')
  await client.delete(moduleResource, key)
  await cluster.until('the Module is gone', () => cluster.findModule(key) === undefined, timeoutMs)
  await cluster.until('nothing of it is left on the nodes', () => isAll(phases(), 'untouched'), timeoutMs)
  for (const node of cluster.listNodes()) {
    const name = node.metadata?.name ?? ''
    const modules = listLoaded(sandbox, name)
    narrator.tell({
      event: 'unloaded',
      fields: { node: name, modules },
      text: `${name.padEnd(7)} kernel modules left: ${modules.join(', ') || 'none'}`,
    })
    if (modules.includes('kmm_demo')) throw new Error(`kmm_demo is still in the kernel of ${name}`)
  }
}

async function play(stage: Stage): Promise<void> {
  const { narrator, keep, sandbox, signal } = stage
  const phases = narrateNodes(stage)
  await loadAndShow(stage, phases)
  if (!keep) return deleteAndShow(stage, phases)
  narrator.tell({
    event: 'staying',
    fields: { kubeconfig: sandbox.kubeconfigPath },
    text: `staying up until Ctrl-C; try: kubectl --kubeconfig ${sandbox.kubeconfigPath} get modules -A`,
  })
  return whenAborted(signal)
}

function whenAborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve()
    else signal.addEventListener('abort', () => resolve(), { once: true })
  })
}

/** Ends the story where it is when the signal is aborted; staying up is meant to end like that. */
async function playUntilAborted(stage: Stage): Promise<void> {
  const played = play(stage)
  await Promise.race([played, whenAborted(stage.signal)])
  if (!stage.signal.aborted || stage.keep) return
  throw new KmmError('it was interrupted', { code: 'Aborted' })
}

/** Plays the whole story: a sandbox, images, the operator, a Module that is loaded on three nodes and unloaded again. */
export async function runDemo(options: DemoOptions): Promise<void> {
  const { root, narrator } = options
  narrator.chapter('Starting a sandbox: an API server, a registry and three nodes on two kernels')
  const sandbox = await startSandbox({
    nodes: [
      { name: 'node-1', kernel: kernels[0], labels: workerLabel },
      { name: 'node-2', kernel: kernels[0], labels: workerLabel },
      { name: 'node-3', kernel: kernels[1], labels: workerLabel },
    ],
    root,
    ...options.engine,
  })
  // Ports of the operator's own could be taken on this machine.
  await sandbox.client.create(configMaps, {
    metadata: { namespace: operatorNamespace, name: 'kmm-operator-manager-config' },
    data: { 'controller_config.yaml': 'healthProbeBindAddress: 127.0.0.1:0\nmetrics: {bindAddress: "0"}\n' },
  })
  const operator = startOperatorProcess({
    program: join(root, 'dist/kmm.js'),
    kubeconfigPath: sandbox.kubeconfigPath,
    workerImage: sandbox.workerImage,
    namespace: operatorNamespace,
    logPath: join(sandbox.folder, 'operator.log'),
  })
  let cluster: ClusterWatch | undefined
  try {
    narrator.tell({
      event: 'sandbox',
      fields: { api: sandbox.url, kubernetes: sandbox.version, registry: sandbox.registry.address },
      text: `Kubernetes ${sandbox.version}, API server ${sandbox.url}, registry ${sandbox.registry.address}`,
    })
    cluster = await watchCluster(sandbox.client, (error) => {
      if (!hasCode(error, 'Aborted')) narrator.tell({ event: 'watchFailed', text: describeError(error) })
    })
    await pushImages({ ...options, sandbox })
    await Promise.race([playUntilAborted({ ...options, sandbox, cluster, client: sandbox.client }), operator.ended])
  } finally {
    await operator.stop()
    await cluster?.stop()
    await sandbox.stop()
  }
}
