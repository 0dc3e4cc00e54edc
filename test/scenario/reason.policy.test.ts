import { afterAll, beforeAll, expect } from 'vitest'
import { unloadPolicyAnnotation } from '../../src/api/annotations.ts'
import type { Module } from '../../src/api/module.ts'
import { Cluster } from './cluster.ts'
import { createReasonTests, workersEndWell } from './reason-test.ts'

let cluster: Cluster
beforeAll(async () => {
  cluster = await Cluster.start({ nodes: [], rules: workersEndWell })
  await cluster.startOperator()
})
afterAll(() => cluster.stop())

const itEndsIn = createReasonTests(() => cluster)

const withPolicy =
  (policy: string) =>
  ({ metadata }: Module): void => {
    metadata.annotations = { [unloadPolicyAnnotation]: policy }
  }

itEndsIn('NodeTainted', 'a taint under the policy OnTaint, until it is gone', async (scene) => {
  await scene.create(await scene.push('1'), withPolicy('OnTaint'))
  await scene.untilReady()
  await scene.node.addTaint('maintenance', 'NoSchedule')
  await scene.untilTold('NodeTainted')
  await scene.untilCondition('Ready', 'False', 'NodeTainted')
  expect(scene.condition('Ready')?.message).toContain('has the taint maintenance:NoSchedule')
  await scene.until('no plan', () => cluster.nmc(scene.name) === undefined)
  await scene.node.removeTaint('maintenance', 'NoSchedule')
  await scene.untilReady()
})

itEndsIn('UnloadForbidden', 'a new image under the policy Never, until the node is rebooted', async (scene) => {
  await scene.create(await scene.push('1'), withPolicy('Never'))
  await scene.untilReady()
  await scene.useImage(await scene.push('2'))
  await scene.untilTold('UnloadForbidden')
  await scene.untilCondition('Progressing', 'True', 'UnloadForbidden')
  expect(scene.condition('Ready')?.message).toContain('reboot the node')
  expect([scene.isReady, scene.pods.Load.size]).toEqual([true, 1])
  await scene.node.reboot()
  await scene.untilReady()
  const loadedImage = () => cluster.nmc(scene.name)?.status?.modules?.[0]?.config?.containerImage
  await scene.until('the new image', () => loadedImage() === scene.image('2'))
  expect(scene.pods.Unload.size).toBe(0)
})

itEndsIn('ModuleClaimed', 'a kernel module that another Module has, until that is gone', async (scene) => {
  const image = await scene.push('1')
  await scene.create(image, ({ metadata }) => {
    metadata.name = 'first'
  })
  await scene.until('the first Module', () => cluster.isReady(scene.name, 'first', scene.name))
  await scene.create(image, ({ spec }) => {
    Object.assign(spec?.moduleLoader?.container ?? {}, { modprobe: { moduleName: 'kmm-demo' } })
  })
  await scene.untilTold('ModuleClaimed')
  await scene.untilCondition('Degraded', 'True', 'ModuleClaimed')
  expect(scene.condition('Ready')?.message).toContain(`kernel module kmm_demo is that of Module ${scene.name}/first`)
  expect(cluster.nmc(scene.name)?.spec?.modules?.map(({ name }) => name)).toEqual(['first'])
  await scene.delete('first')
  await scene.untilReady()
  const planned = () =>
    cluster
      .nmc(scene.name)
      ?.spec?.modules?.map(({ name }) => name)
      .join()
  await scene.until('the plan has it alone', () => planned() === 'demo')
})
