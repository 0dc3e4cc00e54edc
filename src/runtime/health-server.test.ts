import { afterEach, describe, expect, it } from 'vitest'
import { describeCacheFault } from './cache-health.ts'
import { type HealthCheck, type HealthServer, parseBindAddress, startHealthServer } from './health-server.ts'
import { createMetrics } from './metrics.ts'

const servers: HealthServer[] = []

afterEach(async () => {
  for (const server of servers.splice(0)) await server.stop()
})

async function start(ready: readonly HealthCheck[], metrics = createMetrics()): Promise<string> {
  const server = await startHealthServer('127.0.0.1:0', { live: [], ready, metrics })
  servers.push(server)
  return `http://127.0.0.1:${server.port}`
}

async function read(url: string, init: RequestInit = {}): Promise<[number, string]> {
  const answer = await fetch(url, init)
  return [answer.status, await answer.text()]
}

it('is ready only while every check passes, and says which does not', async () => {
  let fault: string | undefined = 'not synced yet: pods'
  const url = await start([
    { name: 'caches', check: () => fault },
    { name: 'lease', check: () => undefined },
  ])
  expect(await read(`${url}/readyz`)).toEqual([503, '[-]caches failed: not synced yet: pods\n[+]lease ok\nfailed\n'])
  expect(await read(`${url}/healthz`)).toEqual([200, '\nok\n'])
  fault = undefined
  expect((await read(`${url}/readyz?verbose`))[0]).toBe(200)
})

it('serves metrics under the names of controller-runtime', async () => {
  const metrics = createMetrics()
  const counts = { depth: 3, adds: 7, retries: 2, workingMs: [1_500, 500] }
  metrics.watchQueue('plan', 4, () => counts)
  metrics.reconciled('plan', 'error', 0.2)
  metrics.reconciled('plan', 'success', 0.2)
  metrics.dequeued('plan', 0.02)
  metrics.requested('PATCH', '200', '10.0.0.1:443')
  metrics.leads('kmm.sigs.x-k8s.io', true)
  const url = await start([], metrics)
  await read(`${url}/metrics`)
  // Read twice: counters that the queue keeps must not grow by being read.
  const [status, text] = await read(`${url}/metrics`)
  expect(status).toBe(200)
  const lines = text.split('\n')
  for (const line of [
    'controller_runtime_reconcile_total{controller="plan",result="error"} 1',
    'controller_runtime_reconcile_total{controller="plan",result="success"} 1',
    'controller_runtime_reconcile_errors_total{controller="plan"} 1',
    'controller_runtime_reconcile_time_seconds_count{controller="plan"} 2',
    'controller_runtime_max_concurrent_reconciles{controller="plan"} 4',
    'controller_runtime_active_workers{controller="plan"} 2',
    'workqueue_depth{name="plan",controller="plan"} 3',
    'workqueue_adds_total{name="plan",controller="plan"} 7',
    'workqueue_retries_total{name="plan",controller="plan"} 2',
    'workqueue_unfinished_work_seconds{name="plan",controller="plan"} 2',
    'workqueue_longest_running_processor_seconds{name="plan",controller="plan"} 1.5',
    'workqueue_queue_duration_seconds_count{name="plan",controller="plan"} 1',
    'workqueue_work_duration_seconds_count{name="plan",controller="plan"} 2',
    'rest_client_requests_total{code="200",method="PATCH",host="10.0.0.1:443"} 1',
    'leader_election_master_status{name="kmm.sigs.x-k8s.io"} 1',
    '# TYPE workqueue_adds_total counter',
  ])
    expect(lines).toContain(line)
})

it('only reads', async () => {
  const url = await start([])
  expect((await read(`${url}/healthz`, { method: 'POST' }))[0]).toBe(405)
  expect(await read(`${url}/healthz`, { method: 'HEAD' })).toEqual([200, ''])
  expect((await read(`${url}/etc/passwd`))[0]).toBe(404)
})

it('says when its port is taken', async () => {
  const url = new URL(await start([]))
  await expect(startHealthServer(`127.0.0.1:${url.port}`, { live: [], ready: [] })).rejects.toMatchObject({
    code: 'ConfigurationInvalid',
    message: expect.stringMatching(/is the port taken/),
  })
})

describe('parseBindAddress', () => {
  it.each([
    [':8081', { host: undefined, port: 8081 }],
    ['0.0.0.0:8443', { host: '0.0.0.0', port: 8443 }],
    ['[::1]:80', { host: '::1', port: 80 }],
  ])('reads %s', (text, address) => {
    expect(parseBindAddress(text)).toEqual(address)
  })

  it.each(['8081', ':http', ':70000', ''])('refuses %j', (text) => {
    expect(() => parseBindAddress(text)).toThrow(/write :PORT or HOST:PORT/)
  })
})

describe('describeCacheFault', () => {
  const now = Date.UTC(2026, 0, 1)
  const good = { name: 'nodes', synced: true, disconnectedSinceMs: undefined }

  it('finds none while caches are synced and the API server answers, or paused for a moment', () => {
    expect(describeCacheFault([good, { ...good, disconnectedSinceMs: now - 59_000 }], now)).toBeUndefined()
  })

  it('names the caches that are not synced', () => {
    expect(describeCacheFault([good, { ...good, name: 'pods', synced: false }], now)).toBe('not synced yet: pods')
  })

  it('says since when the API server is away', () => {
    expect(describeCacheFault([{ ...good, disconnectedSinceMs: now - 61_000 }, good], now)).toBe(
      'the API server has not answered since 2025-12-31T23:58:59.000Z for: nodes',
    )
  })
})
