import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Machine } from '../../src/sandbox/qemu/machine.ts'
import type { GuestModule } from '../../src/sandbox/qemu/requests.ts'
import { Cluster, demoModule, kernel56, workerLabel } from '../scenario/cluster.ts'
import { testMachines } from './machines.ts'

let cluster: Cluster

beforeAll(async () => {
  const nodes = [{ name: 'n1', kernel: `qemu:${kernel56}`, labels: workerLabel }]
  cluster = await Cluster.start({ nodes, machines: testMachines() })
  await cluster.createNamespace()
})

afterAll(async () => {
  await cluster?.stop()
})

const machine = (): Machine => {
  const found = cluster.sandbox.node('n1')
  if (!found) throw new Error('no node n1')
  return found.machine
}

async function findDemo(): Promise<GuestModule | undefined> {
  return (await machine().modules()).find(({ name }) => name === 'kmm_demo')
}

const patienceMs = 180_000

test('a Module is loaded into a real kernel, again after a reboot, and unloaded when it is deleted', async () => {
  await cluster.startOperator()
  const image = await cluster.push(kernel56)
  await cluster.createModule(
    demoModule(image, ({ spec }) => {
      const modprobe = spec?.moduleLoader?.container?.modprobe
      if (modprobe) modprobe.parameters = ['count=7']
    }),
  )
  await cluster.until('the ready label', () => cluster.isReady(), patienceMs)
  expect(await findDemo()).toMatchObject({ taint: 'OE', parameters: { count: '7' } })
  expect(await machine().runChecked(['uname', '-r'])).toBe(`${kernel56}\n`)
  expect((await machine().dmesg()).join('\n')).toContain('kmm_demo: hello (greeting 7)')

  const before = machine().bootId
  await cluster.sandbox.node('n1')?.reboot()
  expect(machine().bootId).not.toBe(before)
  const bootOf = (): string | undefined => cluster.nmc()?.status?.modules?.find(({ name }) => name === 'demo')?.bootId
  await cluster.until('loaded in the new boot', () => bootOf() === machine().bootId && cluster.isReady(), patienceMs)
  expect(await findDemo()).toMatchObject({ parameters: { count: '7' } })

  await cluster.deleteModule()
  await cluster.until('the Module is gone', () => cluster.module() === undefined, patienceMs)
  expect(await findDemo()).toBeUndefined()
})
