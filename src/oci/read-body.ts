import { refuseImage } from './manifest.ts'
import { explainNetworkError } from './network-failure.ts'
import type { HttpResponse } from './exchange.ts'
import type { TimeLimits } from './transport.ts'

/** How a small body is read: at most `maximumBytes`, within the time limits, for the thing named `subject`. */
export interface ReadRules {
  maximumBytes: number
  limits: TimeLimits
  subject: string
  signal?: AbortSignal | undefined
}

async function collect(response: HttpResponse, rules: ReadRules): Promise<Buffer[] | 'too large'> {
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of response.body as AsyncIterable<Buffer>) {
    size += chunk.length
    if (size > rules.maximumBytes) return 'too large'
    chunks.push(chunk)
  }
  return chunks
}

/**
 * Reads a whole document into memory. Throws ImageInvalid when it is larger than allowed, RegistryUnreachable when it breaks off,
 * stalls, or takes longer than `documentMs` altogether.
 */
export async function readBody(response: HttpResponse, rules: ReadRules): Promise<Buffer> {
  const overdue = Object.assign(new Error('the answer took too long'), { code: 'UND_ERR_BODY_TIMEOUT' })
  const timer = setTimeout(() => response.body.destroy(overdue), rules.limits.documentMs)
  try {
    const chunks = await collect(response, rules)
    if (chunks !== 'too large') return Buffer.concat(chunks)
  } catch (error) {
    throw explainNetworkError(error, `registry ${response.url.host}`, rules.limits, rules.signal).error
  } finally {
    clearTimeout(timer)
  }
  response.body.destroy()
  return refuseImage(rules.subject, `its description is larger than ${rules.maximumBytes} bytes`)
}
