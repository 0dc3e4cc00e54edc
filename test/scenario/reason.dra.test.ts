import { afterAll, beforeAll, expect } from 'vitest'
import { deviceClasses } from '../../src/kube/device-class.ts'
import { Cluster } from './cluster.ts'
import { buildClass, classOf, createDriver, DraView, untilFailing, untilSound } from './dra-scene.ts'
import { createReasonTests } from './reason-test.ts'

let cluster: Cluster
let view: DraView
beforeAll(async () => {
  cluster = await Cluster.start({ nodes: [] })
  view = new DraView(cluster)
  await cluster.startOperator()
})
afterAll(async () => {
  await view.stop()
  await cluster.stop()
})

const itEndsIn = createReasonTests(() => cluster)

itEndsIn('DeviceClassConflict', 'a DeviceClass that somebody else made, until it goes', async (scene) => {
  const { client } = cluster.sandbox
  const foreign = await client.create(deviceClasses, { metadata: { name: classOf(scene) }, spec: {} })
  await createDriver(scene)
  expect(await untilFailing(scene, 'DeviceClassConflict')).toContain(`DeviceClass ${classOf(scene)} exists already`)
  await scene.until('the driver', () => view.daemonSetsOf('dra', 'demo', scene.name).length === 1)
  expect(await client.get(deviceClasses, { name: classOf(scene) })).toEqual(foreign)
  await client.delete(deviceClasses, { name: classOf(scene) })
  await untilSound(scene)
  const label = 'kmm.node.kubernetes.io/module.namespace'
  await scene.until('its own class', () => view.class(classOf(scene))?.metadata?.labels?.[label] === scene.name)
})

itEndsIn('DeviceClassConflict', 'a DeviceClass of another Module, which keeps it until it goes', async (scene) => {
  const name = `shared.${classOf(scene)}`
  await createDriver(scene, { deviceClasses: [{ name }] }, 'first')
  await scene.until('the class', () => view.class(name))
  await createDriver(scene, { deviceClasses: [buildClass(classOf(scene)), { name }] })
  expect(await untilFailing(scene, 'DeviceClassConflict')).toContain(`it belongs to Module ${scene.name}/first`)
  await scene.until('its own', () => view.class(classOf(scene)))
  const uid = view.class(name)?.metadata?.uid
  await cluster.deleteModule('first', scene.name)
  await untilSound(scene)
  const label = 'kmm.node.kubernetes.io/module.name'
  await scene.until('its own', () => view.class(name)?.metadata?.labels?.[label] === 'demo')
  expect(view.class(name)?.metadata?.uid).not.toBe(uid)
})

itEndsIn('DeviceClassConflict', 'a DeviceClass of somebody else, which stays when the Module goes', async (scene) => {
  await cluster.sandbox.client.create(deviceClasses, { metadata: { name: classOf(scene) }, spec: {} })
  await createDriver(scene)
  await untilFailing(scene, 'DeviceClassConflict')
  await scene.delete()
  await scene.untilGone()
  await scene.until('the driver is gone', () => view.daemonSetsOf('dra', 'demo', scene.name).length === 0)
  expect(await cluster.sandbox.client.get(deviceClasses, { name: classOf(scene) })).toBeDefined()
})

itEndsIn('DeviceClassRefused', 'an expression that does not compile, until it does', async (scene) => {
  const bad = { ...buildClass(classOf(scene)), selectors: [{ cel: { expression: 'device.driver ==' } }] }
  const fine = `fine.${classOf(scene)}`
  await createDriver(scene, { deviceClasses: [bad, { name: fine }] })
  expect(await untilFailing(scene, 'DeviceClassRefused')).toContain('spec.selectors[0].cel.expression')
  await scene.until('the other', () => view.class(fine))
  await scene.patch({ dra: { deviceClasses: [buildClass(classOf(scene))] } })
  await untilSound(scene)
})
