import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { programsFolder } from './programs.ts'
import { run } from './run.ts'

/** The entries of `src/main/` that other programs import, and so need declarations. */
const entries = ['labels'] as const

/** Arguments of tsc that do not depend on where it writes. */
const options = [
  '--ignoreConfig',
  '--declaration',
  '--emitDeclarationOnly',
  '--rootDir',
  'src',
  '--target',
  'es2023',
  '--module',
  'nodenext',
  '--strict',
  '--allowImportingTsExtensions',
]

/** The compiler leaves `.ts` in the imports of declarations, which a package does not hold. */
function renameImports(folder: string): void {
  const files = readdirSync(folder, { withFileTypes: true, recursive: true }).filter((each) => each.isFile())
  for (const file of files) {
    const path = join(file.parentPath, file.name)
    writeFileSync(path, readFileSync(path, 'utf8').replaceAll(/(from\s+['"]\.[^'"]*)\.ts(['"])/g, '$1.js$2'))
  }
}

/** Writes `labels.d.ts` and what it refers to into `folder`, beside the bundled program of the same name. */
export async function writePackageTypes(folder: string = programsFolder): Promise<void> {
  const types = join(folder, 'types')
  const sources = entries.map((name) => `src/main/${name}.ts`)
  const { status, output } = await run('node_modules/.bin/tsc', [...options, '--outDir', types, ...sources])
  if (status !== 0) throw new Error(`tsc could not write the package's declarations:\n${output}`)
  renameImports(types)
  for (const name of entries) writeFileSync(join(folder, `${name}.d.ts`), `export * from './types/main/${name}.js'\n`)
}
