import { describe, expect, it } from 'vitest'
import { buildNode, cordoned } from '../../../test/builders/node.ts'
import {
  getModuleVersionLabelName,
  getSchedulePodVersionLabelName,
  getWorkerPodVersionLabelName,
} from '../../api/labels.ts'
import { decide } from './decide.ts'
import type { Claim, ObservedModule } from './observed.ts'

const moduleKey = getModuleVersionLabelName('ns', 'mod')
const workerKey = getWorkerPodVersionLabelName('ns', 'mod')
const scheduleKey = getSchedulePodVersionLabelName('ns', 'mod')

type Labels = Readonly<Record<string, string>>

/** What is on a node: labels, the version in its plan, in its kernel, and of its device plugin pod. */
interface World {
  labels: Labels
  entry: string | undefined
  loaded: string | undefined
  plugin: string | undefined
  ready: boolean
  cordoned: boolean
}

/** The Module's version and what it has to do with the node. */
interface Stage {
  version: string
  claim: Claim
}

const valueOf = ({ labels }: World, key: string): string => labels[key] ?? ''

function observe(world: World, { claim, version }: Stage): ObservedModule {
  const labels = {
    module: valueOf(world, moduleKey),
    worker: valueOf(world, workerKey),
    schedule: valueOf(world, scheduleKey),
  }
  const { entry, loaded, plugin, ready } = world
  return {
    namespace: 'ns',
    name: 'mod',
    claim,
    version,
    labels,
    ...(entry === undefined ? {} : { planned: entry }),
    ...(loaded === undefined ? {} : { loaded }),
    ready,
    pluginPods: plugin === undefined ? 0 : 1,
    pluginWords: '',
  }
}

const decideIn = (world: World, stage: Stage) =>
  decide({
    node: buildNode({ labels: world.labels, taints: world.cordoned ? [cordoned] : [] }),
    modules: [observe(world, stage)],
  })

function patchLabels(labels: Labels, patch: Readonly<Record<string, string | null>>): Labels {
  const entries = Object.entries({ ...labels, ...patch })
  return Object.fromEntries(entries.flatMap(([key, value]) => (value === null ? [] : [[key, value]])))
}

/** What must hold of every patch: its own two labels only, and each only when its turn has come. */
function checkPatch(world: World, patch: Readonly<Record<string, string | null>>, { claim, version }: Stage): void {
  expect([workerKey, scheduleKey]).toEqual(expect.arrayContaining(Object.keys(patch)))
  if (claim !== 'ordered') return
  const wanted = chooseWanted(world, version)
  if (patch[workerKey] === null && valueOf(world, workerKey) !== '') {
    expect(world.plugin).toBeUndefined()
    expect(['', version]).toContain(valueOf(world, moduleKey))
  }
  if (typeof patch[workerKey] === 'string') {
    expect(patch[workerKey]).toBe(wanted)
    for (const version of [world.entry, world.loaded]) expect([undefined, wanted]).toContain(version)
  }
  if (typeof patch[scheduleKey] === 'string')
    expect([patch[scheduleKey], valueOf(world, workerKey)]).toEqual([wanted, wanted])
}

type Actor = (world: World, stage: Stage) => World

function runUpgrade(world: World, stage: Stage): World {
  const { actions } = decideIn(world, stage)
  expect(actions.length).toBeLessThan(2)
  const [action] = actions
  if (action === undefined) return world
  checkPatch(world, action.labels, stage)
  return { ...world, labels: patchLabels(world.labels, action.labels) }
}

/** What the plan says: no worker label releases, another one keeps, the right one wants. */
function answer(world: World, { version, claim }: Stage): 'release' | 'keep' | 'want' {
  const worker = valueOf(world, workerKey)
  if (claim === 'none' || (version !== '' && worker === '')) return 'release'
  if (version !== worker && version !== '') return 'keep'
  const isPresent = world.entry !== undefined || world.loaded !== undefined
  const isConsent = version !== '' && valueOf(world, moduleKey) === version
  return isPresent || !world.cordoned || isConsent ? 'want' : 'keep'
}

