import { expect } from 'vitest'
import { deviceClasses } from '../../src/kube/device-class.ts'
import { buildClass, classOf, createDriver, untilFailing, untilSound, useDra } from './dra-scene.ts'
import { createReasonTests } from './reason-test.ts'

const dra = useDra()

const itEndsIn = createReasonTests(() => dra.cluster)

itEndsIn('DeviceClassConflict', 'a DeviceClass that somebody else made, until it goes', async (scene) => {
  const { client } = dra.cluster.sandbox
  const foreign = await client.create(deviceClasses, { metadata: { name: classOf(scene) }, spec: {} })
  await createDriver(scene)
  expect(await untilFailing(scene, 'DeviceClassConflict')).toContain(`DeviceClass ${classOf(scene)} exists already`)
  await scene.until('the driver', () => dra.view.daemonSetsOf('dra', 'demo', scene.name).length === 1)
  expect(await client.get(deviceClasses, { name: classOf(scene) })).toEqual(foreign)
  await client.delete(deviceClasses, { name: classOf(scene) })
  await untilSound(scene)
  const label = 'kmm.node.kubernetes.io/module.namespace'
  await scene.until('its own class', () => dra.view.class(classOf(scene))?.metadata?.labels?.[label] === scene.name)
})

itEndsIn('DeviceClassConflict', 'a DeviceClass of another Module, which keeps it until it goes', async (scene) => {
  const name = `shared.${classOf(scene)}`
  await createDriver(scene, { deviceClasses: [{ name }] }, 'first')
  await scene.until('the class', () => dra.view.class(name))
  await createDriver(scene, { deviceClasses: [buildClass(classOf(scene)), { name }] })
  expect(await untilFailing(scene, 'DeviceClassConflict')).toContain(`it belongs to Module ${scene.name}/first`)
  await scene.until('its own', () => dra.view.class(classOf(scene)))
  const uid = dra.view.class(name)?.metadata?.uid
  await dra.cluster.deleteModule('first', scene.name)
  await untilSound(scene)
  const label = 'kmm.node.kubernetes.io/module.name'
  await scene.until('its own', () => dra.view.class(name)?.metadata?.labels?.[label] === 'demo')
  expect(dra.view.class(name)?.metadata?.uid).not.toBe(uid)
})

itEndsIn('DeviceClassConflict', 'a DeviceClass of somebody else, which stays when the Module goes', async (scene) => {
  await dra.cluster.sandbox.client.create(deviceClasses, { metadata: { name: classOf(scene) }, spec: {} })
  await createDriver(scene)
  await untilFailing(scene, 'DeviceClassConflict')
  await scene.delete()
  await scene.untilGone()
  await scene.until('the driver is gone', () => dra.view.daemonSetsOf('dra', 'demo', scene.name).length === 0)
  expect(await dra.cluster.sandbox.client.get(deviceClasses, { name: classOf(scene) })).toBeDefined()
})

itEndsIn('DeviceClassRefused', 'an expression that does not compile, until it does', async (scene) => {
  const bad = { ...buildClass(classOf(scene)), selectors: [{ cel: { expression: 'device.driver ==' } }] }
  const fine = `fine.${classOf(scene)}`
  await createDriver(scene, { deviceClasses: [bad, { name: fine }] })
  expect(await untilFailing(scene, 'DeviceClassRefused')).toContain('spec.selectors[0].cel.expression')
  await scene.until('the other', () => dra.view.class(fine))
  await scene.patch({ dra: { deviceClasses: [buildClass(classOf(scene))] } })
  await untilSound(scene)
})
