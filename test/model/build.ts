import { mkdirSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { build, type Plugin } from 'esbuild'
import { type Fault, faultsOf, type Mutant } from './mutants.ts'

const folder = 'node_modules/.cache/kmm-model'

/** Puts a fault into its file; a text that is not there, or twice, fails. */
function putIn({ file, text, replacement }: Fault, name: string): Plugin {
  const path = resolve(file)
  return {
    name: `mutant in ${file}`,
    setup(builder) {
      builder.onLoad({ filter: /\.ts$/ }, (loaded) => {
        if (loaded.path !== path) return undefined
        const source = readFileSync(path, 'utf8')
        const parts = source.split(text)
        if (parts.length !== 2)
          throw new Error(
            `mutant "${name}": ${file} has its text ${parts.length - 1} times; correct test/model/mutants.ts`,
          )
        return { contents: parts.join(replacement), loader: 'ts' }
      })
    },
  }
}

const mutate = (mutant: Mutant): Plugin[] => faultsOf(mutant).map((fault) => putIn(fault, mutant.name))

/** YAML is read and written again and again: what the same text says, or the same value looks like, is kept. */
const remember: Plugin = {
  name: 'remember',
  setup(builder) {
    const reader = resolve('test/model/remembered-yaml.ts')
    builder.onResolve({ filter: /^yaml$/ }, ({ importer }) => (importer === reader ? undefined : { path: reader }))
  },
}

/** Bundles the player of seeds, with a mutant's fault where one is given; answers the path of the program. */
export async function buildPlayer(mutant?: Mutant, number = 0): Promise<string> {
  mkdirSync(folder, { recursive: true })
  const outfile = join(folder, mutant ? `mutant-${number}.mjs` : 'player.mjs')
  await build({
    entryPoints: ['test/model/player.ts'],
    outfile,
    bundle: true,
    platform: 'node',
    target: 'node20.19',
    format: 'esm',
    sourcemap: 'inline',
    logLevel: 'silent',
    plugins: [remember, ...(mutant ? mutate(mutant) : [])],
    // CommonJS dependencies call require() for Node's own modules.
    banner: {
      js: "import { createRequire as __createRequire } from 'node:module'; const require = __createRequire(import.meta.url);",
    },
  })
  return resolve(outfile)
}
