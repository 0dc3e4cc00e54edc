import { findLayerProblems } from './layers.ts'

const problems = findLayerProblems(process.argv[2] ?? 'src')
for (const problem of problems) console.error(problem)
process.exitCode = problems.length > 0 ? 1 : 0
