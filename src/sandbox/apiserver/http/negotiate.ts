import { StatusError } from '../status-error.ts'

/** How an answer is to be shaped: the object itself, a table for people, or its metadata alone. */
export type Shape = 'object' | 'table' | 'metadata'

/** What a client accepts, of what the server can give. */
export interface Format {
  shape: Shape
  yaml: boolean
}

interface MediaType {
  type: string
  parameters: Map<string, string>
}

/** Parses an Accept or Content-Type header; parameters in lower case. */
export function parseMediaTypes(header: string | undefined): MediaType[] {
  return (header ?? '').split(',').flatMap((part) => {
    const [type = '', ...parameters] = part.split(';').map((piece) => piece.trim())
    if (type === '') return []
    const pairs = parameters.map((text): [string, string] => {
      const [name = '', value = ''] = text.split('=')
      return [name.trim().toLowerCase(), value.trim()]
    })
    return [{ type: type.toLowerCase(), parameters: new Map(pairs) }]
  })
}

const shapes: Readonly<Record<string, Shape>> = {
  Table: 'table',
  PartialObjectMetadata: 'metadata',
  PartialObjectMetadataList: 'metadata',
}

function shapeOf(parameters: Map<string, string>): Shape | undefined {
  const as = parameters.get('as')
  if (as === undefined) return 'object'
  const isMeta = parameters.get('g') === 'meta.k8s.io' && parameters.get('v') === 'v1'
  return isMeta ? shapes[as] : undefined
}

/** Picks the first media type that the server can give; 406 when there is none (protobuf is never given). */
export function negotiate(accept: string | undefined): Format {
  const wanted = parseMediaTypes(accept)
  if (wanted.length === 0) return { shape: 'object', yaml: false }
  for (const { type, parameters } of wanted) {
    if (type === '*/*' || type === 'application/*') return { shape: 'object', yaml: false }
    const shape = shapeOf(parameters)
    if (shape === undefined) continue
    if (type === 'application/json') return { shape, yaml: false }
    if (type === 'application/yaml') return { shape, yaml: true }
  }
  throw new StatusError('only the following media types are accepted: application/json, application/yaml', {
    status: 406,
    reason: 'NotAcceptable',
  })
}

/** The refusal of a body that is not in one of the accepted forms. */
export function unsupportedMediaType(accepted: readonly string[]): StatusError {
  const list = accepted.join(', ')
  const message = `the body of the request was in an unknown format - accepted media types include: ${list}`
  return new StatusError(message, { status: 415, reason: 'UnsupportedMediaType' })
}
