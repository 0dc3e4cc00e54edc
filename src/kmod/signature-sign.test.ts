import { execFileSync, spawnSync } from 'node:child_process'
import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { KmmError } from '../errors/error.ts'
import { findAppendedSignature } from './signature.ts'
import { encodeCms, parseCms, type SignatureHash } from './signature-cms.ts'
import { createModuleSigner, parseSigningCertificate, type SignerInput } from './signature-key.ts'
import { createModuleSignature, describeSignatureOwner, isModuleSignedBy } from './signature-sign.ts'

const read = (name: string): Buffer => readFileSync(`src/kmod/testdata/signing/${name}`)
const input = (name: 'rsa' | 'rsa4096' | 'ec'): SignerInput => ({
  key: read(`${name}.key`),
  certificate: read(`${name}.pem`),
})
const unsigned = read('rsa-sha256.ko').subarray(0, findAppendedSignature(read('rsa-sha256.ko'))!.signedBytes)

async function sign(module: Uint8Array, from: SignerInput): Promise<Buffer> {
  return Buffer.concat([module, await createModuleSignature(module, createModuleSigner(from))])
}

/** What reading key or certificate says is wrong. */
function refusal(from: Partial<SignerInput>): string {
  try {
    createModuleSigner({ ...input('rsa'), ...from })
  } catch (error) {
    if (error instanceof KmmError && error.code === 'SigningKeyInvalid') return error.message
    throw error
  }
  return 'it was taken'
}

describe('a signature', () => {
  it.each([
    ['rsa-sha256.ko', 'rsa', 'sha256'],
    ['rsa4096-sha512.ko', 'rsa4096', 'sha512'],
  ] as const)('is byte for byte that of sign-file (%s)', async (golden, name, hash: SignatureHash) => {
    const signed = await sign(unsigned, { ...input(name), hash })
    expect(signed.equals(read(golden))).toBe(true)
  })

  it('stands over an earlier one, as with sign-file', async () => {
    expect((await sign(read('ec-sha384.ko'), input('rsa'))).equals(read('signed-twice.ko'))).toBe(true)
  })

  it('is the same from pieces', async () => {
    const pieces = [unsigned.subarray(0, 1000), unsigned.subarray(1000)]
    const appended = await createModuleSignature(pieces, createModuleSigner(input('rsa')))
    expect(Buffer.concat([unsigned, appended]).equals(read('rsa-sha256.ko'))).toBe(true)
  })

  it('of an EC key differs from that of sign-file in nothing but its number', async () => {
    const theirs = findAppendedSignature(read('ec-sha384.ko'))!.signature
    const { signature } = parseCms(theirs)
    const { issuer, serial } = parseSigningCertificate(read('ec.pem'))
    expect(encodeCms({ issuer, serial, hash: 'sha384', keyType: 'ec', signature }).equals(theirs)).toBe(true)
    const signed = await sign(unsigned, { ...input('ec'), hash: 'sha384' })
    expect(await isModuleSignedBy(signed, parseSigningCertificate(read('ec.pem')))).toBe(true)
  })

  const hasOpenssl = spawnSync('openssl', ['version']).status === 0
  it.runIf(hasOpenssl).each(['rsa', 'ec'] as const)('is accepted by OpenSSL (%s)', async (name) => {
    const signed = await sign(unsigned, input(name))
    const folder = mkdtempSync(join(tmpdir(), 'kmm-sign-'))
    try {
      writeFileSync(join(folder, 'signature'), findAppendedSignature(signed)!.signature)
      writeFileSync(join(folder, 'module'), unsigned)
      const certificate = `src/kmod/testdata/signing/${name}.pem`
      const args = ['cms', '-verify', '-inform', 'DER', '-binary', '-noverify', '-in', join(folder, 'signature')]
      const rest = ['-content', join(folder, 'module'), '-certfile', certificate, '-out', join(folder, 'out')]
      execFileSync('openssl', [...args, ...rest], { stdio: 'pipe' })
      expect(readFileSync(join(folder, 'out')).equals(unsigned)).toBe(true)
    } finally {
      rmSync(folder, { recursive: true })
    }
  })
})

describe('whose a signature is', () => {
  const rsa = parseSigningCertificate(read('rsa.pem'))

  it.each([
    ['rsa-sha256.ko', true],
    ['signed-twice.ko', true],
    ['ec-sha384.ko', false],
    ['rsa4096-sha512.ko', false],
  ])('%s', async (file, expected) => {
    expect(await isModuleSignedBy(read(file), rsa)).toBe(expected)
  })

  it('is nobody’s once a byte of the module has changed', async () => {
    const changed = Buffer.from(read('rsa-sha256.ko'))
    changed.writeUInt8(changed.readUInt8(100) ^ 1, 100)
    expect(await isModuleSignedBy(changed, rsa)).toBe(false)
  })

  it('is said by issuer, serial number and hash', () => {
    const owner = describeSignatureOwner(findAppendedSignature(read('rsa4096-sha512.ko'))!.signature)
    expect(owner).toEqual({ commonName: 'größer', serial: '00fedcba9876543210', hash: 'sha512' })
  })

  it('is unknown, without any other failure, whatever the bytes are', () => {
    const good = Buffer.from(findAppendedSignature(read('rsa-sha256.ko'))!.signature)
    expect(describeSignatureOwner(Buffer.from('garbage'))).toBeUndefined()
    fc.assert(
      fc.property(fc.nat(good.length - 1), fc.nat(255), fc.nat(good.length), (at, byte, length) => {
        const spoilt = Buffer.from(good)
        spoilt[at] = byte
        describeSignatureOwner(spoilt)
        describeSignatureOwner(spoilt.subarray(0, length))
      }),
      { numRuns: 500 },
    )
  })
})

