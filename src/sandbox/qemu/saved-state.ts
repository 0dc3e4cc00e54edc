import { createWriteStream } from 'node:fs'
import { type FileHandle, mkdtemp, open, rm } from 'node:fs/promises'
import { createServer, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { KmmError } from '../../errors/error.ts'
import type { QmpClient } from './qmp.ts'

const stateFile = 'state'
const lookMs = 10

/** Opens the state of a saved machine, for QEMU to read. */
export function openSaved(folder: string): Promise<FileHandle> {
  return open(join(folder, stateFile))
}

interface MigrationStatus {
  status?: string
  'error-desc'?: string
}

async function waitForMigration(qmp: QmpClient): Promise<void> {
  for (;;) {
    const { status = '', 'error-desc': why = '' } = await qmp.execute<MigrationStatus>('query-migrate')
    if (status === 'completed') return
    if (status === 'failed' || status === 'cancelled')
      throw new KmmError(`QEMU could not save the machine: ${why || status}`, { code: 'Internal' })
    await sleep(lookMs)
  }
}

/** Receives one connection's bytes into a file. */
function receive(socketPath: string, file: string): Promise<{ received: Promise<void>; close: () => void }> {
  return new Promise((resolve, reject) => {
    let arrived: (socket: Socket) => void = () => undefined
    const connection = new Promise<Socket>((accept) => (arrived = accept))
    const server = createServer((socket) => arrived(socket))
    server.once('error', reject)
    const received = connection.then((socket) => pipeline(socket, createWriteStream(file)))
    received.catch(() => undefined)
    server.listen(socketPath, () => resolve({ received, close: () => server.close() }))
  })
}

/** Stops a machine and writes the state of its memory and devices into a folder. */
export async function saveState(qmp: QmpClient, folder: string): Promise<void> {
  // The path of a socket must be short.
  const sockets = await mkdtemp(join(tmpdir(), 'kmm-save-'))
  const socketPath = join(sockets, 's')
  const { received, close } = await receive(socketPath, join(folder, stateFile))
  try {
    await qmp.execute('stop')
    await qmp.execute('migrate-set-parameters', { 'max-bandwidth': 10 ** 11 })
    await qmp.execute('migrate', { uri: `unix:${socketPath}` })
    await waitForMigration(qmp)
    await received
  } finally {
    close()
    await rm(sockets, { recursive: true, force: true })
  }
}

/** Waits until a machine has read its saved state, and lets it run. */
export async function goOn(qmp: QmpClient): Promise<void> {
  for (;;) {
    const { status } = await qmp.execute<{ status: string }>('query-status')
    if (status !== 'inmigrate') break
    await sleep(lookMs)
  }
  await qmp.execute('cont')
}
