import { afterAll, beforeAll, expect, it } from 'vitest'
import { getKernelModuleReadyNodeLabel } from '../../src/api/labels.ts'
import { type Disturbance, KillLane, type Phase, phases, type RunResult } from './kill-scenario.ts'
import { demoModule } from './cluster.ts'
import { listRemains } from './kill-remains.ts'
import { type FatalWrite, KillSwitch } from './kill-switch.ts'
import { watchSafety } from './kill-witness.ts'

const lanesCount = 3

let lanes: KillLane[] = []
beforeAll(async () => {
  lanes = await Promise.all(Array.from({ length: lanesCount }, (_, index) => KillLane.start(`lane${index}`)))
})
afterAll(() => Promise.all(lanes.map((lane) => lane.stop())))

/** Plays on a lane until nothing is open. After a failure the lane is replaced: the next test must not meet what is left. */
async function playOn(index: number, open: Disturbance[]): Promise<RunResult[]> {
  const results: RunResult[] = []
  const lane = lanes[index]
  if (!lane) throw new Error('no lane')
  try {
    for (let next = open.shift(); next; next = open.shift()) results.push(await lane.run(next))
  } catch (error) {
    open.length = 0
    await lane.stop()
    lanes[index] = await KillLane.start(`again${index}`)
    throw error
  }
  return results
}

/** Runs that follow each other on each lane, and lanes side by side. Where one fails, none goes on beside the next test. */
async function playAll(disturbances: readonly Disturbance[]): Promise<RunResult[]> {
  const open = [...disturbances]
  const played = await Promise.allSettled(lanes.map((_lane, index) => playOn(index, open)))
  return played.flatMap((each) => {
    if (each.status === 'rejected') throw each.reason
    return each.value
  })
}

function expectSafe(results: readonly RunResult[]): void {
  expect(results.flatMap(({ faults }) => faults)).toEqual([])
  const story = ['insert v1', 'remove v1', 'insert v2', 'remove v2']
  for (const result of results) expect(result.story).toEqual(story)
}

/** Each write of a phase as a place to die at: the first of its kind, the second, … */
function listPlaces(writes: readonly string[]): FatalWrite[] {
  return writes.map((kind, index) => {
    const occurrence = writes.slice(0, index + 1).filter((each) => each === kind).length
    return { kind, occurrence, moment: 'after' }
  })
}

/** Runs in which the first operator of each phase dies at one of these places, until each has had its turn. */
function dieOnceAt(places: Record<Phase, FatalWrite[]>, absenceMs = 0): Disturbance[] {
  const longest = Math.max(...phases.map((phase) => places[phase].length))
  return Array.from({ length: longest }, (_, index) => ({
    absenceMs,
    killAt: (phase, life) => (life === 0 ? places[phase][index] : undefined),
  }))
}

const pluginModule = demoModule('unused', ({ metadata, spec }) => {
  metadata.namespace = 'plugin'
  if (spec) spec.devicePlugin = { container: { image: 'registry.example/plugin:1' } }
  delete spec?.moduleLoader
})

/** Written once a second at most: how often in a phase, if at all, is a matter of how long that takes. */
const pacedWrite = 'patch modules/status'
const isUnpaced = (kind: string): boolean => kind !== pacedWrite

const always = <T>(value: T): Record<Phase, T> => ({ load: value, reload: value, unload: value })

it('ends as wanted when the operator is killed after any of its writes', async () => {
  const [undisturbed] = await playAll([{ killAt: () => undefined }])
  if (!undisturbed) throw new Error('no run')
  const places = always<FatalWrite[]>([])
  for (const phase of phases) places[phase] = listPlaces(undisturbed.writes[phase])
  const results = await playAll(dieOnceAt(places))
  expectSafe([undisturbed, ...results])
  const died = always<string[]>([])
  for (const phase of phases) died[phase] = results.flatMap(({ deaths }) => deaths[phase])
  for (const phase of phases) {
    const [wanted, seen] = [undisturbed.writes[phase].filter(isUnpaced), died[phase].filter(isUnpaced)]
    // Every kind of write was fatal once; some writes are not needed in every run, such as a second status.
    expect([...new Set(seen)].sort()).toEqual([...new Set(wanted)].sort())
    expect(seen.length).toBeGreaterThanOrEqual(wanted.length - 2)
  }
  for (const phase of ['load', 'reload'] as const) expect(died[phase]).toContain(pacedWrite)
}, 900_000)

it('ends as wanted when a worker starts or ends while no operator is there', async () => {
  const places: FatalWrite[] = [
    { kind: 'create pods', occurrence: 1, moment: 'after' },
    { kind: 'patch nodemodulesconfigs/status', occurrence: 1, moment: 'before' },
    { kind: 'delete pods', occurrence: 1, moment: 'before' },
  ]
  expectSafe(await playAll(dieOnceAt(always(places), 1_000)))
}, 300_000)

it('ends as wanted when every operator dies at its second write', async () => {
  const results = await playAll([{ killAt: () => ({ occurrence: 2, moment: 'after' }) }])
  expectSafe(results)
  expect(results[0]?.deaths.load.length).toBeGreaterThan(5)
}, 300_000)

it('leaves nothing of a device plugin without a module loader when it is killed after any write of its deletion', async () => {
  const [lane] = lanes
  if (!lane) throw new Error('no lane')
  const { cluster } = lane
  await cluster.createNamespace('plugin')
  /** Deletes the Module, with an operator that dies at a write and another one after it; answers all writes of the first. */
  const play = async (fatal: FatalWrite | undefined): Promise<KillSwitch> => {
    const killSwitch = new KillSwitch()
    const end = await cluster.startOperator({ wrap: killSwitch.wrap })
    await cluster.createModule(pluginModule)
    await cluster.until('the plugin', () => cluster.condition('Ready', 'demo', 'plugin')?.status === 'True')
    killSwitch.arm(fatal)
    await cluster.deleteModule('demo', 'plugin')
    const isClear = (): boolean => listRemains(cluster, 'n1', 'plugin').length === 0
    await cluster.until('death or end', () => killSwitch.dead || (killSwitch.open === 0 && isClear()))
    await end()
    const endNext = await cluster.startOperator()
    await cluster.until(`the end after death at ${killSwitch.diedAt}`, isClear)
    await endNext()
    return killSwitch
  }
  const died: (string | undefined)[] = []
  for (const place of listPlaces((await play(undefined)).writes)) died.push((await play(place)).diedAt)
  expect(died).toContain('patch nodes')
  expect(died).toContain('patch pods')
}, 300_000)

it('notices a ready label without the module', async () => {
  const [lane] = lanes
  const node = lane?.cluster.sandbox.node('n1')
  if (!lane || !node) throw new Error('no lane')
  const { api } = lane.cluster.sandbox
  const end = watchSafety({ api, node, namespace: 'x', module: 'y', kernelModule: 'kmm_none', srcversions: [] })
  const label = getKernelModuleReadyNodeLabel('x', 'y')
  await node.label({ [label]: '' })
  await node.label({ [label]: null })
  expect(end()).toContain('the ready label without the module in the kernel, at a write of the node')
})
