import type { ServerResponse } from 'node:http'
import { type StatusError, toStatus } from '../status-error.ts'

/** Lets an open watch be ended from outside. */
export interface OpenWatch {
  readonly plural: string
  /** Ends the stream properly, as a timeout does. */
  end(): void
  /** Cuts the connection, as a failing network does. */
  drop(): void
  /** Sends an ERROR event and ends, as 410 Gone does. */
  fail(error: StatusError): void
}

/** The response of one watch: lines go out until it is ended, cut, or its client goes away. */
export class WatchStream implements OpenWatch {
  readonly plural: string
  readonly #response: ServerResponse
  readonly #maxUnreadBytes: number
  readonly #cleanups: (() => void)[] = []
  #closed = false

  constructor(plural: string, response: ServerResponse, maxUnreadBytes: number) {
    this.plural = plural
    this.#response = response
    this.#maxUnreadBytes = maxUnreadBytes
    response.on('close', () => this.#close())
    response.writeHead(200, { 'Content-Type': 'application/json', 'Transfer-Encoding': 'chunked' })
    response.flushHeaders()
  }

  /** Sends one line; a client that leaves too much unread is cut off. */
  send(line: string | Buffer): void {
    if (this.#closed) return
    this.#response.write(line)
    if (this.#response.writableLength > this.#maxUnreadBytes) this.drop()
  }

  /** Calls the function when the watch is over, at once when it is over already. */
  onClose(cleanup: () => void): void {
    if (this.#closed) cleanup()
    else this.#cleanups.push(cleanup)
  }

  end(): void {
    if (this.#closed) return
    this.#close()
    this.#response.end()
  }

  drop(): void {
    this.#close()
    this.#response.destroy()
  }

  fail(error: StatusError): void {
    this.send(errorLine(error))
    this.end()
  }

  #close(): void {
    this.#closed = true
    for (const cleanup of this.#cleanups.splice(0)) cleanup()
  }
}

/** The line of a watch that tells of an error. */
export function errorLine(error: StatusError): string {
  return `${JSON.stringify({ type: 'ERROR', object: toStatus(error) })}\n`
}