/** As the plan does: what is kept and loaded comes back to it. */
function runPlan(world: World, stage: Stage): World {
  switch (answer(world, stage)) {
    case 'release':
      return { ...world, entry: undefined }
    case 'keep':
      return { ...world, entry: world.entry ?? world.loaded }
    case 'want':
      return { ...world, entry: stage.version }
  }
}

/** As workers do: the label goes, the pods have gone, the old one goes, the new one comes, the label comes. */
function runWork(world: World, stage: Stage): World {
  const { entry, loaded, plugin } = world
  const ready = entry !== undefined && entry === loaded
  if (world.ready && !ready) return { ...world, ready }
  const isUnwanted = entry === undefined ? answer(world, stage) === 'release' : entry !== loaded
  if (loaded !== undefined && isUnwanted) return plugin === undefined ? { ...world, loaded: undefined } : world
  return loaded === undefined && entry !== undefined ? { ...world, loaded: entry } : { ...world, ready }
}

/** As a DaemonSet's controller does. */
function runPlugin(world: World, { version }: Stage): World {
  const schedule = valueOf(world, scheduleKey)
  if (world.plugin !== undefined)
    return world.ready && schedule === world.plugin ? world : { ...world, plugin: undefined }
  return world.ready && schedule === version ? { ...world, plugin: version } : world
}

const orders: readonly (readonly Actor[])[] = [
  [runUpgrade, runPlan, runWork, runPlugin],
  [runPlugin, runWork, runPlan, runUpgrade],
  [runUpgrade, runUpgrade, runPlugin, runPlan, runWork],
  [runWork, runUpgrade, runPlugin, runUpgrade, runPlan, runUpgrade],
]

function settle(first: World, stage: Stage, actors: readonly Actor[]): World {
  let world = first
  for (let round = 0; round < 30; round++) {
    const next = actors.reduce((now, act) => act(now, stage), world)
    if (JSON.stringify(next) === JSON.stringify(world)) return world
    world = next
  }
  throw new Error(`no fixed point from ${JSON.stringify(first)}; stopped at ${JSON.stringify(world)}`)
}

const values = [undefined, '', '1', '2']
const flags = [false, true]

/** Every combination of labels, entry, loaded module, plugin pod and cordon; what is there is version 1. */
function listWorlds(): World[] {
  const label = (key: string, value: string | undefined): Record<string, string> =>
    value === undefined ? {} : { [key]: value }
  const labels = values.flatMap((module) =>
    values.flatMap((worker) =>
      values.map((schedule) => ({
        ...label(moduleKey, module),
        ...label(workerKey, worker),
        ...label(scheduleKey, schedule),
      })),
    ),
  )
  return labels.flatMap((each) =>
    flags.flatMap((hasEntry) =>
      flags.flatMap((isLoaded) =>
        flags.flatMap((hasPlugin) =>
          flags.map((isCordoned) => ({
            labels: each,
            entry: hasEntry ? '1' : undefined,
            loaded: isLoaded ? '1' : undefined,
            plugin: hasPlugin ? '1' : undefined,
            ready: hasEntry && isLoaded,
            cordoned: isCordoned,
          })),
        ),
      ),
    ),
  )
}

const nothing = { entry: undefined, loaded: undefined, ready: false, plugin: undefined }

/** The version to which a node is led: one that was let onto it stays for one that the Module does not have. */
function chooseWanted(world: World, version: string): string {
  const [wanted, worker] = [valueOf(world, moduleKey), valueOf(world, workerKey)]
  return ['', version].includes(wanted) || worker === '' ? wanted : worker
}

