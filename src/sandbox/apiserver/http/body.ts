import type { IncomingMessage } from 'node:http'
import { parse } from 'yaml'
import { badRequest, StatusError } from '../status-error.ts'
import { decodeProtobuf } from '../protobuf/decode.ts'
import { parseMediaTypes, unsupportedMediaType } from './negotiate.ts'

const protobufType = 'application/vnd.kubernetes.protobuf'
const maxBodyBytes = 3 * 1024 * 1024

/** Reads a request's body; 413 above 3 MiB, as the real server. */
export async function readBody(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of request as AsyncIterable<Buffer>) {
    size += chunk.length
    // What is too much is read to its end all the same, or the client would wait for the connection.
    if (size <= maxBodyBytes) chunks.push(chunk)
  }
  if (size > maxBodyBytes) {
    const message = `Request entity too large: limit is ${maxBodyBytes}`
    throw new StatusError(message, { status: 413, reason: 'RequestEntityTooLarge' })
  }
  return Buffer.concat(chunks)
}

/** Parses a body by its content type: JSON (also when there is none), YAML, protobuf of some kinds; 415 for others. */
export function parseBody(body: Buffer, contentType: string | undefined): unknown {
  const type = parseMediaTypes(contentType)[0]?.type ?? 'application/json'
  if (type === 'application/json') return parseJson(body)
  if (type === 'application/yaml') return parseYaml(body)
  if (type === protobufType) return decodeProtobuf(body)
  throw unsupportedMediaType(['application/json', 'application/yaml', protobufType])
}

/** Parses JSON; 400 with the parser's words. Keys that could reach a prototype are refused. */
export function parseJson(body: Buffer): unknown {
  try {
    return parseSafely(body.toString('utf8'))
  } catch (error) {
    throw badRequest(
      `couldn't get version/kind; json parse error: ${error instanceof Error ? error.message : 'invalid'}`,
    )
  }
}

/** Looks at every key only where one could be spelled so, because that makes parsing several times slower. */
function parseSafely(text: string): unknown {
  return /__proto__|\\u005f/i.test(text) ? JSON.parse(text, refusePrototype) : JSON.parse(text)
}

function refusePrototype(key: string, value: unknown): unknown {
  if (key === '__proto__') throw new SyntaxError('the key "__proto__" is not accepted')
  return value
}

function parseYaml(body: Buffer): unknown {
  try {
    return parseSafely(JSON.stringify(parse(body.toString('utf8'), { version: '1.1' })))
  } catch (error) {
    throw badRequest(`yaml: ${error instanceof Error ? error.message : 'invalid'}`)
  }
}
