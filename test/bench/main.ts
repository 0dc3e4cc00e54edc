/** Measures the operator: `npm run bench -- [--engine sandbox] [--nodes N] [--workers real|instant] [--json]`. */
import { parseArgs } from 'node:util'
import { buildPrograms } from '../../scripts/programs.ts'
import { formatTable } from './figures.ts'
import { runScenarios } from './scenarios.ts'

const usage = `npm run bench -- [options]
  --engine sandbox         the embedded cluster; the only engine there is yet
  --nodes N                how many nodes; default 200
  --workers real|instant   whether nodes run the worker program, or let worker pods end well at once; default real
  --device-plugin          the Module has a device plugin, and a node counts as ready when that is
  --cpu-prof FOLDER        writes a processor profile of the operator there
  --json                   prints the figures as JSON on the last line`

function fail(message: string): never {
  process.stderr.write(`${message}\n\n${usage}\n`)
  process.exit(2)
}

function readOptions() {
  const { values } = parseArgs({
    options: {
      engine: { type: 'string', default: 'sandbox' },
      nodes: { type: 'string', default: '200' },
      workers: { type: 'string', default: 'real' },
      'device-plugin': { type: 'boolean', default: false },
      'cpu-prof': { type: 'string' },
      json: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  })
  const { engine, workers, json, help } = values
  const nodes = Number(values.nodes)
  if (help) {
    process.stdout.write(`${usage}\n`)
    process.exit(0)
  }
  if (engine !== 'sandbox') fail(`there is no engine ${engine}`)
  if (!Number.isInteger(nodes) || nodes < 1 || nodes > 10_000) fail('--nodes takes a number from 1 to 10000')
  if (workers !== 'real' && workers !== 'instant') fail('--workers is real or instant')
  const folder = values['cpu-prof']
  const nodeOptions = folder === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${folder}`]
  return { nodes, workers, devicePlugin: values['device-plugin'], json, nodeOptions } as const
}

const { json, ...options } = readOptions()
await buildPrograms()
const { scenarios, complaints, writes } = await runScenarios({
  ...options,
  tell: (text) => void process.stderr.write(`… ${text}\n`),
})
process.stdout.write(`${formatTable(scenarios)}\n\nwrites while loading:\n`)
for (const [kind, count] of Object.entries(writes)) process.stdout.write(`  ${String(count).padStart(6)}  ${kind}\n`)
for (const line of complaints.slice(0, 20)) process.stdout.write(`the operator complained: ${line}\n`)
if (complaints.length > 0) process.exitCode = 1
if (json) process.stdout.write(`${JSON.stringify({ scenarios })}\n`)