/** Where a node that an administrator has labelled so comes to rest. */
function expectRest(first: World, { version }: Stage): Partial<World> {
  const wanted = chooseWanted(first, version)
  const own = first.labels[moduleKey] === undefined ? {} : { [moduleKey]: valueOf(first, moduleKey) }
  if (wanted === '') return { ...nothing, labels: own }
  const labels = { ...own, [workerKey]: wanted, [scheduleKey]: wanted }
  // Without the administrator's consent nothing new comes to a cordoned node.
  const isThere = first.entry !== undefined || first.loaded !== undefined
  const isBarred = first.cordoned && valueOf(first, moduleKey) !== version && !isThere
  if (wanted === version && isBarred) return { ...nothing, labels }
  if (wanted === version) return { labels, entry: version, loaded: version, ready: true, plugin: version }
  // The Module does not have the version that is asked for: what runs as asked stays, nothing else comes.
  const stays = valueOf(first, workerKey) === wanted && isThere
  if (!stays && wanted === '1' && isThere) return { labels }
  return { labels, ...(stays ? { entry: '1', loaded: '1', ready: true } : nothing) }
}

describe('from every combination of labels, entry, loaded module, plugin pod and cordon', () => {
  const worlds = listWorlds()

  it.each(['1', '2'])('the node comes to rest as its administrator asks, the Module having version %s', (version) => {
    expect(worlds).toHaveLength(1_024)
    const stage: Stage = { version, claim: 'ordered' }
    for (const first of worlds)
      for (const order of orders) {
        const rest = settle(first, stage, order)
        expect(rest, JSON.stringify(first)).toMatchObject(expectRest(first, stage))
        expect(Object.keys(rest.labels).length, JSON.stringify(first)).toBe(
          Object.keys(expectRest(first, stage).labels ?? {}).length,
        )
      }
  })

  it('what is there as it is asked for is not unloaded, whatever somebody wrote into the labels of KMM', () => {
    const stage: Stage = { version: '1', claim: 'ordered' }
    const asked = worlds.filter((world) => valueOf(world, moduleKey) === '1' && valueOf(world, workerKey) !== '')
    const there = asked.filter(({ entry, loaded }) => entry === '1' && loaded === '1')
    expect(there.length).toBeGreaterThan(0)
    const keep: Actor = (world) => {
      expect([world.entry, world.loaded], JSON.stringify(world)).toEqual(['1', '1'])
      return world
    }
    for (const first of there)
      for (const order of orders)
        settle(
          first,
          stage,
          order.flatMap((act) => [act, keep]),
        )
  })

  it('a cordon changes no decision', () => {
    for (const version of ['1', '2'])
      for (const world of worlds) {
        const stage: Stage = { version, claim: 'ordered' }
        expect(decideIn({ ...world, cordoned: true }, stage)).toEqual(decideIn({ ...world, cordoned: false }, stage))
      }
  })

  it('without a version the internal labels go at once, and nothing is unloaded', () => {
    for (const first of worlds) {
      const stage: Stage = { version: '', claim: 'unordered' }
      const next = runUpgrade(first, stage)
      expect([next.labels[workerKey], next.labels[scheduleKey]]).toEqual([undefined, undefined])
      expect([next.labels[moduleKey], next.entry, next.loaded]).toEqual([
        first.labels[moduleKey],
        first.entry,
        first.loaded,
      ])
    }
  })

  it('of a Module that is gone the internal labels go with the last that is left of it', () => {
    for (const first of worlds) {
      const stage: Stage = { version: '2', claim: 'none' }
      const isLeft = first.entry !== undefined || first.loaded !== undefined || first.plugin !== undefined
      const touched = decideIn(first, stage).actions.flatMap(({ labels }) => Object.keys(labels))
      if (isLeft) expect(touched.map((key) => first.labels[key]).join('')).toBe('')
      const own = first.labels[moduleKey] === undefined ? {} : { [moduleKey]: first.labels[moduleKey] }
      for (const order of orders) expect(settle(first, stage, order)).toMatchObject({ ...nothing, labels: own })
    }
  })
})

type State = 'missing' | 'present' | 'different'

