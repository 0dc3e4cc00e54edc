import {
  createHash,
  createPrivateKey,
  createPublicKey,
  type KeyObject,
  type PrivateKeyInput,
  X509Certificate,
} from 'node:crypto'
import { KmmError } from '../errors/error.ts'
import { derTags, readDerValue } from './der.ts'
import { readCertificateName, type SignatureHash, signatureHashes, type SignerName } from './signature-cms.ts'

/** The certificate by whose key modules are signed. */
export interface SigningCertificate extends SignerName {
  /** SHA-256 of its DER form, 64 hexadecimal digits; what an image's `signed-by` label holds. */
  fingerprint: string
  /** As OpenSSL writes it on one line. */
  subject: string
  publicKey: KeyObject
}

/** A key with its certificate, ready to sign. */
export interface ModuleSigner {
  certificate: SigningCertificate
  key: KeyObject
  keyType: 'rsa' | 'ec'
  hash: SignatureHash
}

/** Key and certificate as they lie in their files: PEM or DER. */
export interface SignerInput {
  key: Uint8Array
  certificate: Uint8Array
  /** For an encrypted key. */
  passphrase?: string
  /** `sha256` unless said otherwise. */
  hash?: SignatureHash
}

/** The one error of keys, certificates and passphrases; none of its words come from them. */
const refuse = (what: string): KmmError => new KmmError(what, { code: 'SigningKeyInvalid', fate: 'terminal' })

/** Reads a certificate in PEM (its first one) or DER. Throws SigningKeyInvalid. */
export function parseSigningCertificate(bytes: Uint8Array): SigningCertificate {
  const certificate = readCertificate(bytes)
  return {
    ...readCertificateName(certificate.raw),
    fingerprint: createHash('sha256').update(certificate.raw).digest('hex'),
    subject: certificate.subject.replaceAll('\n', ', '),
    publicKey: certificate.publicKey,
  }
}

function readCertificate(bytes: Uint8Array): X509Certificate {
  if (bytes.byteLength === 0) throw refuse('the certificate is empty; give the X.509 certificate of the signing key')
  try {
    return new X509Certificate(Buffer.from(bytes))
  } catch {
    const isKey = Buffer.from(bytes).includes('PRIVATE KEY-----')
    throw refuse(
      isKey
        ? 'what is given as the certificate is a private key; are key and certificate swapped?'
        : 'the certificate cannot be read; give an X.509 certificate in PEM ("-----BEGIN CERTIFICATE-----") or DER',
    )
  }
}

/** Puts key and certificate together. Throws SigningKeyInvalid that says which of them is wrong and what to give instead. */
export function createModuleSigner({ key, certificate, passphrase, hash = 'sha256' }: SignerInput): ModuleSigner {
  const parsed = parseSigningCertificate(certificate)
  const privateKey = readPrivateKey(key, passphrase)
  const keyType = privateKey.asymmetricKeyType
  if (keyType !== 'rsa' && keyType !== 'ec')
    throw refuse(`the signing key is of the type ${keyType}; the kernel verifies modules by RSA and EC keys only`)
  if (!createPublicKey(privateKey).equals(parsed.publicKey))
    throw refuse(
      'the certificate is not that of the signing key: their public keys differ; give the two that belong together',
    )
  return { certificate: parsed, key: privateKey, keyType, hash }
}

function readPrivateKey(bytes: Uint8Array, passphrase: string | undefined): KeyObject {
  const text = Buffer.from(bytes).toString('latin1')
  const form = text.includes('-----BEGIN') ? findPemKey(text) : findDerKey(bytes)
  if (form.isEncrypted && (passphrase ?? '') === '')
    throw refuse('the signing key is encrypted and no passphrase is given: give the passphrase with it')
  for (const attempt of form.attempts) {
    try {
      return createPrivateKey({ ...attempt, ...(passphrase === undefined ? {} : { passphrase }) })
    } catch {
      // OpenSSL's words name its own functions; which form failed tells a person more.
    }
  }
  throw refuse(
    form.isEncrypted
      ? 'the signing key cannot be decrypted: the passphrase is wrong, or its cipher is not one that OpenSSL 3 reads'
      : `the signing key cannot be read; ${keyAdvice}`,
  )
}

const keyAdvice = 'give an RSA or EC private key in PEM ("-----BEGIN PRIVATE KEY-----") or DER'

/** The forms in which a key may be read, the likeliest first. */
interface KeyForm {
  isEncrypted: boolean
  attempts: PrivateKeyInput[]
}

/** Finds the first private key among what a PEM file holds, as `sign-file` does. */
function findPemKey(text: string): KeyForm {
  const [key, label = ''] = /-----BEGIN ([A-Z0-9 ]*PRIVATE KEY)-----[^]+?-----END \1-----/.exec(text) ?? []
  if (label.startsWith('OPENSSH'))
    throw refuse('the signing key is in the form of OpenSSH; convert it with "ssh-keygen -p -m PKCS8 -f FILE"')
  if (key === undefined) {
    const isCertificate = text.includes('-----BEGIN CERTIFICATE-----')
    throw refuse(
      isCertificate
        ? 'what is given as the signing key is a certificate; are key and certificate swapped?'
        : `the signing key is damaged: its PEM text holds no whole private key; ${keyAdvice}`,
    )
  }
  const isEncrypted = label.startsWith('ENCRYPTED') || key.includes('Proc-Type: 4,ENCRYPTED')
  return { isEncrypted, attempts: [{ key: `${key}\n`, format: 'pem' }] }
}

function findDerKey(bytes: Uint8Array): KeyForm {
  const key = Buffer.from(bytes)
  return {
    isEncrypted: isEncryptedDer(bytes),
    attempts: (['pkcs8', 'pkcs1', 'sec1'] as const).map((type) => ({ key, format: 'der', type })),
  }
}

/** An encrypted PKCS#8 key begins with its cipher, every other form with a version number (RFC 5958, section 3). */
function isEncryptedDer(bytes: Uint8Array): boolean {
  try {
    return readDerValue(readDerValue(bytes).content).tag === derTags.sequence
  } catch {
    return false
  }
}

/** True for the name of a hash algorithm that modules can be signed with. */
export function isSignatureHash(text: string): text is SignatureHash {
  return signatureHashes.some((each) => each === text)
}
