import { type AddressInfo, createServer, type Server, type Socket } from 'node:net'
import { afterAll, beforeAll, it } from 'vitest'
import { Cluster, kernel56 } from './cluster.ts'
import { createPreflight, listConfigs, pushFor } from './preflights.ts'
import { Scene } from './scene.ts'

/** More than are asked about at once. */
const moduleCount = 12

let cluster: Cluster
/** Takes connections, and never answers. */
let silent: Server
const sockets: Socket[] = []
beforeAll(async () => {
  silent = createServer((socket) => void sockets.push(socket))
  await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve))
  cluster = await Cluster.start({ nodes: [] })
  await cluster.startOperator()
})
afterAll(async () => {
  await cluster.stop()
  for (const socket of sockets) socket.destroy()
  silent.close()
})

it('finds the image that nodes wait for while preflights ask a registry that does not answer', async () => {
  const scene = await Scene.open(cluster, 'pf-silent')
  const { port } = silent.address() as AddressInfo
  for (let index = 0; index < moduleCount; index++)
    await scene.create(`127.0.0.1:${port}/mod:\${KERNEL_FULL_VERSION}`, ({ metadata, spec }) => {
      metadata.name = `m${index}`
      if (spec) spec.selector = { nobody: '' }
    })
  await createPreflight(scene, 'pf-silent')
  await scene.until('all workers are waiting', () => sockets.length >= 8)
  await scene.until('all are asked for', () => listConfigs(scene, 'pf-silent').length === moduleCount)
  await scene.create(await pushFor(scene, kernel56))
  const isFound = (): boolean => cluster.condition('ImagesReady', 'demo', scene.name)?.status === 'True'
  await scene.until('its image is found', isFound)
})
