import { existsSync } from 'node:fs'
import { preflightValidations } from '../../api/resources.ts'
import { KmmError } from '../../errors/error.ts'
import type { Certificate } from '../../kube/certificate.ts'
import type { KubeClient } from '../../kube/client.ts'
import { type Clock, realClock } from '../../kube/clock.ts'
import { createKubeClient } from '../../kube/http-client.ts'
import { loadConnection } from '../../kube/in-cluster.ts'
import type { RunPlugin } from '../../kube/plugin-process.ts'
import { type HealthServer, startHealthServer } from '../../runtime/health-server.ts'
import { createLogger, type Logger } from '../../runtime/logger.ts'
import { createMetrics } from '../../runtime/metrics.ts'
import { registerReviewMetrics } from '../../runtime/review-metrics.ts'
import { readCertificateFiles } from '../../webhook/certificate/certificate-files.ts'
import { keepCertificateSecret } from '../../webhook/certificate/certificate-secret.ts'
import { type CertificateKeeper, createCertificateKeeper } from '../../webhook/certificate/keep-certificate.ts'
import { injectTrust, type TrustPlaces } from '../../webhook/certificate/trust.ts'
import type { ReviewRecord } from '../../webhook/server/review-record.ts'
import { createRoutes, type EnabledWebhooks } from '../../webhook/server/routes.ts'
import { createServerVersionReader } from '../../webhook/server/server-version.ts'
import { startWebhookServer, type WebhookServer } from '../../webhook/server/webhook-server.ts'
import { loadOperatorConfig } from './load-operator-config.ts'
import { startMetricsServer } from './metrics-server.ts'
import { requireVariable } from './require-variable.ts'
import { version } from './version.ts'

/** What `kmm webhook` is started with. */
export interface WebhookArguments {
  /** Name of the ConfigMap with the configuration. */
  config: string
  kubeconfig?: string
  logLevel: 'debug' | 'info' | 'warn' | 'error'
  /** Folder with a mounted certificate; without one the usual folder if it is there, else certificates of its own. */
  certDir?: string
  /** Name of the Service in front of it. */
  service: string
  /** Name of the ValidatingWebhookConfiguration that gets the authority of certificates of its own. */
  webhookConfiguration: string
  enabled: EnabledWebhooks
  environment: Readonly<Record<string, string | undefined>>
  /** Starts the credential plugin of a kubeconfig. */
  runPlugin?: RunPlugin
  signal: AbortSignal
}

/** Where the Secret of cert-manager is mounted (upstream). */
const usualCertDir = '/tmp/k8s-webhook-server/serving-certs'
const filesEveryMs = 5_000
const secretEveryMs = 60_000

interface Surroundings {
  client: KubeClient
  namespace: string
  clock: Clock
  logger: Logger
}

/** Runs the webhook until the signal is aborted: a certificate first, then the server. */
export async function runWebhook(options: WebhookArguments): Promise<void> {
  const { config, kubeconfig, logLevel, enabled, environment, runPlugin, signal } = options
  if (!Object.values(enabled).includes(true))
    throw new KmmError('no webhook is enabled; pass --enable-module or another of the flags that begin with --enable', {
      code: 'ConfigurationInvalid',
      fate: 'terminal',
    })
  const namespace = requireVariable(environment, 'OPERATOR_NAMESPACE', "the operator's namespace")
  const logger = createLogger(logLevel)
  const metrics = createMetrics()
  const client = createKubeClient({
    connection: loadConnection({ environment, ...(kubeconfig === undefined ? {} : { path: kubeconfig }) }),
    userAgent: `kmm-webhook/${version}`,
    ...(runPlugin ? { runPlugin } : {}),
    onRequest: ({ method, code, host }) => metrics.requested(method, code, host),
  })
  try {
    const settings = await loadOperatorConfig(client, { namespace, name: config }, logger)
    const keeper = createKeeper(options, { client, namespace, clock: realClock, logger })
    let server: WebhookServer | undefined
    const health = await startHealth(settings.healthProbeBindAddress, keeper, () => server !== undefined)
    const onReview = registerReviewMetrics(metrics.registry)
    let metricsServer: HealthServer | undefined
    try {
      metricsServer = await startMetricsServer(settings.metrics, metrics, logger)
      server = await serve({ keeper, client, logger, enabled, port: settings.webhookPort, onReview, signal })
      await untilAborted(signal)
    } finally {
      await keeper.stop()
      await server?.stop()
      await Promise.all([health.stop(), metricsServer?.stop()])
    }
  } finally {
    await client.close()
  }
}

