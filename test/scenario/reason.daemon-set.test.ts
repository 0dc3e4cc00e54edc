import { expect } from 'vitest'
import { buildDra, classOf, untilFailing, untilSound, useDra } from './dra-scene.ts'
import { createReasonTests } from './reason-test.ts'

const dra = useDra()

const itEndsIn = createReasonTests(() => dra.cluster)

const plugin = { image: 'registry.example/plugin:1' }
const missingVolume = { volumeMounts: [{ name: 'settings', mountPath: '/settings' }] }

itEndsIn('DaemonSetRefused', 'a device plugin that mounts a volume which it lacks, until it has it', async (scene) => {
  await scene.create(await scene.push('1'), ({ spec }) => {
    if (spec) spec.devicePlugin = { container: { ...plugin, ...missingVolume } }
  })
  const message = await untilFailing(scene, 'DaemonSetRefused')
  expect(message).toContain('spec.devicePlugin')
  expect(message).toContain('spec.template.spec.containers[0].volumeMounts[1].name')
  await scene.until('the label', () => scene.isReady)
  await scene.patch({ devicePlugin: { volumes: [{ name: 'settings', emptyDir: {} }] } })
  await untilSound(scene)
})

itEndsIn('DaemonSetRefused', "a change of a DRA driver's DaemonSet, which stays as it was", async (scene) => {
  await scene.create(await scene.push('1'), ({ spec }) => {
    if (spec) spec.dra = buildDra(scene)
  })
  await untilSound(scene)
  const find = () => dra.view.daemonSetsOf('dra', 'demo', scene.name)[0]
  await scene.until('its DaemonSet', find)
  const before = find()?.spec
  const deviceClasses = [{ name: `more.${classOf(scene)}` }]
  await scene.patch({ dra: { container: missingVolume, deviceClasses } })
  expect(await untilFailing(scene, 'DaemonSetRefused')).toContain('spec.dra')
  await scene.until('the DeviceClass is made all the same', () => dra.view.class(deviceClasses[0]?.name ?? ''))
  expect(find()?.spec).toEqual(before)
  await scene.patch({ dra: { container: { volumeMounts: null } } })
  await untilSound(scene)
})
