import type { Pod } from 'kubernetes-types/core/v1.js'
import { expect, it } from 'vitest'
import type { KubeClient } from '../../kube/client.ts'
import { realClock } from '../../kube/clock.ts'
import { Gate } from './gate.ts'
import type { KubeletSettings } from './kubelet-settings.ts'
import { PodReporter } from './pod-reporter.ts'
import type { PodView } from './pod-status.ts'

const view: PodView = {
  phase: 'Running',
  initialized: true,
  container: { state: { running: { startedAt: '2026-01-01T00:00:00Z' } }, lastState: {}, restartCount: 0, ready: true },
  startTime: '2026-01-01T00:00:00Z',
}

const podAt = (resourceVersion: string, ready: string): Pod => ({
  metadata: { name: 'p', namespace: 'default', uid: 'u', resourceVersion },
  spec: { containers: [{ name: 'main', image: 'i' }] },
  status: { conditions: [{ type: 'Ready', status: ready }] },
})

/** A reporter whose writes are answered by hand. */
function makeReporter(): { reporter: PodReporter; answers: ((pod: Pod) => void)[] } {
  const answers: ((pod: Pod) => void)[] = []
  const patch = (): Promise<Pod> => new Promise((resolve) => answers.push(resolve))
  const client = { patch } as unknown as KubeClient
  const settings = { client, clock: realClock, nodeName: 'n1', online: new Gate() } as unknown as KubeletSettings
  return { reporter: new PodReporter(settings, podAt('5', 'False'), new AbortController().signal), answers }
}

it('writes again what somebody contradicted before the answer of the first write came', async () => {
  const { reporter, answers } = makeReporter()
  const first = reporter.report(view)
  await expect.poll(() => answers).toHaveLength(1)
  expect(reporter.isContradicted(podAt('11', 'False'))).toBe(true)
  const second = reporter.report(view)
  answers[0]?.(podAt('10', 'True'))
  await first
  await expect.poll(() => answers).toHaveLength(2)
  answers[1]?.(podAt('12', 'True'))
  await second
  expect(reporter.isContradicted(podAt('12', 'True'))).toBe(false)
})

it('takes its own words, come back on the watch before their answer, for no contradiction', async () => {
  const { reporter, answers } = makeReporter()
  const written = reporter.report(view)
  await expect.poll(() => answers).toHaveLength(1)
  expect(reporter.isContradicted(podAt('10', 'True'))).toBe(false)
  answers[0]?.(podAt('10', 'True'))
  await written
  expect(reporter.isContradicted(podAt('9', 'False'))).toBe(false)
})
