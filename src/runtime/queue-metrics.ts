import { Counter, Gauge, type Registry } from 'prom-client'
import type { QueueCounts } from '../kube/queue.ts'

/** How the state of one controller's queue is read. */
export interface QueueReader {
  controller: string
  concurrency: number
  read: () => QueueCounts
}

type Measure = (reader: QueueReader, counts: QueueCounts) => number

const gauges: Readonly<Record<string, readonly [string, Measure]>> = {
  workqueue_depth: ['Keys that wait for a worker', (_, { depth }) => depth],
  workqueue_unfinished_work_seconds: [
    'How long the present work has taken, over all workers',
    (_, { workingMs }) => workingMs.reduce((sum, each) => sum + each, 0) / 1_000,
  ],
  workqueue_longest_running_processor_seconds: [
    'How long the longest present work has taken',
    (_, { workingMs }) => Math.max(0, ...workingMs) / 1_000,
  ],
}

const counters: Readonly<Record<string, readonly [string, Measure]>> = {
  workqueue_adds_total: ['Keys added to the queue', (_, { adds }) => adds],
  workqueue_retries_total: ['Keys added again after a failure', (_, { retries }) => retries],
}

const controllerGauges: Readonly<Record<string, readonly [string, Measure]>> = {
  controller_runtime_max_concurrent_reconciles: ['Keys worked on at once, at most', ({ concurrency }) => concurrency],
  controller_runtime_active_workers: ['Keys worked on now', (_, { workingMs }) => workingMs.length],
}

/** Registers metrics that are read from the queues at each scrape; `readers` may grow later. */
export function registerQueueMetrics(registry: Registry, readers: readonly QueueReader[]): void {
  const registers = [registry]
  const labelNames = ['name', 'controller']
  for (const [name, [help, pick]] of Object.entries(gauges))
    new Gauge({
      name,
      help,
      labelNames,
      registers,
      collect() {
        for (const reader of readers)
          this.set({ name: reader.controller, controller: reader.controller }, pick(reader, reader.read()))
      },
    })
  for (const [name, [help, pick]] of Object.entries(counters))
    new Counter({
      name,
      help,
      labelNames,
      registers,
      collect() {
        // The queue itself counts.
        this.reset()
        for (const reader of readers)
          this.inc({ name: reader.controller, controller: reader.controller }, pick(reader, reader.read()))
      },
    })
  for (const [name, [help, pick]] of Object.entries(controllerGauges))
    new Gauge({
      name,
      help,
      labelNames: ['controller'],
      registers,
      collect() {
        for (const reader of readers) this.set({ controller: reader.controller }, pick(reader, reader.read()))
      },
    })
}
