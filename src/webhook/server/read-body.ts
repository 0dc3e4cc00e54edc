import type { IncomingMessage } from 'node:http'

/** A request that is not answered with a review. */
export class HttpRefusal extends Error {
  readonly status: number

  constructor(status: number, message: string) {
    super(message)
    this.status = status
  }
}

/** How many bytes of all requests together are in memory. */
export interface ByteBudget {
  take(bytes: number): boolean
  give(bytes: number): void
}

/** Makes a budget of so many bytes. */
export function createByteBudget(most: number): ByteBudget {
  let left = most
  return {
    take: (bytes) => {
      if (bytes > left) return false
      left -= bytes
      return true
    },
    give: (bytes) => {
      left += bytes
    },
  }
}

/**
 * Reads a body of at most `mostBytes` and hands it to `use`; its bytes are off the budget until that is done. Throws HttpRefusal:
 * 413 for too much, 503 while others take up the budget.
 */
export async function withBody<T>(
  request: IncomingMessage,
  { mostBytes, budget }: { mostBytes: number; budget: ByteBudget },
  use: (body: Buffer) => Promise<T> | T,
): Promise<T> {
  const chunks: Buffer[] = []
  let taken = 0
  try {
    for await (const chunk of request as AsyncIterable<Buffer>) {
      if (taken + chunk.length > mostBytes) throw new HttpRefusal(413, `the body has more than ${mostBytes} bytes`)
      if (!budget.take(chunk.length)) throw new HttpRefusal(503, 'too much is asked at once; try again')
      taken += chunk.length
      chunks.push(chunk)
    }
    return await use(Buffer.concat(chunks))
  } finally {
    budget.give(taken)
  }
}
