import { existsSync } from 'node:fs'
import { mkdtemp, realpath, rm, writeFile } from 'node:fs/promises'
import { availableParallelism, tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { KmmError } from '../errors/error.ts'
import { createKubeClient, type HttpKubeClient } from '../kube/http-client.ts'
import { loadKubeconfig } from '../kube/kubeconfig.ts'
import type { ApiServer } from './apiserver/api-server.ts'
import type { WriteRecord } from './apiserver/faults.ts'
import type { User } from './apiserver/hooks.ts'
import type { Controller } from './controllers/controller.ts'
import { type EmbeddedEngineOptions, startEmbeddedEngine } from './embedded-engine.ts'
import type { Engine, EngineName } from './engine.ts'
import type { ControlPlane } from './kubernetes/control-plane.ts'
import { type KubernetesEngineOptions, startKubernetesEngine } from './kubernetes/kubernetes-engine.ts'
import { writeModprobeLauncher } from './modprobe/launcher.ts'
import { type PodRule, PodRules } from './node/behaviour.ts'
import type { Kubelet } from './node/kubelet.ts'
import type { KubeletTimes } from './node/kubelet-settings.ts'
import { PodFeed } from './node/pod-feed.ts'
import type { MachineSettings } from './node/qemu-backend.ts'
import { Slots } from './node/slots.ts'
import { type NodeOptions, type NodeSurroundings, VirtualNode } from './node/virtual-node.ts'
import { type RegistryOptions, type SandboxRegistry, startRegistry } from './registry/registry.ts'
import { StopList } from './stop-list.ts'

/** What every sandbox can be told. */
export interface CommonOptions {
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
  /** Pods with a container of this image run the worker program with a builder beside it; default `kmm-builder:sandbox`. */
  builderImage?: string
  /** What build pods find as `buildah`; default that of the PATH. Without one they fail, and say so. */
  buildahProgram?: string
  /** How many worker processes run at once, on all nodes together; default one a processor, at least 2. */
  workerSlots?: number
  registry?: RegistryOptions
  /** What nodes with real kernels (`qemu:<release>`) need; default there can be none. */
  machines?: Pick<MachineSettings, 'cache' | 'path' | 'progress' | 'report' | 'signal'>
  /** How the kubelets pace themselves. */
  times?: Partial<KubeletTimes>
  /** What pods do that are no worker pods, and worker pods that are to fail. */
  rules?: readonly PodRule[]
}

/** A sandbox whose API server and controllers run in this process. */
export interface EmbeddedOptions extends CommonOptions, EmbeddedEngineOptions {
  engine?: 'embedded'
}

/** A sandbox with a real control plane. */
export interface KubernetesOptions extends CommonOptions, KubernetesEngineOptions {
  engine: 'kubernetes'
}

export type SandboxOptions = EmbeddedOptions | KubernetesOptions

/** A cluster with virtual nodes and a registry, on 127.0.0.1 alone. */
export interface Sandbox {
  readonly engine: EngineName
  /** Of the API server. */
  readonly url: string
  /** What the API server says that it is: `v1.36.2`. */
  readonly version: string
  readonly registry: SandboxRegistry
  /** In the order in which they were added, those that were deleted included. */
  readonly nodes: readonly VirtualNode[]
  readonly rules: PodRules
  /** Every write that was served so far, in order. */
  readonly writes: readonly WriteRecord[]
  /** The administrator's client. */
  readonly client: HttpKubeClient
  /** The administrator's kubeconfig, and the file that holds it. */
  readonly kubeconfig: string
  readonly kubeconfigPath: string
  readonly workerImage: string
  readonly builderImage: string
  /** Everything that the sandbox keeps on disk; removed when it stops. */
  readonly folder: string
  kubeconfigFor(user: User): string
  /** The node that took this name last. */
  node(name: string): VirtualNode | undefined
  addNode(options: NodeOptions): Promise<VirtualNode>
  stop(): Promise<void>
}

/** A sandbox whose insides can be seen and made to fail. */
export interface EmbeddedSandbox extends Sandbox {
  readonly engine: 'embedded'
  readonly api: ApiServer
  readonly controllers: Controller
}

/** A sandbox whose API server, controllers and scheduler are those of Kubernetes. */
export interface KubernetesSandbox extends Sandbox {
  readonly engine: 'kubernetes'
  readonly controlPlane: ControlPlane
}

/** A sandbox on either engine. */
export type AnySandbox = EmbeddedSandbox | KubernetesSandbox

/** All virtual nodes together; thousands that came at once would overrun the server's queue of new connections. */
const nodesConnections = 64

async function requireProgram(path: string): Promise<string> {
  if (existsSync(path)) return path
  throw new KmmError(`the sandbox needs ${path}, which is not there: run npm run build first`, {
    code: 'ConfigurationInvalid',
    fate: 'terminal',
  })
}

/** Nodes with real kernels run the worker that ships, and reach the registry under the address that it has here. */
function prepareMachines(options: CommonOptions, registry: SandboxRegistry): Pick<NodeSurroundings, 'machines'> {
  if (options.machines === undefined) return {}
  const programs = join(resolve(options.root ?? '.'), 'dist')
  const port = Number(registry.address.slice(registry.address.lastIndexOf(':') + 1))
  const ours = { agentProgram: join(programs, 'guest-agent.js'), workerProgram: join(programs, 'worker.js') }
  return { machines: { ...options.machines, ...ours, forwardedPorts: [port] } }
}

type SharedParts = Pick<Sandbox, 'folder' | 'rules' | 'workerImage' | 'builderImage' | 'registry'>

/** What all virtual nodes share: their client, the watch of pods, the programs that they run. */
async function prepareNodes(
  options: CommonOptions,
  { nodesKubeconfig, nodes: traits }: Engine,
  { folder, rules, workerImage, builderImage, registry }: SharedParts,
  stops: StopList,
): Promise<NodeSurroundings> {
  const programs = join(resolve(options.root ?? '.'), 'dist')
  const workerProgram = await requireProgram(options.workerProgram ?? join(programs, 'worker-sandbox.js'))
  const modprobeProgram = await requireProgram(options.modprobeProgram ?? join(programs, 'modprobe-sandbox.js'))
  const modprobePath = join(folder, 'modprobe')
  await writeModprobeLauncher(modprobePath, resolve(modprobeProgram))
  const connection = loadKubeconfig({ text: nodesKubeconfig })
  const client = stops.add(
    createKubeClient({ connection, userAgent: 'kmm-sandbox-node/1', mostConnections: nodesConnections }),
    (each) => each.close(),
  )
  const feed = stops.add(new PodFeed(client), (each) => each.stop())
  feed.start()
  const slots = new Slots(options.workerSlots ?? Math.max(2, availableParallelism()))
  const times = options.times === undefined ? {} : { times: options.times }
  const { buildahProgram } = options
  const buildah = buildahProgram === undefined ? {} : { buildahProgram }
  return {
    client,
    feed,
    rules,
    slots,
    workerImage,
    builderImage,
    programs: { workerProgram: resolve(workerProgram), modprobePath, ...buildah },
    ...prepareMachines(options, registry),
    traits,
    ...times,
  }
}

/** What a sandbox consists of besides its engine. */
interface Frame {
  folder: string
  nodes: VirtualNode[]
  stops: StopList
}

async function readVersion(client: HttpKubeClient): Promise<string> {
  const { gitVersion } = JSON.parse(await client.getRaw('/version')) as { gitVersion: string }
  return gitVersion
}

/** Puts registry and nodes around an engine. */
async function furnishEngine(options: CommonOptions, engine: Engine, frame: Frame): Promise<Omit<Sandbox, 'engine'>> {
  const { folder, nodes, stops } = frame
  const { url, client, kubeconfig } = engine
  const rules = new PodRules(options.rules)
  const { workerImage = 'kmm-worker:sandbox', builderImage = 'kmm-builder:sandbox' } = options
  const registry = stops.add(await startRegistry(options.registry), (each) => each.stop())
  const surroundings = await prepareNodes(
    options,
    engine,
    { folder, rules, workerImage, builderImage, registry },
    stops,
  )
  stops.add(nodes, (all) => Promise.all(all.map((node) => node.stop())))
  const addNode = async (node: NodeOptions): Promise<VirtualNode> => {
    // A machine that takes the name of one that is gone has a disk of its own.
    const made = new VirtualNode(join(folder, 'nodes', `${nodes.length}-${node.name}`), node, surroundings)
    nodes.push(made)
    await made.start()
    return made
  }
  await Promise.all((options.nodes ?? []).map(addNode))
  await engine.settled()
  const kubeconfigPath = join(folder, 'kubeconfig')
  await writeFile(kubeconfigPath, kubeconfig, { mode: 0o600 })
  return {
    url,
    version: await readVersion(client),
    registry,
    nodes,
    rules,
    get writes() {
      return engine.writes
    },
    client,
    kubeconfig,
    kubeconfigPath,
    workerImage,
    builderImage,
    folder,
    kubeconfigFor: (user) => engine.kubeconfigFor(user),
    node: (name) => nodes.findLast((each) => each.name === name),
    addNode,
    stop: () => stops.stop(),
  }
}

type Build<T> = (frame: Frame & { root: string }) => Promise<T>

async function inFolder<T>(options: CommonOptions, build: Build<T>): Promise<T> {
  const stops = new StopList()
  const temporary = await mkdtemp(join(tmpdir(), 'kmm-sandbox-'))
  // The virtual nodes compare real paths.
  const folder = stops.add(await realpath(temporary), (path) =>
    rm(path, { recursive: true, force: true, maxRetries: 5 }),
  )
  try {
    return await build({ folder, nodes: [], stops, root: resolve(options.root ?? '.') })
  } catch (error) {
    await stops.stop()
    throw error
  }
}

function startEmbedded(options: EmbeddedOptions): Promise<EmbeddedSandbox> {
  return inFolder(options, async (frame) => {
    const findKubelets = (): Kubelet[] => frame.nodes.map(({ kubelet }) => kubelet)
    const engine = await startEmbeddedEngine(options, { root: frame.root, findKubelets }, frame.stops)
    const { api, controllers } = engine
    return Object.assign(await furnishEngine(options, engine, frame), { engine: 'embedded' as const, api, controllers })
  })
}

/** Heartbeats of many nodes take their time: twenty a second are no burden. */
const graceMsOfNode = 200
const leastGraceMs = 6_000

function startKubernetes(options: KubernetesOptions): Promise<KubernetesSandbox> {
  return inFolder(options, async (frame) => {
    const findKubelets = (): Kubelet[] => frame.nodes.map(({ kubelet }) => kubelet)
    const nodeGraceMs = Math.max(leastGraceMs, graceMsOfNode * (options.nodes?.length ?? 0))
    const place = { root: frame.root, folder: frame.folder, findKubelets }
    const engine = await startKubernetesEngine({ nodeGraceMs, ...options }, place, frame.stops)
    const { controlPlane } = engine
    return Object.assign(await furnishEngine(options, engine, frame), { engine: 'kubernetes' as const, controlPlane })
  })
}

/**
 * Starts a cluster with KMM's resources, a registry and virtual nodes, in a temporary folder that goes when it stops. Fails
 * with `ConfigurationInvalid` when the programs of the nodes are not built.
 */
export function startSandbox(options?: EmbeddedOptions): Promise<EmbeddedSandbox>
export function startSandbox(options: KubernetesOptions): Promise<KubernetesSandbox>
export function startSandbox(options: SandboxOptions): Promise<AnySandbox>
export function startSandbox(options: SandboxOptions = {}): Promise<AnySandbox> {
  return options.engine === 'kubernetes' ? startKubernetes(options) : startEmbedded(options)
}
