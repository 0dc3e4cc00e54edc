import { X509Certificate } from 'node:crypto'
import { isIP } from 'node:net'
import { backdatedMs, type Certificate, createAuthority, restoreAuthority } from '../../kube/certificate.ts'

/** What replicas share: the authorities that API servers are to trust, oldest first, and the certificate that is served. */
export interface CertificateSet {
  authorities: readonly Certificate[]
  serving: Certificate
}

/** The next thing to do to a set; one at a time, until there is none. */
export type Step =
  | { type: 'start' }
  | { type: 'addAuthority' }
  /** By the authority at this place. */
  | { type: 'issue'; by: number }
  /** The authorities before this place. */
  | { type: 'dropAuthorities'; before: number }

const dayMs = 86_400_000
/** Of every authority that the webhook makes. */
export const authorityName = 'kmm-webhook-authority'

/** An authority lives a year and gets a successor while it is good for a third of that. */
const renewAuthorityMs = 120 * dayMs
const servingMs = 90 * dayMs
const renewServingMs = 30 * dayMs
/** How long every API server has to learn of an authority before its certificates are served, and after, before the old one goes. */
export const overlapMs = dayMs

/** How long replicas may go on with what an earlier set had, which is lost: they look at the Secret every minute. */
const newMs = 600_000

interface Lifetime {
  parsed: X509Certificate
  madeMs: number
  untilMs: number
}

function readLifetime({ certificate }: Certificate): Lifetime {
  const parsed = new X509Certificate(certificate)
  return {
    parsed,
    madeMs: new Date(parsed.validFrom).getTime() + backdatedMs,
    untilMs: new Date(parsed.validTo).getTime(),
  }
}

/** What the set needs at this time; undefined when it is as it should be. `hosts` are the names under which it serves. */
export function decideStep(set: CertificateSet | undefined, nowMs: number, hosts: readonly string[]): Step | undefined {
  if (set === undefined) return { type: 'start' }
  const authorities = set.authorities.map(readLifetime)
  const newest = authorities.at(-1)
  if (newest === undefined || newest.untilMs <= nowMs) return { type: 'start' }
  if (newest.untilMs - nowMs < renewAuthorityMs) return { type: 'addAuthority' }
  const serving = readLifetime(set.serving)
  const by = findIssuer(authorities, nowMs)
  const isDue = serving.untilMs - nowMs < renewServingMs || !servesAll(serving, hosts)
  if (isDue || !isIssuedBy(serving, authorities[by])) return { type: 'issue', by }
  const isLearnt = nowMs - serving.madeMs >= overlapMs
  const firstAlive = authorities.findIndex(({ untilMs }) => untilMs > nowMs)
  const before = isLearnt ? by : firstAlive
  return before > 0 ? { type: 'dropAuthorities', before } : undefined
}

/** The newest authority that every API server has had the time to learn of; else the oldest one that is still valid. */
function findIssuer(authorities: readonly Lifetime[], nowMs: number): number {
  const known = authorities.findLastIndex(({ madeMs, untilMs }) => untilMs > nowMs && nowMs - madeMs >= overlapMs)
  return known >= 0 ? known : authorities.findIndex(({ untilMs }) => untilMs > nowMs)
}

function isIssuedBy({ parsed }: Lifetime, authority: Lifetime | undefined): boolean {
  return authority !== undefined && parsed.checkIssued(authority.parsed) && parsed.verify(authority.parsed.publicKey)
}

const servesAll = ({ parsed }: Lifetime, hosts: readonly string[]): boolean =>
  hosts.every((host) => (isIP(host) === 0 ? parsed.checkHost(host) : parsed.checkIP(host)) !== undefined)

/** Takes one step; the set itself is not changed. A set that is absent can only be started. */
export function takeStep(
  set: CertificateSet | undefined,
  step: Step,
  { nowMs, hosts }: { nowMs: number; hosts: readonly string[] },
): CertificateSet {
  const issue = (authority: Certificate): Certificate =>
    restoreAuthority(authority, authorityName, nowMs).issue({
      commonName: 'kmm-webhook',
      uses: ['server'],
      hosts,
      validMs: servingMs,
    })
  const authority = step.type === 'issue' ? set?.authorities[step.by] : undefined
  if (set === undefined || step.type === 'start') {
    const made = makeAuthority(nowMs)
    return { authorities: [made], serving: issue(made) }
  }
  if (step.type === 'addAuthority') return { ...set, authorities: [...set.authorities, makeAuthority(nowMs)] }
  if (step.type === 'dropAuthorities') return { ...set, authorities: set.authorities.slice(step.before) }
  return authority === undefined ? set : { ...set, serving: issue(authority) }
}

function makeAuthority(nowMs: number): Certificate {
  const { key, certificate } = createAuthority(authorityName, nowMs)
  return { key, certificate }
}

/** What API servers have to trust: all authorities, PEM. */
export function formatBundle({ authorities }: CertificateSet): string {
  return authorities.map(({ certificate }) => certificate).join('')
}

/** True for a set whose newest authority was made a moment ago. */
export function isNew({ authorities }: CertificateSet, nowMs: number): boolean {
  const newest = authorities.at(-1)
  return newest !== undefined && nowMs - readLifetime(newest).madeMs < newMs
}
