import { createPrivateKey, X509Certificate } from 'node:crypto'
import type { Secret } from 'kubernetes-types/core/v1.js'
import { hasCode, KmmError } from '../../errors/error.ts'
import type { Certificate } from '../../kube/certificate.ts'
import type { KubeClient } from '../../kube/client.ts'
import { secrets } from '../../kube/core-resources.ts'
import { type CertificateSet, decideStep, formatBundle, takeStep } from './certificate-set.ts'
import { splitPem } from './pem.ts'

/** Where replicas keep the certificates that they made, and what for. */
export interface CertificateSecret {
  client: KubeClient
  namespace: string
  name: string
  /** DNS names and addresses under which API servers reach the webhook. */
  hosts: readonly string[]
}

/** Each write by another replica costs one; they all want the same. */
const mostTries = 5
/** Nothing takes more steps: add, issue, drop. */
const mostSteps = 8

const decode = (secret: Secret, key: string): string => Buffer.from(secret.data?.[key] ?? '', 'base64').toString()
const encode = (text: string): string => Buffer.from(text).toString('base64')

/** A certificate and its key; undefined where they are none, or not each other's. */
function readPair(certificate: string, key: string): Certificate | undefined {
  try {
    return new X509Certificate(certificate).checkPrivateKey(createPrivateKey(key)) ? { certificate, key } : undefined
  } catch {
    return undefined
  }
}

/** The set in a Secret; undefined where it holds none that is whole. */
export function parseCertificateSecret(secret: Secret): CertificateSet | undefined {
  const certificates = splitPem(decode(secret, 'ca.crt'))
  const keys = splitPem(decode(secret, 'ca.key'))
  const authorities = certificates.map((certificate, index) => readPair(certificate, keys[index] ?? ''))
  const serving = readPair(decode(secret, 'tls.crt'), decode(secret, 'tls.key'))
  const whole = authorities.filter((each) => each !== undefined)
  if (serving === undefined || whole.length === 0 || whole.length < certificates.length) return undefined
  return { authorities: whole, serving }
}

function formatCertificateSecret(set: CertificateSet): Record<string, string> {
  return {
    'ca.crt': encode(formatBundle(set)),
    'ca.key': encode(set.authorities.map(({ key }) => key).join('')),
    'tls.crt': encode(set.serving.certificate),
    'tls.key': encode(set.serving.key),
  }
}

function advance(set: CertificateSet | undefined, nowMs: number, hosts: readonly string[]): CertificateSet | undefined {
  let current = set
  for (let count = 0; count < mostSteps; count++) {
    const step = decideStep(current, nowMs, hosts)
    if (step === undefined) return current
    current = takeStep(current, step, { nowMs, hosts })
  }
  return current
}

async function readSecret({ client, namespace, name }: CertificateSecret, signal: AbortSignal) {
  try {
    return await client.get(secrets, { namespace, name }, signal)
  } catch (error) {
    if (hasCode(error, 'NotFound')) return undefined
    throw error
  }
}

/**
 * The certificates of all replicas at this time: read from the Secret, made or renewed where need be. The first replica to write
 * wins, and the others take what it wrote.
 */
export async function keepCertificateSecret(
  place: CertificateSecret,
  nowMs: number,
  signal: AbortSignal,
): Promise<CertificateSet> {
  const { client, namespace, name, hosts } = place
  for (let count = 0; count < mostTries; count++) {
    const present = await readSecret(place, signal)
    const set = present === undefined ? undefined : parseCertificateSecret(present)
    const next = advance(set, nowMs, hosts)
    if (next !== undefined && next === set) return next
    if (next === undefined) break
    const data = formatCertificateSecret(next)
    const fresh: Secret = { apiVersion: 'v1', kind: 'Secret', metadata: { namespace, name }, type: 'Opaque' }
    try {
      if (present === undefined) await client.create(secrets, { ...fresh, data }, { signal })
      // With the resourceVersion that was read: who comes late gets a Conflict.
      else await client.replace(secrets, { ...present, data: { ...present.data, ...data } }, { signal })
      return next
    } catch (error) {
      if (!hasCode(error, 'AlreadyExists', 'Conflict', 'NotFound')) throw error
    }
  }
  throw new KmmError(`Secret ${namespace}/${name} is written by others again and again; it is tried again soon`, {
    code: 'Conflict',
  })
}
