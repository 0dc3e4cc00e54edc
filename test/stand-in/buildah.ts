import { chmod } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'

const program = fileURLToPath(new URL('buildah/program.ts', import.meta.url))

/**
 * Writes an executable that stands for buildah (see `buildah/program.ts`) into a folder and answers its path, for
 * `buildahProgram` of a sandbox. Base images of Dockerfiles with RUN need a file `bin/sh`, as with buildah.
 */
export async function writeBuildah(folder: string): Promise<string> {
  const outfile = join(folder, 'buildah.mjs')
  const need = "import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);"
  await build({
    entryPoints: [program],
    outfile,
    bundle: true,
    platform: 'node',
    format: 'esm',
    logLevel: 'warning',
    banner: { js: `#!${process.execPath}\n${need}` },
  })
  await chmod(outfile, 0o755)
  return outfile
}
