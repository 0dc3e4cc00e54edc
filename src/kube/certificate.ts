import { createHash, createPrivateKey, createPublicKey, generateKeyPairSync, randomBytes, sign } from 'node:crypto'
import { isIPv4 } from 'node:net'

/** A key and its certificate, both PEM. */
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
  // UTCTime, with two digits for the year, before 2050, and GeneralizedTime after (RFC 5280, 4.1.2.5).
  return stamp < '2050' ? element(0x17, Buffer.from(stamp.slice(2))) : element(0x18, Buffer.from(stamp))
}

function extension(id: string, critical: boolean, value: Buffer): Buffer {
  return critical ? sequence(objectId(id), flag, octets(value)) : sequence(objectId(id), octets(value))
}

const ecdsaWithSha256 = sequence(objectId('1.2.840.10045.4.3.2'))
const uses = { server: objectId('1.3.6.1.5.5.7.3.1'), client: objectId('1.3.6.1.5.5.7.3.2') } as const

/** What a certificate may be used for. */
export type CertificateUse = keyof typeof uses

/** Whom a certificate is for: the API server takes the common name for the user and the organisations for its groups. */
export interface Subject {
  commonName: string
  organizations?: readonly string[]
}

/** A certificate that an authority is to sign. */
export interface CertificateRequest extends Subject {
  uses: readonly CertificateUse[]
  /** DNS names and IPv4 addresses under which it serves. */
  hosts?: readonly string[]
  /** A year unless given. */
  validMs?: number
}

/** A certificate authority; its own certificate is what its clients trust. */
export interface CertificateAuthority extends Certificate {
  issue(request: CertificateRequest): Certificate
}

/** A private key and its public key, both PEM. */
export interface KeyPair {
  privateKey: string
  publicKey: string
}

interface Body {
  subject: Buffer
  publicKey: string
  issuer: Buffer
  /** Of the key that signs. */
  issuerPublicKey: string
  extensions: readonly Buffer[]
  nowMs: number
  validMs: number
}

const dayMs = 86_400_000
const yearMs = 365 * dayMs

/** Certificates are valid from this long before they are made, for clocks that are behind. */
export const backdatedMs = dayMs

/** Makes a P-256 key. */
export function makeKeyPair(): KeyPair {
  return generateKeyPairSync('ec', {
    namedCurve: 'P-256',
    privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
    publicKeyEncoding: { type: 'spki', format: 'pem' },
  })
}

function encodeName({ commonName, organizations = [] }: Subject): Buffer {
  const part = (id: string, value: string): Buffer => set(sequence(objectId(id), text(value)))
  return sequence(...organizations.map((each) => part('2.5.4.10', each)), part('2.5.4.3', commonName))
}

function encodeHost(host: string): Buffer {
  return isIPv4(host) ? element(0x87, Buffer.from(host.split('.').map(Number))) : element(0x82, Buffer.from(host))
}

const authority = extension('2.5.29.19', true, sequence(flag))
const usedFor = (wanted: readonly CertificateUse[]): Buffer =>
  extension('2.5.29.37', false, sequence(...wanted.map((each) => uses[each])))
const servesAs = (hosts: readonly string[]): Buffer => extension('2.5.29.17', false, sequence(...hosts.map(encodeHost)))
/** Bits of the key usage extension: digitalSignature, and keyCertSign for authorities. */
const keyUsage = (isAuthority: boolean): Buffer =>
  extension('2.5.29.15', true, isAuthority ? bits(Buffer.from([0x84]), 2) : bits(Buffer.from([0x80]), 7))

const encodePublicKey = (pem: string): Buffer => createPublicKey(pem).export({ type: 'spki', format: 'der' })
const keyId = (publicKey: string): Buffer => createHash('sha1').update(encodePublicKey(publicKey)).digest()

/** Whose key is certified and whose key signed it, for those who check strictly. */
const keyIds = (publicKey: string, issuerPublicKey: string): Buffer[] => [
  extension('2.5.29.14', false, octets(keyId(publicKey))),
  extension('2.5.29.35', false, sequence(element(0x80, keyId(issuerPublicKey)))),
]

function signBody(parts: Body, signer: string): string {
  const { subject, publicKey, issuer, issuerPublicKey, extensions, nowMs, validMs } = parts
  const serial = randomBytes(8)
  serial[0] = ((serial[0] ?? 0) & 0x7f) | 0x40
  const body = sequence(
    element(0xa0, element(0x02, Buffer.from([2]))),
    element(0x02, serial),
    ecdsaWithSha256,
    issuer,
    sequence(time(nowMs - backdatedMs), time(nowMs + validMs)),
    subject,
    encodePublicKey(publicKey),
    element(0xa3, sequence(...extensions, ...keyIds(publicKey, issuerPublicKey))),
  )
  const signature = sign('sha256', body, createPrivateKey(signer))
  return toPem(sequence(body, ecdsaWithSha256, bits(signature)))
}

function selfSign(commonName: string, extensions: readonly Buffer[], nowMs: number): Certificate & KeyPair {
  const { privateKey, publicKey } = makeKeyPair()
  const name = encodeName({ commonName })
  const body = {
    subject: name,
    publicKey,
    issuer: name,
    issuerPublicKey: publicKey,
    extensions,
    nowMs,
    validMs: yearMs,
  }
  return { key: privateKey, certificate: signBody(body, privateKey), privateKey, publicKey }
}

/** Makes a P-256 key and a certificate for 127.0.0.1 that is its own authority and valid for a year. */
export function makeLoopbackCertificate(nowMs: number): Certificate {
  const extensions = [authority, keyUsage(true), usedFor(['server']), servesAs(['127.0.0.1', 'localhost'])]
  const { key, certificate } = selfSign('kmm-sandbox', extensions, nowMs)
  return { key, certificate }
}

/** Makes an authority that is valid for a year, as are its certificates unless they ask for less. */
export function createAuthority(commonName: string, nowMs: number): CertificateAuthority {
  return restoreAuthority(selfSign(commonName, [authority, keyUsage(true)], nowMs), commonName, nowMs)
}

/** An authority that was made before, under the same common name; what it issues is valid from now on. */
export function restoreAuthority(
  { key, certificate }: Certificate,
  commonName: string,
  nowMs: number,
): CertificateAuthority {
  const issuer = encodeName({ commonName })
  const issuerPublicKey = createPublicKey(key).export({ type: 'spki', format: 'pem' }) as string
  const issue = (request: CertificateRequest): Certificate => {
    const { uses: wanted, hosts = [], validMs = yearMs, ...subject } = request
    const { privateKey, publicKey } = makeKeyPair()
    const extensions = [keyUsage(false), usedFor(wanted), ...(hosts.length > 0 ? [servesAs(hosts)] : [])]
    const body = { subject: encodeName(subject), publicKey, issuer, issuerPublicKey, extensions, nowMs, validMs }
    return { key: privateKey, certificate: signBody(body, key) }
  }
  return { key, certificate, issue }
}

function toPem(der: Buffer): string {
  const lines = der.toString('base64').match(/.{1,64}/g) ?? []
  return `-----BEGIN CERTIFICATE-----\n${lines.join('\n')}\n-----END CERTIFICATE-----\n`
}
