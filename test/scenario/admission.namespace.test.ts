import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { containsModulesLabel } from '../../src/api/labels.ts'
import { namespaces } from '../../src/kube/core-resources.ts'
import { AdmissionCluster } from './admission-cluster.ts'
import { kernel56 } from './cluster.ts'
import { patience } from './engine.ts'
import { Scene } from './scene.ts'

let admission: AdmissionCluster
let end: () => Promise<void>
beforeAll(async () => {
  admission = await AdmissionCluster.start()
  end = await admission.cluster.startOperator()
})
afterAll(async () => {
  expect(await admission.stop()).toBe(0)
})

const deleteNamespace = (scene: Scene) => admission.send('DELETE', `/api/v1/namespaces/${scene.name}`)

async function isLabelled(scene: Scene): Promise<boolean> {
  const { metadata } = await admission.cluster.sandbox.client.get(namespaces, { name: scene.name })
  return metadata?.labels?.[containsModulesLabel] !== undefined
}

/** Two Modules of one scene, loaded on a node each. */
async function loadTwo(scene: Scene): Promise<void> {
  const { name, cluster } = scene
  const selector = { 'scene.example/other': name }
  await cluster.sandbox.addNode({ name: `${name}-2`, kernel: kernel56, labels: selector })
  const image = await scene.push('1')
  await scene.create(image)
  await scene.create(image, ({ metadata, spec }) => {
    metadata.name = 'other'
    if (spec) spec.selector = selector
  })
  const isLoaded = (): boolean => scene.isReady && cluster.isReady(`${name}-2`, 'other', name)
  await scene.until('both are loaded', isLoaded)
}

const bothGone = (scene: Scene): Promise<void> =>
  scene.until('both Modules are gone', () =>
    ['demo', 'other'].every((each) => scene.cluster.module(each, scene.name) === undefined),
  )

async function untilDeleted(scene: Scene): Promise<void> {
  await expect.poll(() => isLabelled(scene), { timeout: 30_000 * patience, interval: 100 }).toBe(false)
  expect((await deleteNamespace(scene)).status).toBe(200)
  await scene.untilNoNamespace()
}

describe('a namespace with two Modules', () => {
  it('stays until both are gone, also when both are deleted at once', async () => {
    const scene = await Scene.open(admission.cluster, 'at-once')
    await loadTwo(scene)
    const { status, body } = await deleteNamespace(scene)
    expect([status, body.message]).toEqual([403, expect.stringContaining('holds Modules')])
    await Promise.all([scene.delete(), scene.cluster.deleteModule('other', scene.name)])
    await bothGone(scene)
    await untilDeleted(scene)
  })

  it('stays while one is left', async () => {
    const scene = await Scene.open(admission.cluster, 'one-left')
    await loadTwo(scene)
    await scene.delete()
    await scene.untilGone()
    expect((await deleteNamespace(scene)).status).toBe(403)
    await scene.cluster.deleteModule('other', scene.name)
    await bothGone(scene)
    await untilDeleted(scene)
  })

  it.each([
    ['removes the label', null],
    ['gives the label another value', 'yes'],
  ])('stays when somebody %s', async (what, value) => {
    const scene = await Scene.open(admission.cluster, what.split(' ')[0] ?? '')
    await loadTwo(scene)
    const isGuarded = async (): Promise<boolean> =>
      (await admission.send('DELETE', `/api/v1/namespaces/${scene.name}?dryRun=All`)).status === 403
    await expect.poll(isGuarded, { timeout: 30_000, interval: 100 }).toBe(true)
    const labels = { [containsModulesLabel]: value }
    await admission.send('PATCH', `/api/v1/namespaces/${scene.name}`, { metadata: { labels } })
    await expect.poll(isGuarded, { timeout: 30_000, interval: 100 }).toBe(true)
    await Promise.all([scene.delete(), scene.cluster.deleteModule('other', scene.name)])
    await bothGone(scene)
    await untilDeleted(scene)
  })

  it('can be deleted when both went while no operator ran', async () => {
    const scene = await Scene.open(admission.cluster, 'unattended')
    await loadTwo(scene)
    await end()
    for (const name of ['demo', 'other']) {
      const path = `/apis/kmm.sigs.x-k8s.io/v1beta1/namespaces/${scene.name}/modules/${name}`
      expect((await admission.send('DELETE', path)).status).toBe(200)
      // Somebody who does not want to wait.
      expect((await admission.send('PATCH', path, { metadata: { finalizers: null } })).status).toBe(200)
    }
    await bothGone(scene)
    expect((await deleteNamespace(scene)).status).toBe(403)
    end = await admission.cluster.startOperator()
    await untilDeleted(scene)
  })
})
