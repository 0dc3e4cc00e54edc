import { afterAll, beforeAll, expect, it } from 'vitest'
import {
  build,
  type BuildingCluster,
  countJobs,
  createMade,
  imageStatus,
  listJobEvents,
  listJobs,
  provideInputs,
  sign,
  startBuilding,
} from './builds.ts'
import { type FatalWrite, KillSwitch } from './kill-switch.ts'
import { Scene } from './scene.ts'

const lanesCount = 2
/** What takes longer hangs: it takes two seconds on an idle machine, and thirty on one that is short of processors. */
const longestLifeMs = 180_000

let lanes: BuildingCluster[] = []
beforeAll(async () => {
  lanes = await Promise.all(Array.from({ length: lanesCount }, () => startBuilding()))
})
afterAll(() => Promise.all(lanes.map((lane) => lane.stop())))

/** Where the operator dies whose turn it is; the first is 0. Nowhere, and it lives to the end. */
type KillAt = (life: number) => FatalWrite | undefined

/** What came of building and signing one image. */
interface RunResult {
  deaths: string[]
  /** The writes of the last operator. */
  writes: string[]
  /** How many pods were made to build, and to sign. */
  pods: [number, number]
  phase: string | undefined
  /** What was pushed, of which nothing twice. */
  pushed: string[]
  events: string[]
}

/** The tags that were pushed to a scene's repository, but for the base image. */
const listPushed = ({ cluster, repository }: Scene): string[] =>
  cluster.sandbox.registry.requests
    .filter((each) => each.method === 'PUT' && each.kind === 'manifest' && each.repository === repository)
    .map(({ reference }) => reference.replace(/-kmm-unsigned-.*/, '-kmm-unsigned'))

const isOver = (scene: Scene): boolean =>
  scene.isReady &&
  scene.condition('Ready')?.status === 'True' &&
  scene.condition('ImagesReady')?.status === 'True' &&
  listJobs(scene, 'BuildImage').length + listJobs(scene, 'SignImage').length === 0

async function begin({ cluster }: Scene, fatal: FatalWrite | undefined) {
  const killSwitch = new KillSwitch()
  killSwitch.arm(fatal)
  try {
    return { killSwitch, end: await cluster.startOperator({ wrap: killSwitch.wrap }) }
  } catch (error) {
    // It may die before it has begun to live.
    if (killSwitch.dead) return { killSwitch, end: async () => undefined }
    throw error
  }
}

/** Builds, signs and loads one image, with an operator that dies as told, and others after it. */
async function play({ cluster }: BuildingCluster, name: string, killAt: KillAt): Promise<RunResult> {
  const scene = await Scene.open(cluster, name)
  await provideInputs(scene)
  await createMade(scene, { build, sign })
  const deaths: string[] = []
  for (;;) {
    const { killSwitch, end } = await begin(scene, killAt(deaths.length))
    const what = `the end or a death, after deaths at ${deaths.join(', ') || 'no write'}`
    const holds = (): boolean => killSwitch.dead || (killSwitch.open === 0 && isOver(scene))
    try {
      await scene.until(what, holds, longestLifeMs)
    } finally {
      await end()
    }
    if (killSwitch.diedAt === undefined) {
      await cluster.caughtUp()
      const { writes } = killSwitch
      const phase = imageStatus(scene)?.phase
      const events = listJobEvents(scene)
      return { deaths, writes, pods: countJobs(scene), phase, pushed: listPushed(scene), events }
    }
    deaths.push(killSwitch.diedAt)
  }
}

/** Plays on a lane until nothing is open. After a failure the lane is replaced: the next test must not meet what is left. */
async function playOn(index: number, label: string, open: [number, KillAt][]): Promise<RunResult[]> {
  const results: RunResult[] = []
  const lane = lanes[index]
  if (!lane) throw new Error('no lane')
  try {
    for (let next = open.shift(); next; next = open.shift())
      results.push(await play(lane, `${label}-${next[0]}`, next[1]))
  } catch (error) {
    open.length = 0
    await lane.stop()
    lanes[index] = await startBuilding()
    throw error
  }
  return results
}

/** Runs that follow each other on each lane, and lanes side by side. Where one fails, none goes on beside the next test. */
async function playAll(label: string, kills: readonly KillAt[]): Promise<RunResult[]> {
  const open = [...kills.entries()]
  const played = await Promise.allSettled(lanes.map((_lane, index) => playOn(index, label, open)))
  return played.flatMap((each) => {
    if (each.status === 'rejected') throw each.reason
    return each.value
  })
}

function expectMadeOnce(results: readonly RunResult[]): void {
  for (const { pods, phase, pushed, events, deaths } of results)
    expect({ pods, phase, pushed, events, deaths }).toEqual({
      pods: [1, 1],
      phase: 'Ready',
      pushed: ['made-kmm-unsigned', 'made'],
      events: ['BuildCreated', 'BuildSucceeded', 'SignCreated', 'SignSucceeded'],
      deaths,
    })
}

/** Each write as a place to die at: the first of its kind, the second, … */
function listPlaces(writes: readonly string[], moment: FatalWrite['moment']): FatalWrite[] {
  return writes.map((kind, index) => {
    const occurrence = writes.slice(0, index + 1).filter((each) => each === kind).length
    return { kind, occurrence, moment }
  })
}

/** Writes about the image, but for those about the node that loads it. */
const aboutImages = ({ kind }: FatalWrite): boolean =>
  ['create pods', 'delete pods', 'create events', 'patch moduleimagesconfigs/status'].includes(kind ?? '')

const once =
  (place: FatalWrite): KillAt =>
  (life) =>
    life === 0 ? place : undefined

it('builds once and signs once when the operator is killed after any write', async () => {
  const [undisturbed] = await playAll('undisturbed', [() => undefined])
  if (!undisturbed) throw new Error('no run')
  expectMadeOnce([undisturbed])
  const places = listPlaces(undisturbed.writes, 'after').filter(aboutImages)
  const results = await playAll('after', places.map(once))
  expectMadeOnce(results)
  expect(results.filter(({ deaths }) => deaths.length === 1).length).toBeGreaterThanOrEqual(places.length - 2)
}, 600_000)

it('builds once and signs once when each operator is killed at the same kind of write', async () => {
  const kinds = ['create pods', 'delete pods', 'patch moduleimagesconfigs/status']
  const kills = kinds.map(
    (kind): KillAt =>
      () => ({ kind, occurrence: 1, moment: 'after' }),
  )
  const results = await playAll('each', kills)
  expectMadeOnce(results)
  for (const { deaths } of results) expect(deaths.length).toBeGreaterThan(1)
}, 300_000)

it('builds once and signs once when a pod is asked for and the operator dies before it is', async () => {
  const kills = [1, 2].flatMap((occurrence) =>
    ['create pods', 'delete pods'].map((kind) => once({ kind, occurrence, moment: 'before' })),
  )
  expectMadeOnce(await playAll('before', kills))
}, 300_000)
