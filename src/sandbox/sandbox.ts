import { randomBytes } from 'node:crypto'
import { existsSync } from 'node:fs'
import { mkdtemp, readdir, readFile, realpath, rm, writeFile } from 'node:fs/promises'
import { availableParallelism, tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { parseAllDocuments } from 'yaml'
import { hasCode, KmmError } from '../errors/error.ts'
import { namespaces } from '../kube/core-resources.ts'
import { createKubeClient, type HttpKubeClient } from '../kube/http-client.ts'
import { loadKubeconfig } from '../kube/kubeconfig.ts'
import type { KubeObject } from '../kube/object.ts'
import { defineResource } from '../kube/resource.ts'
import { createAdmission } from './apiserver/admission/admission.ts'
import type { WebhookOptions } from './apiserver/admission/webhook.ts'
import { type ApiServer, type ApiServerOptions, startApiServer } from './apiserver/api-server.ts'
import type { LogSource } from './apiserver/rest/pod-subresources.ts'
import { createValidator } from './apiserver/validation/validator.ts'
import type { Controller } from './controllers/controller.ts'
import { type ControllersOptions, startControllers } from './controllers/controllers.ts'
import { writeModprobeLauncher } from './modprobe/launcher.ts'
import { type PodRule, PodRules } from './node/behaviour.ts'
import type { KubeletTimes } from './node/kubelet-settings.ts'
import { PodFeed } from './node/pod-feed.ts'
import { Slots } from './node/slots.ts'
import { type NodeOptions, type NodeSurroundings, VirtualNode } from './node/virtual-node.ts'
import { type RegistryOptions, type SandboxRegistry, startRegistry } from './registry/registry.ts'

export interface SandboxOptions extends WebhookOptions {
  /** Default none. */
  nodes?: readonly NodeOptions[]
  /** The folder with `dist/` and `deploy/crds/`; default the working directory. */
  root?: string
  /** Default `dist/worker-sandbox.js` of `root`. */
  workerProgram?: string
  /** Default `dist/modprobe-sandbox.js` of `root`. */
  modprobeProgram?: string
  /** Pods with a container of this image run the worker program; default `kmm-worker:sandbox`. */
  workerImage?: string
  /** How many worker processes run at once, on all nodes together; default one a processor, at least 2. */
  workerSlots?: number
  registry?: RegistryOptions
  api?: Omit<ApiServerOptions, 'extend' | 'logSource'>
  controllers?: ControllersOptions
  /** How the kubelets pace themselves. */
  times?: Partial<KubeletTimes>
  /** What pods do that are no worker pods, and worker pods that are to fail. */
  rules?: readonly PodRule[]
}

/** An embedded cluster that runs in this process, on 127.0.0.1 alone. */
export interface Sandbox {
  readonly api: ApiServer
  readonly registry: SandboxRegistry
  readonly controllers: Controller
  /** In the order in which they were added, those that were deleted included. */
  readonly nodes: readonly VirtualNode[]
  readonly rules: PodRules
  /** The administrator's client. */
  readonly client: HttpKubeClient
  /** The administrator's kubeconfig, and the file that holds it. */
  readonly kubeconfig: string
  readonly kubeconfigPath: string
  readonly workerImage: string
  /** Everything that the sandbox keeps on disk; removed when it stops. */
  readonly folder: string
  /** The node that took this name last. */
  node(name: string): VirtualNode | undefined
  addNode(options: NodeOptions): Promise<VirtualNode>
  stop(): Promise<void>
}

const firstNamespaces = ['default', 'kube-system', 'kube-public', 'kube-node-lease', 'kmm-operator-system']
const nodesUser = { name: 'system:node:kmm-sandbox', groups: ['system:nodes', 'system:authenticated'] }

const definitions = defineResource({
  group: 'apiextensions.k8s.io',
  version: 'v1',
  kind: 'CustomResourceDefinition',
  plural: 'customresourcedefinitions',
  namespaced: false,
})

/** All virtual nodes together; thousands that came at once would overrun the server's queue of new connections. */
const nodesConnections = 64

const newSuffix = (): string => randomBytes(3).toString('hex').slice(0, 5)

async function createMissing(work: Promise<unknown>): Promise<void> {
  try {
    await work
  } catch (error) {
    if (!hasCode(error, 'AlreadyExists')) throw error
  }
}

async function readDefinitions(folder: string): Promise<KubeObject[]> {
  const names = (await readdir(folder)).filter((name) => name.endsWith('.yaml')).sort()
  const texts = await Promise.all(names.map((name) => readFile(join(folder, name), 'utf8')))
  return texts.flatMap((text) => parseAllDocuments(text).map((document) => document.toJS() as KubeObject))
}

/** Puts into a new cluster what is in every one, and the definitions of KMM's resources. */
async function furnish(client: HttpKubeClient, root: string): Promise<void> {
  for (const name of firstNamespaces) await createMissing(client.create(namespaces, { metadata: { name } }))
  for (const definition of await readDefinitions(join(root, 'deploy/crds')))
    await createMissing(client.create(definitions, definition))
}

/** What has been started, to be stopped in the opposite order, also when the start of something later fails. */
class StopList {
  readonly #stops: (() => Promise<unknown>)[] = []

  add<T>(started: T, stop: (started: T) => Promise<unknown>): T {
    this.#stops.push(() => stop(started))
    return started
  }

  async stop(): Promise<void> {
    for (const stop of this.#stops.splice(0).toReversed()) await stop()
  }
}

interface Cluster {
  api: ApiServer
  controllers: Controller
  client: HttpKubeClient
}

async function startCluster(options: SandboxOptions, logSource: LogSource, stops: StopList): Promise<Cluster> {
  const { findService } = options
  const admission = { generateSuffix: newSuffix, ...(findService === undefined ? {} : { findService }) }
  const api = stops.add(
    await startApiServer({
      ...options.api,
      logSource,
      extend: (store) => ({ validator: createValidator(), plugins: createAdmission(store, admission) }),
    }),
    (server) => server.stop(),
  )
  const controllers = stops.add(startControllers(api, options.controllers), (each) => each.stop())
  const connection = loadKubeconfig({ text: api.kubeconfig })
  const client = stops.add(createKubeClient({ connection, userAgent: 'kmm-sandbox/1' }), (each) => each.close())
  await furnish(client, resolve(options.root ?? '.'))
  await controllers.drained()
  return { api, controllers, client }
}

async function requireProgram(path: string): Promise<string> {
  if (existsSync(path)) return path
  throw new KmmError(`the sandbox needs ${path}, which is not there: run npm run build first`, {
    code: 'ConfigurationInvalid',
    fate: 'terminal',
  })
}

/** What all virtual nodes share: their client, the watch of pods, the programs that they run. */
async function prepareNodes(
  options: SandboxOptions,
  { api }: Cluster,
  { folder, rules, workerImage }: Pick<Sandbox, 'folder' | 'rules' | 'workerImage'>,
  stops: StopList,
): Promise<NodeSurroundings> {
  const programs = join(resolve(options.root ?? '.'), 'dist')
  const workerProgram = await requireProgram(options.workerProgram ?? join(programs, 'worker-sandbox.js'))
  const modprobeProgram = await requireProgram(options.modprobeProgram ?? join(programs, 'modprobe-sandbox.js'))
  const modprobePath = join(folder, 'modprobe')
  await writeModprobeLauncher(modprobePath, resolve(modprobeProgram))
  const connection = loadKubeconfig({ text: api.kubeconfigFor(api.addIdentity(nodesUser)) })
  const client = stops.add(
    createKubeClient({ connection, userAgent: 'kmm-sandbox-node/1', mostConnections: nodesConnections }),
    (each) => each.close(),
  )
  const feed = stops.add(new PodFeed(client), (each) => each.stop())
  feed.start()
  const slots = new Slots(options.workerSlots ?? Math.max(2, availableParallelism()))
  const times = options.times === undefined ? {} : { times: options.times }
  return { client, feed, rules, slots, workerImage, workerProgram: resolve(workerProgram), modprobePath, ...times }
}

async function build(options: SandboxOptions, folder: string, stops: StopList): Promise<Sandbox> {
  const rules = new PodRules(options.rules)
  const workerImage = options.workerImage ?? 'kmm-worker:sandbox'
  const nodes: VirtualNode[] = []
  const logSource: LogSource = async (request) => {
    const logs = await Promise.all(nodes.map((node) => node.kubelet.readLog(request, request)))
    return logs.find((log) => log !== undefined)
  }
  const registry = stops.add(await startRegistry(options.registry), (each) => each.stop())
  const cluster = await startCluster(options, logSource, stops)
  const surroundings = await prepareNodes(options, cluster, { folder, rules, workerImage }, stops)
  stops.add(nodes, (all) => Promise.all(all.map((node) => node.stop())))
  const addNode = async (node: NodeOptions): Promise<VirtualNode> => {
    // A machine that takes the name of one that is gone has a disk of its own.
    const made = new VirtualNode(join(folder, 'nodes', `${nodes.length}-${node.name}`), node, surroundings)
    nodes.push(made)
    await made.start()
    return made
  }
  await Promise.all((options.nodes ?? []).map(addNode))
  await cluster.controllers.drained()
  const kubeconfigPath = join(folder, 'kubeconfig')
  const { kubeconfig } = cluster.api
  await writeFile(kubeconfigPath, kubeconfig, { mode: 0o600 })
  const node = (name: string): VirtualNode | undefined => nodes.findLast((each) => each.name === name)
  const stop = (): Promise<void> => stops.stop()
  return { ...cluster, registry, rules, nodes, workerImage, folder, kubeconfig, kubeconfigPath, node, addNode, stop }
}

/**
 * Starts an embedded cluster: API server with KMM's resources, registry, controllers and virtual nodes, in a temporary folder
 * that goes when it stops. Fails with `ConfigurationInvalid` when the programs of the nodes are not built.
 */
export async function startSandbox(options: SandboxOptions = {}): Promise<Sandbox> {
  const stops = new StopList()
  const temporary = await mkdtemp(join(tmpdir(), 'kmm-sandbox-'))
  // The virtual nodes compare real paths.
  const folder = stops.add(await realpath(temporary), (path) => rm(path, { recursive: true, force: true }))
  try {
    return await build(options, folder, stops)
  } catch (error) {
    await stops.stop()
    throw error
  }
}
