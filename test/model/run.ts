import { Invariants } from './invariants.ts'
import { listProblems } from './oracle.ts'
import { begin, type ModelTraits, repair, takeStep } from './steps.ts'
import { World } from './world.ts'

/** What came of one run. */
export interface RunResult {
  seed: number
  /** The invariant that was broken, `converges`, or undefined when all was well. */
  rule: string | undefined
  text: string
  steps: string[]
  /** The names of the steps that were drawn. */
  drawn: string[]
  /** The last events. */
  trace: string[]
  /** How many timers fired: a measure of its length, and of its sameness. */
  events: number
}

/** How long everything may take to come to rest, in virtual time. */
const longestRestMs = 90 * 60_000
const lookEveryMs = 30_000
/** At rest everything stays for so long, and then the operator writes nothing for as long again. */
const quietMs = 8 * 60_000
const mostEvents = 60_000
const traceLength = 4_000

/** Pauses between steps: some things happen at once, some long after. */
const pausesMs = [0, 5, 60, 400, 1_000, 2_500, 6_000, 20_000, 90_000]

class Run {
  readonly world: World
  readonly steps: string[] = []
  readonly drawn: string[] = []
  readonly #invariants: Invariants
  readonly #traits: ModelTraits
  #failure: { rule: string; text: string } | undefined

  constructor(seed: number, wild: boolean) {
    this.world = new World(seed, wild)
    this.#invariants = new Invariants(this.world)
    const { chance } = this.world
    this.#traits = {
      versioned: chance.happens(0.7),
      policy: chance.pick([undefined, undefined, 'OnDelete', 'OnTaint', 'OnTaint', 'Never'] as const),
      twin: chance.happens(0.15),
    }
  }

  get failure(): { rule: string; text: string } | undefined {
    const [defect] = this.world.defects
    return this.#invariants.violation ?? this.#failure ?? (defect ? { rule: 'no-defects', text: defect } : undefined)
  }

  async play(): Promise<void> {
    const { chance } = this.world
    this.world.startOperator()
    await this.#advance(chance.between(0, 2_000))
    for (const said of begin(this.world, this.#traits)) this.steps.push(`${this.world.time.stamp()}  ${said}`)
    await this.#advance(chance.pick([0, 1_000, 15_000]))
    const count = chance.between(8, 20)
    for (let step = 0; step < count && !this.failure; step++) {
      const { name, said } = takeStep(this.world, this.#traits)
      this.drawn.push(name)
      this.steps.push(`${this.world.time.stamp()}  ${said}`)
      this.world.trace.say(`STEP ${said}`)
      await this.#advance(chance.happens(0.2) ? chance.between(1, 60_000) : chance.pick(pausesMs))
    }
    if (!this.failure) await this.#rest()
  }

  async #advance(ms: number): Promise<void> {
    const { time } = this.world
    let lookedMs = 0
    await time.run(ms, () => {
      if (this.failure || time.fired > mostEvents) throw new Stop()
      if (time.now() - lookedMs < 5_000) return
      lookedMs = time.now()
      this.#invariants.check()
    })
  }

  /** Everything comes to rest as the oracle says, and then nothing is written any more. */
  async #rest(): Promise<void> {
    const { world } = this
    repair(world)
    world.trace.say('REPAIR: from here on nothing fails')
    const untilMs = world.time.now() + longestRestMs
    let problems = ['nothing was looked at']
    while (problems.length > 0 && world.time.now() < untilMs && !this.failure) {
      await this.#advance(lookEveryMs)
      problems = listProblems(world)
    }
    if (problems.length === 0 && !this.failure) problems = await this.#stay()
    if (problems.length > 0) this.#failure = { rule: 'converges', text: problems.join('\n') }
  }

  /** What is at rest stays so, and the operator has nothing more to write. */
  async #stay(): Promise<string[]> {
    const { world } = this
    await this.#advance(quietMs)
    const before = new Map(world.operator?.client.writes)
    await this.#advance(quietMs)
    const written = [...(world.operator?.client.writes ?? [])].filter(
      ([kind, count]) => count > (before.get(kind) ?? 0),
    )
    // Of what fails for lack of an image, or for what was left behind, each attempt is told.
    const isExcused = world.registry.hasLost || world.registry.hasMoved || world.left.size + world.unseen.size > 0
    const restless = written.map(([kind]) => kind).filter((kind) => !isExcused || (world.wild && !toldAgain.has(kind)))
    const words = restless.length > 0 ? [`the operator still writes: ${restless.join(', ')}`] : []
    return [...listProblems(world), ...words]
  }
}

/** Where something fails again and again, each attempt is told here. */
const toldAgain: ReadonlySet<string> = new Set([
  'patch moduleimagesconfigs/status',
  'patch nodemodulesconfigs/status',
  'patch nodemodulesconfigs',
  'patch modules/status',
  'create pods',
  'delete pods',
  'create events',
  'patch events',
])

class Stop extends Error {}

/** Plays one seeded run; a wild one has more that others do, and is judged by more rules. */
export async function playSeed(seed: number, wild = false): Promise<RunResult> {
  const run = new Run(seed, wild)
  let text = ''
  try {
    await run.play()
  } catch (error) {
    if (!(error instanceof Stop)) throw error
    text = run.failure ? '' : `more than ${mostEvents} events`
  }
  const { failure } = run
  const rule = failure?.rule ?? (text === '' ? undefined : 'converges')
  return {
    seed,
    rule,
    text: failure?.text ?? text,
    steps: run.steps,
    drawn: run.drawn,
    trace: rule === undefined ? [] : run.world.trace.last(traceLength),
    events: run.world.time.fired,
  }
}
