import { randomUUID } from 'node:crypto'
import { hostname, tmpdir } from 'node:os'
import type { OperatorConfig } from '../../api/operator-config.ts'
import { describeError } from '../../errors/error.ts'
import type { KubeClient } from '../../kube/client.ts'
import { realClock } from '../../kube/clock.ts'
import { createKubeClient } from '../../kube/http-client.ts'
import { loadConnection } from '../../kube/in-cluster.ts'
import type { RunPlugin } from '../../kube/plugin-process.ts'
import { runWithLease } from '../../kube/lease.ts'
import { type HealthServer, startHealthServer } from '../../runtime/health-server.ts'
import { createLogger, type Logger } from '../../runtime/logger.ts'
import { createMetrics, type Metrics } from '../../runtime/metrics.ts'
import { version } from './version.ts'
import { loadOperatorConfig } from './load-operator-config.ts'
import { createOperator, type Operator } from './operator.ts'
import { startMetricsServer } from './metrics-server.ts'
import { requireVariable } from './require-variable.ts'

/** What `kmm operator` is started with. */
export interface OperatorArguments {
  /** Name of the ConfigMap with the configuration. */
  config: string
  kubeconfig?: string
  logLevel: 'debug' | 'info' | 'warn' | 'error'
  environment: Readonly<Record<string, string | undefined>>
  /** Starts the credential plugin of a kubeconfig. */
  runPlugin?: RunPlugin
  signal: AbortSignal
}

/** Runs the operator until the signal is aborted: caches first, then leadership, then the controllers. */
export async function runOperator({
  config,
  kubeconfig,
  logLevel,
  environment,
  runPlugin,
  signal,
}: OperatorArguments): Promise<void> {
  const namespace = requireVariable(environment, 'OPERATOR_NAMESPACE', "the operator's namespace")
  const workerImage = requireVariable(environment, 'RELATED_IMAGE_WORKER', 'the image of the worker')
  const logger = createLogger(logLevel)
  const metrics = createMetrics()
  const connection = loadConnection({ environment, ...(kubeconfig === undefined ? {} : { path: kubeconfig }) })
  const client = createKubeClient({
    connection,
    userAgent: `kmm-operator/${version}`,
    ...(runPlugin ? { runPlugin } : {}),
    onRequest: ({ method, code, host }) => metrics.requested(method, code, host),
  })
  const settings = await loadOperatorConfig(client, { namespace, name: config }, logger)
  const operator = await createOperator(
    {
      client,
      config: settings,
      namespace,
      workerImage,
      builderImage: environment['RELATED_IMAGE_BUILD'] ?? '',
      temporaryFolder: tmpdir(),
      clock: realClock,
      random: Math.random,
      logger,
      metrics,
    },
    signal,
  )
  const checks = { live: [], ready: [{ name: 'caches', check: () => operator.findFault() }] }
  const health = await startHealthServer(settings.healthProbeBindAddress, checks)
  let metricsServer: HealthServer | undefined
  try {
    metricsServer = await startMetricsServer(settings.metrics, metrics, logger)
    await syncUntilAborted(operator, signal)
    logger.info({ namespace, workerImage, version }, 'caches are synced')
    await leadUntilAborted({ operator, client, namespace, election: settings.leaderElection, logger, metrics, signal })
  } finally {
    await operator.stop()
    await Promise.all([health.stop(), metricsServer?.stop()])
    await client.close()
  }
}

/** Waits for the caches, however long the API server is away; a stop ends the wait. */
async function syncUntilAborted(operator: Operator, signal: AbortSignal): Promise<void> {
  const stop = (): void => void operator.stop()
  signal.addEventListener('abort', stop, { once: true })
  try {
    await operator.sync()
  } finally {
    signal.removeEventListener('abort', stop)
  }
}

interface Leadership {
  operator: Operator
  client: KubeClient
  namespace: string
  election: OperatorConfig['leaderElection']
  logger: Logger
  metrics: Metrics
  signal: AbortSignal
}

/** Lets the controllers act while this process leads. A lost Lease ends the process: its caches start anew elsewhere. */
async function leadUntilAborted(leadership: Leadership): Promise<void> {
  const { operator, client, namespace, election, logger, metrics, signal } = leadership
  const lead = async (leading: AbortSignal, holds?: () => boolean): Promise<void> => {
    operator.start(holds)
    metrics.leads(election.resourceID, true)
    logger.info({}, 'leading')
    if (!leading.aborted) await new Promise((resolve) => leading.addEventListener('abort', resolve, { once: true }))
    await operator.stop()
    metrics.leads(election.resourceID, false)
  }
  if (!election.enabled) return lead(signal)
  const identity = `${hostname()}_${randomUUID()}`
  const onError = (error: unknown): void =>
    logger.warn({ error: describeError(error) }, 'the Lease could not be written')
  const onHolder = (holder: string): void => logger.info({ holder }, 'the Lease is held')
  await runWithLease({
    client,
    namespace,
    name: election.resourceID,
    identity,
    clock: realClock,
    signal,
    lead,
    onError,
    onHolder,
  })
}
