import type { OperatorConfig } from '../../api/operator-config.ts'
import { type HealthServer, startHealthServer } from '../../runtime/health-server.ts'
import type { Logger } from '../../runtime/logger.ts'
import type { Metrics } from '../../runtime/metrics.ts'

/** Metrics are plain HTTP so far: where the configuration asks for protection they stay on the loopback interface. */
function chooseMetricsAddress(settings: OperatorConfig['metrics'], logger: Logger): string {
  const { bindAddress, enableAuthnAuthz, secureServing } = settings
  if (bindAddress === '0' || (!enableAuthnAuthz && !secureServing)) return bindAddress
  const address = `127.0.0.1${bindAddress.slice(bindAddress.lastIndexOf(':'))}`
  logger.warn(
    { address },
    'metrics are served on loopback only; set metrics.enableAuthnAuthz and metrics.secureServing to false to serve them plainly',
  )
  return address
}

/** Serves the metrics where the configuration wants them; undefined where it wants none. */
export async function startMetricsServer(
  settings: OperatorConfig['metrics'],
  metrics: Metrics,
  logger: Logger,
): Promise<HealthServer | undefined> {
  const address = chooseMetricsAddress(settings, logger)
  return address === '0' ? undefined : startHealthServer(address, { live: [], ready: [], metrics })
}
