import { existsSync, readdirSync } from 'node:fs'
import { homedir } from 'node:os'
import { delimiter, join } from 'node:path'
import { cacheFolder } from '../../../src/sandbox/cache-folder.ts'

function listBuilt(): string[] {
  const versions = join(cacheFolder(process.env, homedir()), 'kubernetes')
  return existsSync(versions) ? readdirSync(versions).map((version) => join(versions, version, 'bin')) : []
}

/** Finds kubectl where the control plane comes from, in PATH or among what was built; undefined when there is none. */
export function findKubectl(): string | undefined {
  const { KUBEBUILDER_ASSETS = '', PATH = '' } = process.env
  const folders = [KUBEBUILDER_ASSETS, ...PATH.split(delimiter), ...listBuilt()].filter((folder) => folder !== '')
  return folders.map((folder) => join(folder, 'kubectl')).find((path) => existsSync(path))
}
