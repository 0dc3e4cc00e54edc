import { afterAll, beforeAll, expect } from 'vitest'
import { daemonSets } from '../../src/kube/core-resources.ts'
import { deviceClasses } from '../../src/kube/device-class.ts'
import type { EmbeddedSandbox } from '../../src/sandbox/sandbox.ts'
import { Cluster } from './cluster.ts'
import { buildDra, classOf, untilFailing, untilSound } from './dra-scene.ts'
import { LeapClock } from './leap-clock.ts'
import { createReasonTests } from './reason-test.ts'

// Only the embedded engine can be a cluster from before there was DRA.
let old: Cluster<EmbeddedSandbox>
const clock = new LeapClock()
beforeAll(async () => {
  old = await Cluster.startEmbedded({ nodes: [], api: { gitVersion: 'v1.33.4' } })
  await old.startOperator({ clock })
})
afterAll(() => old.stop())

const itEndsIn = createReasonTests(() => old)

itEndsIn('DRAUnsupported', 'a cluster from before there was DRA, until it is upgraded', async (scene) => {
  const image = await scene.push('1')
  await scene.create(image, ({ spec }) => {
    if (spec) spec.dra = buildDra(scene)
  })
  const message = await untilFailing(scene, 'DRAUnsupported')
  expect(message).toContain('needs Kubernetes 1.34 or later, and this cluster is 1.33')
  await scene.until('the module is loaded', () => scene.isReady)
  const { client } = old.sandbox
  expect((await client.list(daemonSets, { namespace: scene.name })).items).toEqual([])
  expect(old.log.join('\n')).not.toMatch(/"level":"(warn|error)".*watch failed/)
  old.sandbox.api.becomeRelease('v1.34.1')
  await clock.pass(60_000, untilSound(scene))
  expect((await client.list(daemonSets, { namespace: scene.name })).items).toHaveLength(1)
  const [made] = (await client.list(deviceClasses)).items
  expect(made?.metadata?.name).toBe(classOf(scene))
})
