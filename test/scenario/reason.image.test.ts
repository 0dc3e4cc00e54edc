import { afterAll, beforeAll, expect } from 'vitest'
import { secrets } from '../../src/kube/core-resources.ts'
import { Cluster, kernel56 } from './cluster.ts'
import { LeapClock } from './leap-clock.ts'
import { createReasonTests } from './reason-test.ts'
import type { Scene } from './scene.ts'

let cluster: Cluster
const clock = new LeapClock()
const reader = { username: 'reader', password: 'right' }
beforeAll(async () => {
  const auth = { kind: 'token' as const, users: [reader], anonymousPull: ['open/'] }
  cluster = await Cluster.start({ nodes: [], times: { restartBaseMs: 1_000 }, registry: { auth } })
  // The operator leaves to the workers at once what it cannot look at itself.
  await cluster.startOperator({ unverifiedAfterMs: 1, clock })
})
afterAll(() => cluster.stop())

const itEndsIn = createReasonTests(() => cluster)

/** A pull secret in the kubelet's form. */
function dockerConfig(password: string): Record<string, string> {
  const { address } = cluster.sandbox.registry
  const text = JSON.stringify({ auths: { [address]: { username: reader.username, password } } })
  return { '.dockerconfigjson': Buffer.from(text).toString('base64') }
}

async function createSecret(scene: Scene, password: string): Promise<void> {
  const metadata = { namespace: scene.name, name: 'pull' }
  const secret = { metadata, type: 'kubernetes.io/dockerconfigjson', data: dockerConfig(password) }
  await cluster.sandbox.client.create(secrets, secret)
}

itEndsIn('ImageNotFound', 'an image that is lost after the operator saw it, until it is back', async (scene) => {
  const letStart = scene.rule({ do: 'hang' })
  const { image, digest } = await scene.pushImage('1')
  await scene.create(image)
  await scene.until('the pod', () => scene.pod)
  expect(cluster.sandbox.registry.lose(scene.repository, digest)).toBe(true)
  letStart()
  expect(await scene.untilFailed('ImageNotFound', 2)).toContain(scene.repository)
  await scene.push('1')
  await scene.untilReady()
})

itEndsIn(
  'RegistryUnauthorized',
  'a wrong password in the pull secret, until it is corrected',
  async (scene) => {
    await createSecret(scene, 'wrong')
    await scene.create(await scene.push('1'), ({ spec }) => {
      if (spec) spec.imageRepoSecret = { name: 'pull' }
    })
    await scene.untilFailed('RegistryUnauthorized')
    await scene.untilCondition('ImagesReady', 'Unknown', 'RegistryUnauthorized')
    const patch = { type: 'merge' as const, body: { data: dockerConfig('right') } }
    await cluster.sandbox.client.patch(secrets, { namespace: scene.name, name: 'pull' }, patch)
    await scene.untilReady()
  },
  { repository: 'private' },
)

itEndsIn('RegistryUnreachable', 'a registry that is down, until it is up', async (scene) => {
  const image = await scene.push('1')
  const lift = cluster.sandbox.registry.fail({ repository: scene.repository, action: { do: 'reset' } })
  await scene.create(image)
  await scene.untilFailed('RegistryUnreachable')
  await scene.untilCondition('ImagesReady', 'Unknown', 'RegistryUnreachable')
  lift()
  await scene.untilReady()
})

itEndsIn('ImageInvalid', 'a layer that arrives damaged, until it arrives whole', async (scene) => {
  const action = { do: 'corrupt' as const, atByte: 2_000 }
  const lift = cluster.sandbox.registry.fail({ repository: scene.repository, kind: 'blob', action })
  await scene.create(await scene.push('1'))
  await scene.untilFailed('ImageInvalid')
  lift()
  await scene.untilReady()
  expect(scene.kernel.insertions('kmm_demo')).toBe(1)
})

itEndsIn('ImageInvalid', 'a hostile layer, until the tag names a good one', async (scene) => {
  const entry = { name: `opt/lib/modules/${kernel56}/../../../../../etc/passwd`, content: 'root::0:0' }
  await scene.create((await scene.pushImage('1', [entry])).image)
  expect(await scene.untilFailed('ImageInvalid')).toContain('layer')
  await scene.push('1')
  await clock.pass(120_000, scene.untilReady())
})

itEndsIn('ModuleNotInImage', 'an image without the module, until the Module names another one', async (scene) => {
  await scene.create(await scene.push('1', { [`opt/lib/modules/${kernel56}/modules.dep`]: { data: '' } }))
  expect(await scene.untilFailed('ModuleNotInImage')).toContain(`/opt/lib/modules/${kernel56}`)
  await scene.useImage(await scene.push('2'))
  await scene.untilReady()
})
