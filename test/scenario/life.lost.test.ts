import { afterAll, beforeAll, expect, it } from 'vitest'
import { Chronicle } from './chronicle.ts'
import { Cluster, kernel56, exampleFiles, nmcResource } from './cluster.ts'
import { Scene } from './scene.ts'

let cluster: Cluster
beforeAll(async () => {
  cluster = await Cluster.start({ nodes: [], times: { restartBaseMs: 1_000 } })
  await cluster.startOperator()
})
afterAll(() => cluster.stop())

async function openLoaded(name: string): Promise<Scene> {
  const scene = await Scene.open(cluster, name)
  await scene.create(await scene.push('1'))
  await scene.untilReady()
  return scene
}

const loseConfig = ({ name }: Scene): Promise<unknown> => cluster.sandbox.client.delete(nmcResource, { name })

/** The image that the node's NodeModulesConfig says is loaded in the boot that runs. */
function findLoaded(scene: Scene): string | undefined {
  const [item] = cluster.nmc(scene.name)?.status?.modules ?? []
  return item?.bootId === scene.kernel.bootId ? item.config?.containerImage : undefined
}

it.concurrent('finds again what is loaded while the image that is wanted by then is not there', async () => {
  const scene = await openLoaded('lost-missing')
  await scene.useImage(scene.image('2'))
  await scene.untilTold('ImageMissing')
  const uid = cluster.nmc(scene.name)?.metadata.uid
  await loseConfig(scene)
  await scene.until('another config', () => ![undefined, uid].includes(cluster.nmc(scene.name)?.metadata.uid))
  await scene.until('the load of before', () => findLoaded(scene) === scene.image('1'))
  await scene.until('the label', () => scene.isReady)
  expect(scene.kernel.history.map(({ action }) => action)).toEqual(['insert', 'insert'])
  await scene.push('2', await exampleFiles(kernel56, 'prebuilt-v2'))
  await scene.patch({ imageRebuildTriggerGeneration: 1 })
  await scene.until('the other image', () => findLoaded(scene) === scene.image('2'))
  await scene.untilReady()
})

it.concurrent('unloads what is loaded although nothing says so any more when the Module goes', async () => {
  const scene = await openLoaded('lost-deleted')
  const chronicle = new Chronicle(scene)
  // Somebody who has it held sees both happen at once.
  await scene.holdConfig(['scene.example/hold'])
  await loseConfig(scene)
  await scene.delete()
  await scene.holdConfig([])
  await scene.untilGone()
  await scene.until('no config', () => cluster.nmc(scene.name) === undefined)
  await scene.until('nothing in the kernel', () => !scene.kernel.isLoaded('kmm_demo'))
  await chronicle.expectOrder('no label', 'unload')
})

it.concurrent('replaces what is loaded although nothing says so any more when another image is wanted', async () => {
  const scene = await openLoaded('lost-changed')
  const next = await scene.push('2', await exampleFiles(kernel56, 'prebuilt-v2'))
  await scene.holdConfig(['scene.example/hold'])
  await loseConfig(scene)
  await scene.useImage(next)
  await scene.holdConfig([])
  await scene.until('the other image', () => findLoaded(scene) === next)
  await scene.untilReady()
  expect(scene.seen.report).not.toContain('OtherVersionLoaded')
})
