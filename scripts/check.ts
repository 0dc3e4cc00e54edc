/** `npm run check`: format, lint, types, layers, dead code and generated files. All run, each failure is shown. */
import { run } from './run.ts'

interface Step {
  name: string
  program: string
  args: string[]
}

const bin = (name: string): string => `node_modules/.bin/${name}`

const steps: Step[] = [
  { name: 'format', program: bin('biome'), args: ['format', '.'] },
  { name: 'lint', program: bin('oxlint'), args: ['--type-aware', '--quiet'] },
  { name: 'types', program: bin('tsc'), args: ['--noEmit'] },
  { name: 'layers', program: bin('tsx'), args: ['scripts/check-layers.ts'] },
  { name: 'dead code', program: bin('knip'), args: [] },
  { name: 'generated files', program: bin('tsx'), args: ['scripts/generate.ts', '--check'] },
]

const started = Date.now()
const results = await Promise.all(steps.map(async (step) => ({ step, result: await run(step.program, step.args) })))
for (const { step, result } of results) {
  console.log(`${result.status === 0 ? 'ok  ' : 'FAIL'} ${step.name}`)
  if (result.status !== 0) console.log(result.output.trimEnd())
}
console.log(`check took ${((Date.now() - started) / 1000).toFixed(1)} s`)
process.exitCode = results.some(({ result }) => result.status !== 0) ? 1 : 0
