import { mkdir, readdir, rm, stat } from 'node:fs/promises'
import type { GuestPathKind, PlainRequest } from '../requests.ts'
import { readModules } from './modules.ts'

async function describePath(path: string): Promise<GuestPathKind> {
  const found = await stat(path)
  if (found.isDirectory()) return 'directory'
  if (found.isFile()) return 'file'
  if (found.isSocket()) return 'socket'
  if (found.isCharacterDevice()) return 'character device'
  return found.isBlockDevice() ? 'block device' : 'other'
}

/** Does what needs no stream, and answers it. */
export async function performPlain(request: PlainRequest): Promise<unknown> {
  switch (request.op) {
    case 'hello':
      return undefined
    case 'list':
      return readdir(request.path)
    case 'stat':
      return describePath(request.path)
    case 'makeFolder':
      return mkdir(request.path, { recursive: true })
    case 'remove':
      return rm(request.path, { recursive: true, force: true })
    case 'modules':
      return readModules(request.names)
  }
}
