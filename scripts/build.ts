import { writePackageTypes } from './package-types.ts'
import { buildPrograms } from './programs.ts'

await buildPrograms()
if (process.argv.includes('--types')) await writePackageTypes()
