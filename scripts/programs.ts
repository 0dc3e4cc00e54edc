import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { build } from 'esbuild'

/** Where the bundled programs are written. */
export const programsFolder = 'dist'

/** Bundles every program of src/main/ into dist/, one self-contained file each, so that images carry no node_modules. */
export async function buildPrograms(): Promise<void> {
  const entries = readdirSync('src/main').filter((name) => name.endsWith('.ts') && !name.endsWith('.test.ts'))
  await build({
    entryPoints: entries.map((name) => join('src/main', name)),
    outdir: programsFolder,
    bundle: true,
    platform: 'node',
    target: 'node20.19',
    format: 'esm',
    sourcemap: true,
    logLevel: 'warning',
    legalComments: 'none',
    // CommonJS dependencies call require() for Node's own modules.
    banner: {
      js: "import { createRequire as __createRequire } from 'node:module'; const require = __createRequire(import.meta.url);",
    },
  })
}
