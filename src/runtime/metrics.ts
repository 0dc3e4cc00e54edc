import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client'
import type { QueueCounts } from '../kube/queue.ts'
import { registerQueueMetrics, type QueueReader } from './queue-metrics.ts'

/** How a pass of a controller ended. */
export type PassResult = 'success' | 'error' | 'requeue_after'

/** A gauge that is read at each scrape: one value for each set of labels. */
export interface GaugeReader {
  name: string
  help: string
  labelNames: readonly string[]
  read: () => Iterable<{ labels: Readonly<Record<string, string>>; value: number }>
}

/** The metrics of all controllers, under controller-runtime's names (upstream: metrics), in a registry of their own. */
export interface Metrics {
  registry: Registry
  /** One pass of a controller ended. */
  reconciled(controller: string, result: PassResult, seconds: number): void
  /** A worker took a key that had waited so long. */
  dequeued(controller: string, waitedSeconds: number): void
  /** Present state of a controller's queue, read at each scrape, and how many keys it works on at most. */
  watchQueue(controller: string, concurrency: number, read: () => QueueCounts): void
  /** One request to the API server was answered; `code` is the HTTP status or `<error>`. */
  requested(method: string, code: string, host: string): void
  /** Shows a gauge from now on, in place of one of the same name. */
  watchGauge(reader: GaugeReader): void
  /** A build or sign pod failed; `type` is its kind. */
  jobFailed(type: string): void
  /** Whether this process leads, by the name of the Lease. */
  leads(name: string, leading: boolean): void
}

const passBuckets = [0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10, 60]

function registerPassMetrics(registry: Registry): Pick<Metrics, 'reconciled' | 'dequeued'> {
  const registers = [registry]
  const labelNames = ['controller'] as const
  const total = new Counter({
    name: 'controller_runtime_reconcile_total',
    help: 'Passes of each controller by result',
    labelNames: ['controller', 'result'],
    registers,
  })
  const errors = new Counter({
    name: 'controller_runtime_reconcile_errors_total',
    help: 'Passes of each controller that failed',
    labelNames,
    registers,
  })
  const time = new Histogram({
    name: 'controller_runtime_reconcile_time_seconds',
    help: 'How long the passes of each controller take',
    labelNames,
    buckets: passBuckets,
    registers,
  })
  const queueLabels = ['name', 'controller'] as const
  const work = new Histogram({
    name: 'workqueue_work_duration_seconds',
    help: 'How long a worker is busy with a key',
    labelNames: queueLabels,
    buckets: passBuckets,
    registers,
  })
  const waited = new Histogram({
    name: 'workqueue_queue_duration_seconds',
    help: 'How long a key waits for a worker',
    labelNames: queueLabels,
    buckets: passBuckets,
    registers,
  })
  return {
    reconciled(controller, result, seconds) {
      total.inc({ controller, result })
      if (result === 'error') errors.inc({ controller })
      time.observe({ controller }, seconds)
      work.observe({ name: controller, controller }, seconds)
    },
    dequeued: (controller, seconds) => waited.observe({ name: controller, controller }, seconds),
  }
}

function watchGauge(registry: Registry, { name, help, labelNames, read }: GaugeReader): void {
  registry.removeSingleMetric(name)
  new Gauge({
    name,
    help,
    labelNames: [...labelNames],
    registers: [registry],
    collect() {
      this.reset()
      for (const { labels, value } of read()) this.set(labels, value)
    },
  })
}

/** Makes the metrics, those of the process included. */
export function createMetrics(): Metrics {
  const registry = new Registry()
  const registers = [registry]
  collectDefaultMetrics({ register: registry })
  const requests = new Counter({
    name: 'rest_client_requests_total',
    help: 'Requests to the API server by code and method',
    labelNames: ['code', 'method', 'host'],
    registers,
  })
  const leader = new Gauge({
    name: 'leader_election_master_status',
    help: 'Whether this process holds the Lease: 1 or 0',
    labelNames: ['name'],
    registers,
  })
  const jobFailures = new Counter({
    name: 'kmm_image_job_failures_total',
    help: 'Build and sign pods that failed',
    labelNames: ['type'],
    registers,
  })
  const readers: QueueReader[] = []
  registerQueueMetrics(registry, readers)
  return {
    registry,
    ...registerPassMetrics(registry),
    watchQueue: (controller, concurrency, read) => void readers.push({ controller, concurrency, read }),
    requested: (method, code, host) => requests.inc({ code, method, host }),
    watchGauge: (reader) => watchGauge(registry, reader),
    jobFailed: (type) => jobFailures.inc({ type }),
    leads: (name, leading) => leader.set({ name }, leading ? 1 : 0),
  }
}
