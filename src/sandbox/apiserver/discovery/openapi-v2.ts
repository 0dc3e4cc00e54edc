import { serverVersion } from './version.ts'

/** A protobuf field with a length: strings and messages. */
function field(number: number, ...parts: Buffer[]): Buffer {
  const content = Buffer.concat(parts)
  return Buffer.concat([Buffer.from([number * 8 + 2, content.length]), content])
}

/** An OpenAPI v2 document that describes nothing, in protobuf: version, title, no paths, no definitions. */
export function emptyOpenApiV2(): Buffer {
  const title = field(1, Buffer.from('KMM sandbox: see /openapi/v3'))
  const version = field(2, Buffer.from(serverVersion.gitVersion))
  return Buffer.concat([field(1, Buffer.from('2.0')), field(2, title, version), field(8), field(9)])
}
