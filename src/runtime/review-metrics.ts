import { Counter, Histogram, type Registry } from 'prom-client'

/** One review of the webhook that was answered. */
interface AnsweredReview {
  path: string
  kind: string
  result: string
  /** HTTP status. */
  code: number
  seconds: number
}

/** Counts the webhook's reviews, under controller-runtime's names (upstream: metrics), and by kind and result. */
export function registerReviewMetrics(registry: Registry): (review: AnsweredReview) => void {
  const registers = [registry]
  const requests = new Counter({
    name: 'controller_runtime_webhook_requests_total',
    help: 'Reviews by path and HTTP status',
    labelNames: ['webhook', 'code'],
    registers,
  })
  const latency = new Histogram({
    name: 'controller_runtime_webhook_latency_seconds',
    help: 'How long reviews take, by path',
    labelNames: ['webhook'],
    buckets: [0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10],
    registers,
  })
  const reviews = new Counter({
    name: 'kmm_webhook_reviews_total',
    help: 'Reviews by kind of object and how they ended',
    labelNames: ['kind', 'result'],
    registers,
  })
  return ({ path, kind, result, code, seconds }) => {
    requests.inc({ webhook: path, code: String(code) })
    latency.observe({ webhook: path }, seconds)
    reviews.inc({ kind, result })
  }
}
