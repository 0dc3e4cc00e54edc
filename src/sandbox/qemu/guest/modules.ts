import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { GuestModule } from '../requests.ts'

const root = '/sys/module'

function readLine(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8').trim()
  } catch {
    return undefined
  }
}

function list(path: string): string[] {
  try {
    return readdirSync(path).sort()
  } catch {
    return []
  }
}

function readParameters(folder: string): Record<string, string> {
  const names = list(join(folder, 'parameters'))
  return Object.fromEntries(names.map((name) => [name, readLine(join(folder, 'parameters', name)) ?? '']))
}

/**
 * What is loaded into the kernel under this process; what is part of the kernel itself is not. With names those modules alone,
 * and such as are out of tree: each takes a while to look at.
 */
export function readModules(names?: readonly string[]): GuestModule[] {
  return list(root).flatMap((name) => {
    const folder = join(root, name)
    const isWanted = names === undefined || names.includes(name) || readLine(join(folder, 'taint'))?.includes('O')
    if (isWanted !== true) return []
    if (readLine(join(folder, 'initstate')) === undefined) return []
    const read = (file: string): string => readLine(join(folder, file)) ?? ''
    return [
      {
        name,
        srcversion: read('srcversion'),
        version: read('version'),
        taint: read('taint'),
        refcnt: Number(read('refcnt')),
        holders: list(join(folder, 'holders')),
        parameters: readParameters(folder),
      },
    ]
  })
}
