import { stringify } from 'yaml'
import type { OperatorConfig } from '../../api/operator-config.ts'
import { type Claims, createClaims } from '../../controllers/cluster/claims.ts'
import type { Controller } from '../../controllers/cluster/controller.ts'
import { createWorkloadRefusals } from '../../controllers/cluster/refusals.ts'
import { watchDepartedWorkers } from '../../controllers/cluster/departed-workers.ts'
import { type LostConfigs, watchLostConfigs } from '../../controllers/cluster/lost-configs.ts'
import { isWorkerPod } from '../../controllers/cluster/pod-view.ts'
import { createImagesControllers } from '../../controllers/images/controller.ts'
import { unverifiedAfterMs } from '../../controllers/images/existence.ts'
import { createPlanController } from '../../controllers/plan/controller.ts'
import { watchClusterMetrics } from '../../controllers/report/cluster-metrics.ts'
import { createContentController } from '../../controllers/preflight/content/controller.ts'
import type { ContentFact } from '../../controllers/preflight/content/observed.ts'
import { createPreflightController } from '../../controllers/preflight/controller.ts'
import { createReportController } from '../../controllers/report/controller.ts'
import { createUpgradeController } from '../../controllers/upgrade/controller.ts'
import { createWantedImagesController } from '../../controllers/wanted-images/controller.ts'
import { createWorkController } from '../../controllers/work/controller.ts'
import type { Refusal } from '../../controllers/work/observed.ts'
import { isBelieved } from '../../controllers/work/worker.ts'
import { createWorkloadsController } from '../../controllers/workloads/controller.ts'
import { describeError } from '../../errors/error.ts'
import { createMappingResolver } from '../../kernel/resolver.ts'
import type { KubeClient } from '../../kube/client.ts'
import type { Clock } from '../../kube/clock.ts'
import type { createRegistry } from '../../oci/registry.ts'
import { parseRegistrySettings } from '../../oci/settings.ts'
import { createTokenCache } from '../../oci/token-cache.ts'
import { describeCacheFault } from '../../runtime/cache-health.ts'
import { createKeyedLock, type KeyedLock } from '../../runtime/keyed-lock.ts'
import type { Logger } from '../../runtime/logger.ts'
import type { Metrics } from '../../runtime/metrics.ts'
import { createRunner, type Runner } from '../../runtime/runner.ts'
import { createCaches } from './caches.ts'
import { loadHashKey } from './hash-key.ts'

/** What the operator is made of. */
export interface OperatorOptions {
  client: KubeClient
  config: OperatorConfig
  /** The operator's own namespace. */
  namespace: string
  workerImage: string
  /** What build pods run unless the configuration names another; empty for none. */
  builderImage: string
  /** A folder for modules that are looked into. */
  temporaryFolder: string
  clock: Clock
  random: () => number
  logger: Logger
  metrics: Metrics
  /** How long an image that the operator cannot look at holds the plan back; two minutes unless given. */
  unverifiedAfterMs?: number
  /** Makes the clients that ask registries; the real ones unless given. */
  openRegistry?: typeof createRegistry
}

/** All controllers of one operator. */
export interface Operator {
  /** Fills the caches; resolves when all are synced. */
  sync(): Promise<void>
  /** Lets the controllers act; only after `sync`, and only as the leader, which `mayAct` tells at any moment. */
  start(mayAct?: () => boolean): void
  /** What keeps it from being of use; undefined when nothing does. */
  findFault(): string | undefined
  stop(): Promise<void>
}

type OperatorCaches = ReturnType<typeof createCaches>

interface Shared extends OperatorOptions {
  caches: OperatorCaches
  hashKey: Buffer
  claims: Claims
  lost: LostConfigs
}

function addRunner<O, A>(controller: Controller<O, A>, shared: Shared, lock?: KeyedLock): Runner {
  const { clock, random, logger, metrics } = shared
  const { reconciler, concurrency, paceMs = 0 } = controller
  const optional = lock ? { lock } : {}
  const runner = createRunner({ reconciler, concurrency, paceMs, clock, random, logger, metrics, ...optional })
  controller.watch(
    (key) => runner.wake(key),
    (key) => runner.nudge(key),
  )
  return runner
}

function createImageRunners(shared: Shared, registryText: string): Runner[] {
  const { caches, client, clock, config, workerImage, builderImage } = shared
  const { gcDelayMs, maxAttempts, build, sign } = config.job
  const tools = {
    client,
    caches,
    settings: parseRegistrySettings(registryText),
    tokens: createTokenCache(),
    ...(shared.openRegistry === undefined ? {} : { openRegistry: shared.openRegistry }),
    warn: (message: string) => shared.logger.warn({}, message),
    jobSettings: {
      build: { image: build.image || builderImage, resources: build.resources },
      sign: { image: workerImage, resources: sign.resources },
      registrySettings: registryText,
    },
    maxConcurrentBuilds: build.maxConcurrent,
    temporaryFolder: shared.temporaryFolder,
    now: () => clock.now(),
    startedAtMs: clock.now(),
  }
  const [own, ofPreflights] = createImagesControllers(tools, {
    unverifiedAfterMs: shared.unverifiedAfterMs ?? unverifiedAfterMs,
    imageSource: config.worker.imageSource,
    gcDelayMs,
    maxAttempts,
    maxConcurrentBuilds: build.maxConcurrent,
  })
  const lock = createKeyedLock()
  return [addRunner(own, shared, lock), addRunner(ofPreflights, shared, lock)]
}

