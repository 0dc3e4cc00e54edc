import { afterAll, beforeAll, expect, it } from 'vitest'
import { Cluster, exampleFiles, kernel56 } from './cluster.ts'
import { type FatalWrite, KillSwitch } from './kill-switch.ts'
import { Rollout } from './rollout.ts'
import { Scene } from './scene.ts'

let cluster: Cluster
beforeAll(async () => {
  cluster = await Cluster.startEmbedded({ nodes: [], times: { phaseLagMs: 5 } })
})
afterAll(() => cluster.stop())

/** Leads the node to the next version, with an operator that dies at a write and another one after it. */
async function upgrade(rollout: Rollout, version: string, image: string, fatal?: FatalWrite): Promise<KillSwitch> {
  const killSwitch = new KillSwitch()
  const end = await cluster.startOperator({ wrap: killSwitch.wrap })
  await rollout.untilRunning(String(Number(version) - 1))
  await cluster.quiet(100)
  rollout.record.take()
  killSwitch.arm(fatal)
  await rollout.release(version, image)
  await rollout.ask(version)
  // The status is written once a second at most, and an upgrade may take less.
  const isTold = (): boolean => rollout.readyCondition?.observedGeneration === rollout.module?.metadata.generation
  const isDone = (): boolean => killSwitch.dead || (killSwitch.open === 0 && rollout.isRunning(version) && isTold())
  await rollout.scene.until(`version ${version}, or death at ${JSON.stringify(fatal)}`, isDone)
  await cluster.quiet(100)
  await end()
  const endNext = await cluster.startOperator()
  await rollout.untilRunning(version)
  await endNext()
  return killSwitch
}

/** What must happen in this order, whatever is told of it twice. */
const order = (before: string, after: string): string[] => [
  `no pod of ${before}`,
  'no worker label',
  'no ready label',
  'no module',
  `worker label: ${after}`,
  `module: ${after}`,
  'ready label: ',
  `pod of ${after}: there`,
]

it('ends an upgrade in order when the operator is killed after any of its writes', async () => {
  const scene = await Scene.open(cluster, 'killed')
  const images = [
    await scene.push('even', await exampleFiles(kernel56, 'prebuilt-v2')),
    await scene.push('odd', await exampleFiles(kernel56)),
  ] as const
  const imageOf = (version: number): string => images[version % 2 === 0 ? 0 : 1]
  const endFirst = await cluster.startOperator()
  const rollout = await Rollout.start(scene, imageOf(1))
  await endFirst()
  let version = 1
  const play = async (fatal?: FatalWrite): Promise<KillSwitch> => {
    const [before, after] = [String(version), String(++version)]
    const killSwitch = await upgrade(rollout, after, imageOf(version), fatal)
    await scene.until('the whole record', () => rollout.record.holds(order(before, after)))
    const story = rollout.record.take().filter((each) => order(before, after).includes(each))
    expect([killSwitch.diedAt, ...story]).toEqual([killSwitch.diedAt, ...order(before, after)])
    return killSwitch
  }
  const { writes } = await play()
  const died: (string | undefined)[] = []
  for (const [index, kind] of writes.entries()) {
    const occurrence = writes.slice(0, index + 1).filter((each) => each === kind).length
    died.push((await play({ kind, occurrence, moment: 'after' })).diedAt)
  }
  for (const kind of ['patch nodes', 'patch nodemodulesconfigs', 'create pods', 'patch modules/status'])
    expect(died).toContain(kind)
  const actions = scene.kernel.history.filter(({ module }) => module === 'kmm_demo').map(({ action }) => action)
  expect(actions).toEqual(actions.map((_action, index) => (index % 2 === 0 ? 'insert' : 'remove')))
  expect(actions).toHaveLength(2 * version - 1)
  await rollout.record.stop()
}, 300_000)