describe('a key', () => {
  const key = (name: 'rsa' | 'ec'): KeyObject => createPrivateKey(read(`${name}.key`))
  const secret = { cipher: 'aes-256-cbc', passphrase: 'secret' }
  const forms: [string, 'rsa' | 'ec', Uint8Array | string, string?][] = [
    ['PKCS#8 PEM', 'rsa', key('rsa').export({ type: 'pkcs8', format: 'pem' })],
    ['PKCS#8 DER', 'rsa', key('rsa').export({ type: 'pkcs8', format: 'der' })],
    ['traditional PEM', 'rsa', key('rsa').export({ type: 'pkcs1', format: 'pem' })],
    ['traditional DER', 'rsa', key('rsa').export({ type: 'pkcs1', format: 'der' })],
    ['encrypted PKCS#8 PEM', 'rsa', key('rsa').export({ type: 'pkcs8', format: 'pem', ...secret }), 'secret'],
    ['encrypted PKCS#8 DER', 'rsa', key('rsa').export({ type: 'pkcs8', format: 'der', ...secret }), 'secret'],
    ['encrypted traditional PEM', 'rsa', key('rsa').export({ type: 'pkcs1', format: 'pem', ...secret }), 'secret'],
    ['PKCS#8 PEM', 'ec', key('ec').export({ type: 'pkcs8', format: 'pem' })],
    ['PKCS#8 DER', 'ec', key('ec').export({ type: 'pkcs8', format: 'der' })],
    ['traditional PEM', 'ec', key('ec').export({ type: 'sec1', format: 'pem' })],
    ['traditional DER', 'ec', key('ec').export({ type: 'sec1', format: 'der' })],
    ['encrypted traditional PEM', 'ec', key('ec').export({ type: 'sec1', format: 'pem', ...secret }), 'secret'],
    ['after a certificate in one PEM file', 'ec', Buffer.concat([read('ec.pem'), read('ec.key')])],
  ]

  it.each(forms)('is read as %s (%s)', async (_form, name, bytes, passphrase) => {
    const from = { ...input(name), key: Buffer.from(bytes as string), ...(passphrase ? { passphrase } : {}) }
    expect(await isModuleSignedBy(await sign(unsigned, from), parseSigningCertificate(read(`${name}.pem`)))).toBe(true)
  })

  const encrypted = forms.filter(([, , , passphrase]) => passphrase !== undefined)
  it.each(encrypted)('that is encrypted (%s, %s) needs its passphrase, and the right one', (_form, _name, bytes) => {
    const from = { key: Buffer.from(bytes as string) }
    expect(refusal(from)).toMatch(/no passphrase is given/)
    expect(refusal({ ...from, passphrase: 'wrong' })).toMatch(/passphrase is wrong/)
  })

  it.each<[string, Partial<SignerInput>, RegExp]>([
    ['garbage', { key: Buffer.from('garbage') }, /signing key cannot be read/],
    ['nothing', { key: Buffer.alloc(0) }, /signing key cannot be read/],
    ['a PEM text that is cut short', { key: read('rsa.key').subarray(0, 200) }, /no whole private key/],
    [
      'a PEM text with other bytes',
      { key: Buffer.from('-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----') },
      /cannot be read/,
    ],
    ['a certificate', { key: read('rsa.pem') }, /swapped/],
    ['another pair’s key', { key: read('ec.key') }, /not that of the signing key/],
    ['another pair’s certificate', { certificate: read('rsa4096.pem') }, /not that of the signing key/],
    ['a key as certificate', { certificate: read('rsa.key') }, /swapped/],
    ['garbage as certificate', { certificate: Buffer.from('garbage') }, /certificate cannot be read/],
    ['nothing as certificate', { certificate: Buffer.alloc(0) }, /certificate is empty/],
    ['an Ed25519 key', { key: ed25519() }, /ed25519/],
  ])('that is %s is refused with words for it', (_what, from, words) => {
    expect(refusal(from)).toMatch(words)
  })

  it('has a certificate in PEM or DER, whose fingerprint is that of OpenSSL', () => {
    const certificate = new X509Certificate(read('rsa.pem'))
    const expected = certificate.fingerprint256.replaceAll(':', '').toLowerCase()
    expect(parseSigningCertificate(read('rsa.pem')).fingerprint).toBe(expected)
    expect(parseSigningCertificate(certificate.raw).fingerprint).toBe(expected)
    expect(parseSigningCertificate(read('rsa4096.pem')).subject).toBe('C=DE, O=Prüfstelle, CN=größer')
  })
})

function ed25519(): Buffer {
  return Buffer.from('MC4CAQAwBQYDK2VwBCIEIB8Q2mKxW2kDk1y7dCJ8vZ6J0tH3j8g1B9nqQ7a1c5dE', 'base64')
}
