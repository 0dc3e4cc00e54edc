import { closeSync, existsSync, openSync, readSync } from 'node:fs'
import type { WriteRecord } from '../apiserver/faults.ts'

/** The policy that has every write recorded once, when it was served, and nothing else. */
export const auditPolicy = {
  apiVersion: 'audit.k8s.io/v1',
  kind: 'Policy',
  omitStages: ['RequestReceived', 'ResponseStarted', 'Panic'],
  rules: [
    { level: 'None', verbs: ['get', 'list', 'watch'] },
    { level: 'None', nonResourceURLs: ['*'] },
    { level: 'Metadata' },
  ],
}

/** What is read of a line of the audit log; fields that would be empty are absent. */
interface AuditEvent {
  verb: WriteRecord['verb']
  requestURI: string
  userAgent: string
  user: { username: string }
  objectRef: { apiGroup?: string; resource: string; subresource?: string; namespace?: string; name?: string }
  responseStatus?: { code: number }
}

function toRecord(line: string): WriteRecord {
  const { verb, requestURI, userAgent, user, objectRef, responseStatus } = JSON.parse(line) as AuditEvent
  const { apiGroup: group = '', resource, subresource, namespace, name } = objectRef
  const { searchParams } = new URL(requestURI, 'https://localhost')
  return {
    verb,
    group,
    resource,
    ...(subresource === undefined ? {} : { subresource }),
    ...(namespace === undefined ? {} : { namespace }),
    ...(name === undefined ? {} : { name }),
    userAgent,
    user: user.username,
    status: responseStatus?.code ?? 0,
    ...(searchParams.has('dryRun') ? { dryRun: true } : {}),
  }
}

const chunkBytes = 256 * 1_024

/** The writes that a real API server has served, read from its audit log when somebody looks. */
export class AuditLog {
  readonly path: string
  readonly #records: WriteRecord[] = []
  #at = 0
  #rest = Buffer.alloc(0)

  constructor(path: string) {
    this.path = path
  }

  /** Every write so far, in the order in which they were answered; the same array grows. */
  get records(): readonly WriteRecord[] {
    if (existsSync(this.path)) this.#read()
    return this.#records
  }

  #read(): void {
    const file = openSync(this.path, 'r')
    try {
      const buffer = Buffer.alloc(chunkBytes)
      for (let count = -1; count !== 0; ) {
        count = readSync(file, buffer, 0, chunkBytes, this.#at)
        this.#at += count
        this.#take(buffer.subarray(0, count))
      }
    } finally {
      closeSync(file)
    }
  }

  /** The server may be in the middle of a line. */
  #take(chunk: Buffer): void {
    const bytes = Buffer.concat([this.#rest, chunk])
    const end = bytes.lastIndexOf(0x0a) + 1
    for (const line of bytes.toString('utf8', 0, end).split('\n')) if (line !== '') this.#records.push(toRecord(line))
    this.#rest = Buffer.from(bytes.subarray(end))
  }
}
