import { expect, it } from 'vitest'
import { nodeLabelerFinalizer } from '../../api/finalizers.ts'
import { describePluginPods } from './plugin-words.ts'
import { type PodView, trimPod } from './pod-view.ts'

const buildPod = (changes: Partial<PodView> = {}): PodView => ({
  ...trimPod({ metadata: { namespace: 'ns', name: 'plugin-1', finalizers: [nodeLabelerFinalizer] } }),
  ...changes,
})
const leaving = { deleting: true }

const rows: [string, PodView[], boolean, string][] = [
  ['one that is being ended', [buildPod(leaving)], true, 'plugin-1 (it is being ended)'],
  ['one that stays', [buildPod()], true, 'plugin-1 (nobody has deleted it yet)'],
  [
    'one on a dead node',
    [buildPod(leaving)],
    false,
    'plugin-1 (its node is not ready: if it is off for good, delete the Node)',
  ],
  [
    "one with somebody else's finalizer",
    [buildPod({ ...leaving, finalizers: [nodeLabelerFinalizer, 'example.test/hold'] })],
    true,
    "plugin-1 (its finalizer is somebody else's to remove: example.test/hold)",
  ],
]
it.each(rows)('says what keeps %s', (_title, pods, ready, words) => {
  expect(describePluginPods(pods, { ready })).toBe(words)
})

it('names three of many, and does not let names run on', () => {
  const finalizers = Array.from({ length: 9 }, (_each, index) => `example.test/${index}${'x'.repeat(200)}`)
  const pods = Array.from({ length: 5 }, (_each, index) => buildPod({ name: `p${index}`, ...leaving, finalizers }))
  const words = describePluginPods(pods, { ready: true })
  expect(words).toMatch(/^p0 \(.*p1 \(.*p2 \(.* and 2 more$/)
  expect(words.length).toBeLessThan(1_000)
})
