import { existsSync, readdirSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { cacheFolder } from '../../../src/sandbox/cache-folder.ts'

function listBuilt(): string[] {
  const versions = join(cacheFolder(process.env, homedir()), 'kubernetes')
  return existsSync(versions) ? readdirSync(versions).map((version) => join(versions, version, 'bin')) : []
}

/** Finds kubectl where the control plane comes from or among what was built: another version would use other words. */
export function findKubectl(): string | undefined {
  const { KUBEBUILDER_ASSETS = '' } = process.env
  const folders = [KUBEBUILDER_ASSETS, ...listBuilt()].filter((folder) => folder !== '')
  return folders.map((folder) => join(folder, 'kubectl')).find((path) => existsSync(path))
}
