import { afterEach, expect, it } from 'vitest'
import { Cluster, demoModule, kernel56, workerLabel } from './cluster.ts'

let cluster: Cluster
afterEach(() => cluster.stop())

/** Writes about the Module itself, however many nodes it has. */
const aboutModule = new Set([
  'create moduleimagesconfigs',
  'patch moduleimagesconfigs/status',
  'patch modules',
  'patch modules/status',
  'patch namespaces',
])

const aboutNode = (writes: readonly string[]): string[] => writes.filter((write) => !aboutModule.has(write))

it('loads one prebuilt module on one node with six writes', async () => {
  cluster = await Cluster.start({ nodes: [] })
  await cluster.startOperator()
  await cluster.createNamespace()
  await cluster.createModule(demoModule(await cluster.push(kernel56)))
  await cluster.until('the Module is looked at', () => cluster.condition('Ready') !== undefined)
  await cluster.quiet()
  const from = cluster.sandbox.writes.length
  await cluster.sandbox.addNode({ name: 'n1', kernel: kernel56, labels: workerLabel })
  await cluster.until('the Module is ready', () => cluster.condition('Ready')?.status === 'True')
  await cluster.quiet(1_500)
  const writes = aboutNode(cluster.operatorWrites(from))
  process.stdout.write(`one module on one node: ${writes.join(', ')}\n`)
  expect(writes).toEqual([
    'create nodemodulesconfigs',
    'create pods',
    'patch nodemodulesconfigs/status',
    'patch nodes',
    'create events',
    'delete pods',
  ])
})

it('writes two labels more for a device plugin', async () => {
  cluster = await Cluster.start({ nodes: [] })
  await cluster.startOperator()
  await cluster.createNamespace()
  const module = demoModule(await cluster.push(kernel56), ({ spec }) => {
    if (spec) spec.devicePlugin = { container: { image: 'registry.example/plugin:1' } }
  })
  await cluster.createModule(module)
  await cluster.until('the Module is looked at', () => cluster.condition('Ready') !== undefined)
  await cluster.until('its DaemonSet', () => cluster.operatorWrites().includes('create daemonsets'))
  await cluster.quiet()
  const from = cluster.sandbox.writes.length
  await cluster.sandbox.addNode({ name: 'n1', kernel: kernel56, labels: workerLabel })
  await cluster.until('the Module is ready', () => cluster.condition('Ready')?.status === 'True')
  await cluster.quiet(1_500)
  const writes = aboutNode(cluster.operatorWrites(from))
  expect(writes.filter((write) => write === 'patch nodes')).toHaveLength(3)
  expect(writes).toHaveLength(8)
})

it('writes nothing at a heartbeat, and nothing at a restart with everything loaded', async () => {
  cluster = await Cluster.start()
  const stop = await cluster.startOperator()
  await cluster.createNamespace()
  await cluster.createModule(demoModule(await cluster.push(kernel56)))
  await cluster.until('the Module is ready', () => cluster.condition('Ready')?.status === 'True')
  await cluster.quiet(1_500)
  const from = cluster.sandbox.writes.length
  for (let beat = 0; beat < 20; beat++) await cluster.sandbox.node('n1')?.heartbeat()
  await cluster.quiet()
  const ofNodes = cluster.sandbox.writes.slice(from).filter(({ resource }) => resource === 'nodes')
  expect(ofNodes).toHaveLength(20)
  expect(cluster.operatorWrites(from)).toEqual([])
  await stop()
  await cluster.startOperator()
  await cluster.quiet(1_500)
  expect(cluster.operatorWrites(from)).toEqual([])
})
