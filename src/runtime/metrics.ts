import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client'

/** The metrics of all controllers, under controller-runtime's names (upstream: metrics), in a registry of their own. */
export interface Metrics {
  registry: Registry
  /** One pass of a controller ended. */
  reconciled(controller: string, result: 'success' | 'error' | 'requeue_after', seconds: number): void
  /** Present state of a controller's queue, read at each scrape. */
  watchQueue(controller: string, read: () => { depth: number; adds: number; retries: number }): void
  /** One request to the API server was answered. */
  requested(method: string, code: string, host: string): void
}

interface QueueReader {
  controller: string
  read: () => { depth: number; adds: number; retries: number }
}

function registerQueues(registry: Registry, readers: readonly QueueReader[]): void {
  const gauge = (name: string, help: string, pick: (counts: ReturnType<QueueReader['read']>) => number): void => {
    registry.registerMetric(
      new Gauge({
        name,
        help,
        labelNames: ['name', 'controller'],
        registers: [],
        collect() {
          for (const { controller, read } of readers) this.set({ name: controller, controller }, pick(read()))
        },
      }),
    )
  }
  gauge('workqueue_depth', 'Current depth of the queue', ({ depth }) => depth)
  gauge('workqueue_adds_total', 'Keys added to the queue', ({ adds }) => adds)
  gauge('workqueue_retries_total', 'Keys added again after a failure', ({ retries }) => retries)
}

/** Makes the metrics, those of the process included. */
export function createMetrics(): Metrics {
  const registry = new Registry()
  collectDefaultMetrics({ register: registry })
  const registers = [registry]
  const total = new Counter({
    name: 'controller_runtime_reconcile_total',
    help: 'Passes of each controller by result',
    labelNames: ['controller', 'result'],
    registers,
  })
  const errors = new Counter({
    name: 'controller_runtime_reconcile_errors_total',
    help: 'Passes of each controller that failed',
    labelNames: ['controller'],
    registers,
  })
  const time = new Histogram({
    name: 'controller_runtime_reconcile_time_seconds',
    help: 'How long the passes of each controller take',
    labelNames: ['controller'],
    buckets: [0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10, 60],
    registers,
  })
  const requests = new Counter({
    name: 'rest_client_requests_total',
    help: 'Requests to the API server by code and method',
    labelNames: ['code', 'method', 'host'],
    registers,
  })
  const readers: QueueReader[] = []
  registerQueues(registry, readers)
  return {
    registry,
    reconciled(controller, result, seconds) {
      total.inc({ controller, result })
      if (result === 'error') errors.inc({ controller })
      time.observe({ controller }, seconds)
    },
    watchQueue: (controller, read) => void readers.push({ controller, read }),
    requested: (method, code, host) => requests.inc({ method, code, host }),
  }
}
