import { chmod, writeFile } from 'node:fs/promises'
import { pathToFileURL } from 'node:url'

/**
 * Writes an executable that runs the bundle of the sandbox's modprobe with the Node.js that runs us: the worker starts it as
 * it would the real one, with an argument list and an environment that may hold nothing else.
 */
export async function writeModprobeLauncher(path: string, bundle: string): Promise<void> {
  // The kernel splits a shebang line at its first blank.
  const interpreter = /\s/.test(process.execPath) ? '/usr/bin/env node' : process.execPath
  await writeFile(path, `#!${interpreter}\nimport(${JSON.stringify(pathToFileURL(bundle).href)})\n`)
  await chmod(path, 0o755)
}
