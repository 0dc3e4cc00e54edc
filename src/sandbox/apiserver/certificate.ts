import { createPrivateKey, createPublicKey, generateKeyPairSync, randomBytes, sign } from 'node:crypto'

/** A key and its self-signed certificate, both PEM. */
export interface Certificate {
  key: string
  certificate: string
}

/** One DER element: its tag, the length, the content. */
function element(tag: number, ...parts: Buffer[]): Buffer {
  const content = Buffer.concat(parts)
  if (content.length < 128) return Buffer.concat([Buffer.from([tag, content.length]), content])
  const digits = content.length.toString(16)
  const length = Buffer.from(digits.padStart(digits.length + (digits.length % 2), '0'), 'hex')
  return Buffer.concat([Buffer.from([tag, 0x80 | length.length]), length, content])
}

const sequence = (...parts: Buffer[]): Buffer => element(0x30, ...parts)
const set = (...parts: Buffer[]): Buffer => element(0x31, ...parts)
const octets = (content: Buffer): Buffer => element(0x04, content)
const bits = (content: Buffer, unused = 0): Buffer => element(0x03, Buffer.from([unused]), content)
const text = (value: string): Buffer => element(0x0c, Buffer.from(value))
const flag = Buffer.from([0x01, 0x01, 0xff])

function objectId(dotted: string): Buffer {
  const [first = 0, second = 0, ...rest] = dotted.split('.').map(Number)
  return element(0x06, Buffer.from([first * 40 + second, ...rest.flatMap(base128)]))
}

function base128(value: number): number[] {
  const digits = [value & 0x7f]
  for (let left = value >> 7; left > 0; left >>= 7) digits.unshift((left & 0x7f) | 0x80)
  return digits
}

function time(epochMs: number): Buffer {
  const stamp = new Date(epochMs).toISOString().replace(/[-:T]|\.\d+/g, '')
  // UTCTime: two digits for the year, as the standard wants it before 2050.
  return element(0x17, Buffer.from(stamp.slice(2)))
}

function extension(id: string, critical: boolean, value: Buffer): Buffer {
  return critical ? sequence(objectId(id), flag, octets(value)) : sequence(objectId(id), octets(value))
}

const ecdsaWithSha256 = sequence(objectId('1.2.840.10045.4.3.2'))
const serverAuth = objectId('1.3.6.1.5.5.7.3.1')
const loopback = Buffer.from([127, 0, 0, 1])

/** The certificate is its own authority: authority, signatures and server use, 127.0.0.1 and localhost. */
const extensions = sequence(
  extension('2.5.29.19', true, sequence(flag)),
  extension('2.5.29.15', true, bits(Buffer.from([0x84]), 2)),
  extension('2.5.29.37', false, sequence(serverAuth)),
  extension('2.5.29.17', false, sequence(element(0x87, loopback), element(0x82, Buffer.from('localhost')))),
)

const dayMs = 86_400_000

/** Makes a P-256 key and a self-signed certificate for 127.0.0.1 that is valid for a year. */
export function makeLoopbackCertificate(nowMs: number): Certificate {
  const { privateKey, publicKey } = generateKeyPairSync('ec', {
    namedCurve: 'P-256',
    privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
    publicKeyEncoding: { type: 'spki', format: 'pem' },
  })
  const subjectKey = createPublicKey(publicKey).export({ type: 'spki', format: 'der' })
  const name = sequence(set(sequence(objectId('2.5.4.3'), text('kmm-sandbox'))))
  const serial = randomBytes(8)
  serial[0] = ((serial[0] ?? 0) & 0x7f) | 0x40
  const body = sequence(
    element(0xa0, element(0x02, Buffer.from([2]))),
    element(0x02, serial),
    ecdsaWithSha256,
    name,
    sequence(time(nowMs - dayMs), time(nowMs + 365 * dayMs)),
    name,
    subjectKey,
    element(0xa3, extensions),
  )
  const signature = sign('sha256', body, createPrivateKey(privateKey))
  return { key: privateKey, certificate: toPem(sequence(body, ecdsaWithSha256, bits(signature))) }
}

function toPem(der: Buffer): string {
  const lines = der.toString('base64').match(/.{1,64}/g) ?? []
  return `-----BEGIN CERTIFICATE-----\n${lines.join('\n')}\n-----END CERTIFICATE-----\n`
}
