import { availableParallelism } from 'node:os'
import { parseArgs } from 'node:util'
import { buildPlayer } from './build.ts'
import { type Mutant, mutants } from './mutants.ts'
import { playSeeds } from './players.ts'
import type { RunResult } from './run.ts'

const { values } = parseArgs({
  options: {
    seed: { type: 'string' },
    seeds: { type: 'string', default: '2000' },
    from: { type: 'string', default: '1' },
    lines: { type: 'string', default: '120' },
    mutants: { type: 'boolean', default: false },
    wild: { type: 'boolean', default: false },
    count: { type: 'boolean', default: false },
    only: { type: 'string', default: '' },
    processes: { type: 'string', default: String(availableParallelism()) },
  },
})

const processes = Math.max(1, Number(values.processes))
const mostSeedsOfMutant = 400
const say = (text: string): void => void process.stdout.write(`${text}\n`)

function* listSeeds(from: number, count: number): Generator<number> {
  for (let seed = from; seed < from + count; seed++) yield seed
}

function describe({ seed, rule, text, steps, trace }: RunResult, lines: number): string {
  return [
    `seed ${seed} breaks ${rule ?? 'nothing'}: ${text}`,
    ...steps.map((step) => `  ${step}`),
    ...(lines > 0 ? ['the last events:', ...trace.slice(-lines)] : []),
    `again: npm run test:model -- --seed ${seed}${values.wild ? ' --wild' : ''}`,
  ].join('\n')
}

async function playAll(from: number, count: number): Promise<boolean> {
  const startedMs = performance.now()
  const failed: RunResult[] = []
  const drawn = new Map<string, number>()
  let played = 0
  await playSeeds({
    program: await buildPlayer(),
    seeds: listSeeds(from, count),
    processes,
    wild: values.wild,
    onResult: (result) => {
      played++
      for (const name of result.drawn) drawn.set(name, (drawn.get(name) ?? 0) + 1)
      if (result.rule !== undefined) {
        failed.push(result)
        say(`seed ${result.seed} breaks ${result.rule}`)
      }
      if (played % 200 === 0) say(`${played} runs, ${failed.length} failed`)
      return failed.length < 10
    },
  })
  if (values.count) for (const [name, count] of drawn) say(`${count} times ${name}`)
  const lines = Number(values.lines)
  for (const [index, result] of failed.entries()) say(describe(result, index === 0 ? lines : 0))
  say(`model: ${played} runs in ${Math.round((performance.now() - startedMs) / 1000)} s, ${failed.length} failed`)
  return failed.length === 0
}

/** A mutant is caught by the first run that breaks a rule; a rule that is not named in the table fails. */
async function hunt(mutant: Mutant, number: number): Promise<boolean> {
  let caught: RunResult | undefined
  let played = 0
  await playSeeds({
    program: await buildPlayer(mutant, number),
    seeds: listSeeds(1, mostSeedsOfMutant),
    processes,
    wild: values.wild,
    onResult: (result) => {
      played++
      if (result.rule !== undefined) caught ??= result
      return caught === undefined
    },
  })
  const rule = caught?.rule
  if (rule === undefined) say(`SURVIVED ${played} runs: ${mutant.name}`)
  else
    say(
      `${mutant.caughtBy.includes(rule) ? 'caught' : 'caught by ANOTHER RULE'} in ${played} runs by ${rule}: ${mutant.name}`,
    )
  if (values.only !== '' && caught) say(describe(caught, Number(values.lines)))
  return rule !== undefined && mutant.caughtBy.includes(rule)
}

const isHunted = ({ name, wild = false }: Mutant): boolean => wild === values.wild && name.includes(values.only)

async function huntAll(): Promise<boolean> {
  const startedMs = performance.now()
  let missed = 0
  for (const [number, mutant] of mutants.entries()) if (isHunted(mutant) && !(await hunt(mutant, number))) missed++
  say(
    `mutants: ${missed === 0 ? 'all are caught' : `${missed} are not`}, in ${Math.round((performance.now() - startedMs) / 1000)} s`,
  )
  return missed === 0
}

const isWell = values.mutants
  ? await huntAll()
  : values.seed === undefined
    ? await playAll(Number(values.from), Number(values.seeds))
    : await playAll(Number(values.seed), 1)
process.exitCode = isWell ? 0 : 1