/** Upstream's table: version-module, version-worker-pod, version-schedule-pod, action. */
const upstream: readonly [State, State, State, string][] = [
  ['missing', 'missing', 'missing', 'none'],
  ['missing', 'present', 'present', 'delete schedule'],
  ['missing', 'present', 'missing', 'delete worker'],
  ['present', 'missing', 'missing', 'add worker'],
  ['present', 'present', 'missing', 'add schedule'],
  ['present', 'present', 'present', 'none'],
  ['present', 'different', 'different', 'delete schedule'],
  ['present', 'different', 'missing', 'delete worker'],
]

/** The combinations in which upstream does nothing until somebody mends the labels by hand. */
const stuck: readonly [State, State, State, string][] = [
  ['missing', 'missing', 'present', 'delete schedule'],
  ['present', 'missing', 'present', 'delete schedule'],
  ['present', 'missing', 'different', 'delete schedule'],
  ['present', 'present', 'different', 'delete schedule'],
  ['present', 'different', 'present', 'delete schedule'],
]

function listStates(world: World): [State, State, State] {
  const wanted = valueOf(world, moduleKey)
  const stateOf = (value: string): State => {
    if (value === '') return 'missing'
    return wanted !== '' && value !== wanted ? 'different' : 'present'
  }
  return [stateOf(wanted), stateOf(valueOf(world, workerKey)), stateOf(valueOf(world, scheduleKey))]
}

/** The change of labels that have a value; that an empty one goes is no action. */
function nameAction(world: World): string {
  const [action] = decideIn(world, { version: '2', claim: 'ordered' }).actions
  const keys = [workerKey, scheduleKey].filter((key) => (action?.labels[key] ?? '') !== valueOf(world, key))
  const names = keys.flatMap((key) => {
    const value = action?.labels[key]
    if (value === undefined) return []
    return `${value === null ? 'delete' : 'add'} ${key === workerKey ? 'worker' : 'schedule'}`
  })
  return names.length === 0 ? 'none' : names.join(' and ')
}

describe('each row of the table', () => {
  it.each([...upstream, ...stuck])('%s, %s, %s: %s', (module, worker, schedule, action) => {
    const isOffered = (world: World): boolean => ['', '2'].includes(valueOf(world, moduleKey))
    const rows = listWorlds().filter(
      (world) => isOffered(world) && listStates(world).join() === [module, worker, schedule].join(),
    )
    expect(rows.length).toBeGreaterThan(0)
    for (const world of rows) {
      // The Module of these rows has version 2, and what is left on the node is version 1.
      const isLeft = world.ready || world.entry !== undefined || world.loaded !== undefined
      const isBlocked =
        (action === 'delete worker' && world.plugin !== undefined) || (action === 'add worker' && isLeft)
      expect(nameAction(world), JSON.stringify(world)).toBe(isBlocked ? 'none' : action)
      const { waits } = decideIn(world, { version: '2', claim: 'ordered' })
      const reason = world.entry === undefined ? 'WorkerRunning' : 'NodeModulesConfigPending'
      const told = action === 'delete worker' ? 'DevicePluginStillRunning' : reason
      expect(waits.map((wait) => wait.reason)).toEqual(isBlocked ? [told] : [])
    }
  })

  it('there is a row for every combination', () => {
    const rows = new Set([...upstream, ...stuck].map(([module, worker, schedule]) => [module, worker, schedule].join()))
    expect(new Set(listWorlds().map((world) => listStates(world).join()))).toEqual(rows)
  })
})

it('stays with the version that it was given while the Module does not have the one that is asked for', () => {
  const labels = { [moduleKey]: '3', [workerKey]: '1', [scheduleKey]: '1' }
  const world: World = { labels, entry: '1', loaded: '1', plugin: '1', ready: true, cordoned: false }
  for (const version of ['1', '2']) {
    const { actions, waits } = decideIn(world, { version, claim: 'ordered' })
    expect([actions, waits]).toEqual([
      [],
      [
        {
          reason: 'VersionDiffers',
          message: `the node asks for version 3 of ns/mod, which has version ${version}; version 1 stays until the Module has the one that is asked for`,
        },
      ],
    ])
  }
  expect(decideIn(world, { version: '3', claim: 'ordered' }).actions).toMatchObject([
    { labels: { [scheduleKey]: null } },
  ])
})

