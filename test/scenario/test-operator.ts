import { tmpdir } from 'node:os'
import { parseOperatorConfig } from '../../src/api/operator-config.ts'
import type { KubeClient } from '../../src/kube/client.ts'
import { type Clock, realClock } from '../../src/kube/clock.ts'
import { createKubeClient } from '../../src/kube/http-client.ts'
import { loadKubeconfig } from '../../src/kube/kubeconfig.ts'
import { createOperator } from '../../src/main/compose/operator.ts'
import { createLogger } from '../../src/runtime/logger.ts'
import { createMetrics } from '../../src/runtime/metrics.ts'

const operatorNamespace = 'kmm-operator-system'

/** How an operator of a test differs from the shipped one. */
export interface OperatorOverrides {
  unverifiedAfterMs?: number
  config?: string
  clock?: Clock
  /** Stands between the operator and the API server. */
  wrap?: (client: KubeClient) => KubeClient
}

/** Where an operator of a test runs. */
export interface OperatorPlace {
  kubeconfig: string
  workerImage: string
  /** Gets what it logs, a line at a time. */
  log: string[]
}

/** Starts an operator in this process as the only leader; the answer ends it. */
export async function startTestOperator(
  { kubeconfig, workerImage, log }: OperatorPlace,
  overrides: OperatorOverrides = {},
): Promise<() => Promise<void>> {
  const http = createKubeClient({
    connection: loadKubeconfig({ text: kubeconfig }),
    userAgent: 'kmm-operator/test',
  })
  const logger = createLogger('debug', { write: (line) => void log.push(line.trimEnd()) })
  const starting = createOperator(
    {
      client: overrides.wrap ? overrides.wrap(http) : http,
      config: parseOperatorConfig(overrides.config ?? '').config,
      namespace: operatorNamespace,
      workerImage,
      builderImage: 'kmm-builder:sandbox',
      temporaryFolder: tmpdir(),
      clock: overrides.clock ?? realClock,
      random: Math.random,
      logger,
      metrics: createMetrics(),
      ...(overrides.unverifiedAfterMs === undefined ? {} : { unverifiedAfterMs: overrides.unverifiedAfterMs }),
    },
    new AbortController().signal,
  )
  const operator = await starting.catch(async (error: unknown) => {
    await http.close()
    throw error
  })
  await operator.sync()
  operator.start()
  return async () => {
    await operator.stop()
    await http.close()
  }
}
