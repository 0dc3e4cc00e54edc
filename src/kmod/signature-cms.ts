import { type DerValue, derTags, encodeDer, encodeOid, readDerValue, readDerValues } from './der.ts'
import { moduleFileInvalid } from './invalid.ts'

/** The hash algorithms with which modules are signed here; the kernel has to be built with the one that is used. */
export const signatureHashes = ['sha256', 'sha384', 'sha512'] as const

export type SignatureHash = (typeof signatureHashes)[number]

/** What a signature names as its signer: the issuer and serial number of a certificate, each as a DER value. */
export interface SignerName {
  issuer: Uint8Array
  serial: Uint8Array
}

/** A module's CMS signature (RFC 5652), taken apart. None of it is verified. */
export interface CmsSignature {
  /** Undefined where the signer is named by its key's identifier. */
  signer: SignerName | undefined
  /** Undefined for an algorithm that is not one of ours. */
  hash: SignatureHash | undefined
  /** True when what was signed is a list of attributes, not the module itself; `sign-file` does not write that. */
  hasSignedAttributes: boolean
  signature: Uint8Array
}

const oids = {
  signedData: '1.2.840.113549.1.7.2',
  data: '1.2.840.113549.1.7.1',
  rsaEncryption: '1.2.840.113549.1.1.1',
} as const

const hashOids: Readonly<Record<SignatureHash, string>> = {
  sha256: '2.16.840.1.101.3.4.2.1',
  sha384: '2.16.840.1.101.3.4.2.2',
  sha512: '2.16.840.1.101.3.4.2.3',
}

const ecdsaOids: Readonly<Record<SignatureHash, string>> = {
  sha256: '1.2.840.10045.4.3.2',
  sha384: '1.2.840.10045.4.3.3',
  sha512: '1.2.840.10045.4.3.4',
}

/** What a signature is written from. */
export interface CmsInput extends SignerName {
  hash: SignatureHash
  keyType: 'rsa' | 'ec'
  signature: Uint8Array
}

/** Writes a detached signature as the kernel's `sign-file` does: no certificates, no attributes, signer by issuer and serial. */
export function encodeCms({ issuer, serial, hash, keyType, signature }: CmsInput): Buffer {
  const version = Buffer.from([derTags.integer, 1, 1])
  const hashAlgorithm = encodeDer(derTags.sequence, encodeOid(hashOids[hash]))
  const signatureAlgorithm =
    keyType === 'rsa'
      ? encodeDer(derTags.sequence, encodeOid(oids.rsaEncryption), encodeDer(derTags.null))
      : encodeDer(derTags.sequence, encodeOid(ecdsaOids[hash]))
  const signerInfo = encodeDer(
    derTags.sequence,
    version,
    encodeDer(derTags.sequence, issuer, serial),
    hashAlgorithm,
    signatureAlgorithm,
    encodeDer(derTags.octetString, signature),
  )
  const signedData = encodeDer(
    derTags.sequence,
    version,
    encodeDer(derTags.set, hashAlgorithm),
    encodeDer(derTags.sequence, encodeOid(oids.data)),
    encodeDer(derTags.set, signerInfo),
  )
  return encodeDer(derTags.sequence, encodeOid(oids.signedData), encodeDer(derTags.context0, signedData))
}

/** Takes a signature apart; the first signer's where there are several. Throws ModuleFileInvalid for what is none. */
export function parseCms(bytes: Uint8Array): CmsSignature {
  const [type, wrapped] = readDerValues(expect(readDerValue(bytes), derTags.sequence))
  if (type === undefined || !encodeOid(oids.signedData).equals(type.raw)) throw unusual()
  const signedData = readDerValues(expect(readDerValue(expect(wrapped, derTags.context0)), derTags.sequence))
  const signerInfos = signedData.findLast((value) => value.tag === derTags.set)
  return parseSignerInfo(expect(readDerValue(expect(signerInfos, derTags.set)), derTags.sequence))
}

function parseSignerInfo(bytes: Uint8Array): CmsSignature {
  const [, name, algorithm, ...rest] = readDerValues(bytes)
  const signature = rest.find((value) => value.tag === derTags.octetString)
  const hashOid = readDerValues(expect(algorithm, derTags.sequence))[0]
  const hash = signatureHashes.find((each) => hashOid !== undefined && encodeOid(hashOids[each]).equals(hashOid.raw))
  return {
    signer: name?.tag === derTags.sequence ? parseSignerName(name) : undefined,
    hash,
    hasSignedAttributes: rest[0]?.tag === derTags.context0,
    signature: expect(signature, derTags.octetString),
  }
}

function parseSignerName(value: DerValue): SignerName {
  const [issuer, serial] = readDerValues(value.content)
  if (issuer === undefined || serial === undefined) throw unusual()
  return { issuer: issuer.raw, serial: serial.raw }
}

const commonNameOid = encodeOid('2.5.4.3')
const mostNameParts = 100

/** The common name in an issuer's DER name, else undefined; hostile text like everything in a module. */
export function findCommonName(issuer: Uint8Array): string | undefined {
  for (const set of readDerValues(readDerValue(issuer).content).slice(0, mostNameParts)) {
    const [oid, text] = readDerValues(readDerValue(set.content).content)
    if (oid !== undefined && text !== undefined && commonNameOid.equals(oid.raw))
      return Buffer.from(text.content).toString('utf8')
  }
  return undefined
}

/** Issuer and serial number of an X.509 certificate (RFC 5280), as they stand in its DER form. */
export function readCertificateName(certificate: Uint8Array): SignerName {
  const [toBeSigned] = readDerValues(expect(readDerValue(certificate), derTags.sequence))
  const fields = readDerValues(expect(toBeSigned, derTags.sequence))
  // A version stands first in all certificates but those of the first version.
  const start = fields[0]?.tag === derTags.context0 ? 1 : 0
  const [serial, issuer] = [fields[start], fields[start + 2]]
  if (serial?.tag !== derTags.integer || issuer?.tag !== derTags.sequence) throw unusual()
  return { issuer: issuer.raw, serial: serial.raw }
}

function expect(value: DerValue | undefined, tag: number): Uint8Array {
  if (value?.tag !== tag) throw unusual()
  return value.content
}

const unusual = (): Error => moduleFileInvalid('has a damaged signature: it is no CMS signature')