function startHealth(address: string, keeper: CertificateKeeper, isServing: () => boolean): Promise<HealthServer> {
  return startHealthServer(address, {
    live: [],
    ready: [
      { name: 'certificate', check: () => keeper.findFault() },
      { name: 'server', check: () => (isServing() ? undefined : 'does not listen yet') },
    ],
  })
}

interface Serving {
  keeper: CertificateKeeper
  client: KubeClient
  logger: Logger
  enabled: EnabledWebhooks
  port: number
  onReview: (review: ReviewRecord) => void
  signal: AbortSignal
}

/** Serves as soon as there is a certificate; undefined when it was stopped before. */
async function serve(serving: Serving): Promise<WebhookServer | undefined> {
  const { keeper, client, logger, enabled, port, onReview, signal } = serving
  let server: WebhookServer | undefined
  let latest: Certificate | undefined
  const stop = (): void => void keeper.stop()
  signal.addEventListener('abort', stop, { once: true })
  if (signal.aborted) stop()
  const certificate = await keeper.start((next) => {
    latest = next
    server?.useCertificate(next)
  })
  if (certificate === undefined) return undefined
  const routes = createRoutes(enabled, createServerVersionReader(client, realClock))
  server = await startWebhookServer({ port, routes, certificate, logger, clock: realClock, onReview })
  // It may have changed while the server started.
  server.useCertificate(latest ?? certificate)
  logger.info({ port: server.port, paths: [...routes.keys()], version }, 'serving')
  return server
}

function createKeeper(options: WebhookArguments, surroundings: Surroundings): CertificateKeeper {
  const { clock, logger } = surroundings
  const folder = options.certDir ?? (existsSync(usualCertDir) ? usualCertDir : undefined)
  if (folder !== undefined) {
    logger.info({ folder }, 'serving a mounted certificate')
    return createCertificateKeeper({
      load: () => readCertificateFiles(folder),
      everyMs: filesEveryMs,
      clock,
      logger,
    })
  }
  return createCertificateKeeper({
    load: createOwnLoader(options, surroundings),
    everyMs: secretEveryMs,
    clock,
    logger,
  })
}

/** Certificates of its own: API servers are told of an authority before anything that it issued is served. */
function createOwnLoader(
  { service, webhookConfiguration, enabled }: WebhookArguments,
  { client, namespace, clock, logger }: Surroundings,
): (signal: AbortSignal) => Promise<Certificate> {
  const host = `${service}.${namespace}.svc`
  const hosts = [host, `${host}.cluster.local`, 'localhost', '127.0.0.1']
  const { plural, group } = preflightValidations
  const places: TrustPlaces = {
    webhookConfiguration,
    ...(enabled.preflightValidation ? { definition: `${plural}.${group}` } : {}),
  }
  // A hub's webhook may run in the same namespace, and serves under another name.
  const secret = { client, namespace, name: `${service}-certificates`, hosts }
  let told = ''
  return async (signal) => {
    const nowMs = clock.now()
    const set = await keepCertificateSecret(secret, nowMs, signal)
    const { absent: without, takenOver } = await injectTrust(client, places, { set, nowMs }, signal)
    if (takenOver.length > 0)
      logger.warn(
        { takenOver },
        'another authority was injected into these; cert-manager is not asked to do so any more',
      )
    const absent = without.join(', ')
    if (absent !== told && absent !== '')
      logger.warn({ absent }, 'these do not exist, so nobody asks this webhook on their behalf; create them')
    told = absent
    return set.serving
  }
}

function untilAborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve()
  return new Promise((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }))
}