it('goes from one version to another in order', () => {
  const labels = { [moduleKey]: '2', [workerKey]: '1', [scheduleKey]: '1' }
  let world: World = { labels, entry: '1', loaded: '1', plugin: '1', ready: true, cordoned: true }
  const story: string[] = []
  const tell = (what: string, before: unknown, after: unknown): void => {
    if (before !== after) story.push(`${what}: ${String(after)}`)
  }
  for (let round = 0; round < 10; round++)
    for (const act of [runUpgrade, runPlan, runWork, runPlugin]) {
      const next = act(world, { version: '2', claim: 'ordered' })
      tell('schedule label', world.labels[scheduleKey], next.labels[scheduleKey])
      tell('worker label', world.labels[workerKey], next.labels[workerKey])
      for (const part of ['entry', 'loaded', 'ready', 'plugin'] as const) tell(part, world[part], next[part])
      world = next
    }
  expect(story).toEqual([
    'schedule label: undefined',
    'plugin: undefined',
    'worker label: undefined',
    'entry: undefined',
    'ready: false',
    'loaded: undefined',
    'worker label: 2',
    'entry: 2',
    'loaded: 2',
    'schedule label: 2',
    'ready: true',
    'plugin: 2',
  ])
})

describe('under the policy Never', () => {
  const loaded: World = {
    labels: { [moduleKey]: '2', [workerKey]: '1', [scheduleKey]: '1' },
    entry: '1',
    loaded: '1',
    plugin: '1',
    ready: true,
    cordoned: false,
  }
  const decidePinned = (world: World, pinned: string, version = '2') =>
    decide({
      node: buildNode({ labels: world.labels }),
      modules: [{ ...observe(world, { version, claim: 'ordered' }), pinned }],
    })

  it('allows the version that is asked for, leaves what is loaded with its pods, and waits for the reboot', () => {
    const { actions, waits } = decidePinned(loaded, '1')
    expect(actions).toMatchObject([{ labels: { [workerKey]: '2' } }])
    expect(waits).toEqual([
      {
        reason: 'UnloadForbidden',
        message:
          'version 1 of ns/mod is loaded, and its unload policy Never forbids to unload it; reboot the node to have version 2',
      },
    ])
    const allowed = { ...loaded, labels: { ...loaded.labels, [workerKey]: '2' } }
    expect(decidePinned(allowed, '1').actions).toEqual([])
  })

  it('leaves the pods alone where Module and label go back before the reboot', () => {
    const back = { ...loaded, labels: { [moduleKey]: '1', [workerKey]: '2', [scheduleKey]: '1' } }
    const { actions, waits } = decidePinned(back, '1', '1')
    expect([actions.map(({ labels }) => labels), waits]).toEqual([[{ [workerKey]: '1' }], []])
    const rest = { ...back, labels: { ...back.labels, [workerKey]: '1' } }
    expect(decidePinned(rest, '1', '1')).toEqual({ actions: [], waits: [] })
  })

  it('promises no version that the Module does not have', () => {
    const back = { ...loaded, labels: { ...loaded.labels, [workerKey]: '2' } }
    const message =
      'the node asks for version 2 of ns/mod, which has version 1; version 1 stays until the Module has the one that is asked for'
    expect(decidePinned(back, '1', '1')).toEqual({ actions: [], waits: [{ reason: 'VersionDiffers', message }] })
  })

  it('goes on as ever once the version is loaded, or nobody asks for one', () => {
    const rebooted = { ...loaded, labels: { ...loaded.labels, [workerKey]: '2' } }
    expect(decidePinned(rebooted, '2').actions).toMatchObject([{ labels: { [scheduleKey]: null } }])
    const withdrawn = { ...loaded, labels: { ...loaded.labels, [moduleKey]: '' } }
    expect(decidePinned(withdrawn, '1').actions).toMatchObject([{ labels: { [scheduleKey]: null } }])
  })
})