function createPreflightRunners(shared: Shared, registryText: string): Runner[] {
  const { caches, client, clock, logger, temporaryFolder } = shared
  const facts = new Map<string, ContentFact>()
  const listeners: ((preflight: string) => void)[] = []
  const preflight = createPreflightController({
    sources: { caches, resolver: createMappingResolver(), facts },
    tools: { client, caches },
    onFact: (listener) => void listeners.push(listener),
  })
  const content = createContentController({
    client,
    caches,
    facts,
    temporaryFolder,
    settings: parseRegistrySettings(registryText),
    tokens: createTokenCache(),
    ...(shared.openRegistry === undefined ? {} : { openRegistry: shared.openRegistry }),
    warn: (message) => logger.warn({}, message),
    now: () => clock.now(),
    onFact: (name) => {
      for (const tell of listeners) tell(name)
    },
  })
  return [addRunner(preflight, shared), addRunner(content, shared)]
}

function createNodeRunners(shared: Shared, registryText: string): Runner[] {
  const { caches, client, hashKey, config, workerImage, lost } = shared
  const refusals = new Map<string, Refusal>()
  const madeAtMs = new Map<string, number>()
  const settings = { ...config.worker, image: workerImage, registrySettings: registryText }
  const isOwnWorker: Parameters<typeof createPlanController>[0]['isOwnWorker'] = (pod, node) =>
    isWorkerPod(pod) &&
    isBelieved(pod, hashKey, node.uid, caches.nodeModulesConfigs.get({ name: node.name })?.spec?.modules ?? [])
  const resolver = createMappingResolver()
  const departed = watchDepartedWorkers(caches)
  const sources = { caches, resolver, lost, departed, isOwnWorker }
  // All write about one node: none may decide while another acts.
  const lock = createKeyedLock()
  const work = createWorkController(
    {
      caches,
      resolver,
      lost,
      departed,
      hashKey,
      operatorNamespace: shared.namespace,
      imageSource: config.worker.imageSource,
      refusals,
      madeAtMs,
    },
    { client, caches, departed, settings, refusals, madeAtMs, warn: (message) => shared.logger.warn({}, message) },
  )
  return [
    addRunner(createPlanController(sources, { client, caches, claims: shared.claims }), shared, lock),
    addRunner(work, shared, lock),
    addRunner(createUpgradeController(caches, client), shared, lock),
  ]
}

function createModuleRunners(shared: Shared): Runner[] {
  const { caches, client, claims, lost } = shared
  const resolver = createMappingResolver()
  const lastWrites = new Map<string, number>()
  const warn = (message: string): void => shared.logger.warn({}, message)
  const refusals = createWorkloadRefusals()
  const sources = { caches, resolver, lastWrites, claims, lost, refusals }
  return [
    addRunner(createWantedImagesController(caches, resolver, client), shared),
    addRunner(createWorkloadsController({ caches, client, refusals }), shared),
    addRunner(createReportController(sources, { client, caches, lastWrites, warn }), shared),
  ]
}

/** Wires caches and controllers together; nothing runs before `sync` and `start`. */
export async function createOperator(options: OperatorOptions, signal: AbortSignal): Promise<Operator> {
  const { client, config, logger } = options
  const onError = (error: unknown): void =>
    logger.warn({ error: describeError(error) }, 'a watch failed and is tried again')
  const caches = createCaches({ client, onError, clock: options.clock, random: options.random })
  const shared: Shared = {
    ...options,
    caches,
    hashKey: await loadHashKey(client, options.namespace, signal),
    claims: createClaims(),
    lost: watchLostConfigs(caches),
  }
  const registryText = config.registry === undefined ? '' : stringify(config.registry)
  const runners = [
    ...createNodeRunners(shared, registryText),
    ...createImageRunners(shared, registryText),
    ...createModuleRunners(shared),
    ...createPreflightRunners(shared, registryText),
  ]
  const all = Object.values(caches)
  return {
    async sync() {
      for (const cache of all) cache.start()
      await Promise.all(all.map((cache) => cache.whenSynced()))
    },
    start(mayAct) {
      watchClusterMetrics(caches, options.metrics)
      for (const runner of runners) runner.start(mayAct)
    },
    findFault() {
      return describeCacheFault(all, options.clock.now())
    },
    async stop() {
      await Promise.all(runners.map((runner) => runner.stop()))
      await Promise.all(all.map((cache) => cache.stop()))
    },
  }
}
