import { baselineChecks, overriddenByRestricted } from './pod-security-baseline.ts'
import { restrictedChecks } from './pod-security-restricted.ts'
import type { Violation } from './pod-security-words.ts'
import type { PodTemplate } from './pod-shape.ts'

const levels = ['privileged', 'baseline', 'restricted'] as const

/** A Pod Security level, from the most to the least permissive. */
export type PodSecurityLevel = (typeof levels)[number]

/** A level and the version of the standard that a namespace asks for; `latest` when it names none. */
export interface LevelVersion {
  level: PodSecurityLevel
  version: string
}

/** What a namespace's labels ask for; every mode is privileged when there are none. */
export interface PodSecurityPolicy {
  enforce: LevelVersion
  audit: LevelVersion
  warn: LevelVersion
}

/** A `pod-security.kubernetes.io/…` label whose value means nothing. */
export interface PolicyLabelError {
  label: string
  value: string
  detail: string
}

const prefix = 'pod-security.kubernetes.io/'
const versionPattern = /^v1\.(?:0|[1-9][0-9]*)$/

/** `baseline:latest`, as messages name a policy. */
export function formatLevelVersion(policy: LevelVersion): string {
  return `${policy.level}:${policy.version}`
}

/** -1, 0 or 1: whether `a` is more permissive than `b`, as strict, or stricter. */
export function compareLevels(a: PodSecurityLevel, b: PodSecurityLevel): number {
  return Math.sign(levels.indexOf(a) - levels.indexOf(b))
}

/** Reads the policy of a namespace from its labels; an unreadable enforce level enforces `restricted`, as the server does. */
export function readPolicy(labels: Readonly<Record<string, string>>): {
  policy: PodSecurityPolicy
  errors: PolicyLabelError[]
} {
  const errors: PolicyLabelError[] = []
  const readMode = (mode: string, onError: PodSecurityLevel): LevelVersion => {
    const given = labels[`${prefix}${mode}`]
    const level = levels.find((each) => each === given)
    if (given !== undefined && level === undefined)
      errors.push({ label: `${prefix}${mode}`, value: given, detail: `must be one of ${levels.join(', ')}` })
    const version = labels[`${prefix}${mode}-version`] ?? 'latest'
    const isVersion = version === 'latest' || versionPattern.test(version)
    if (!isVersion)
      errors.push({ label: `${prefix}${mode}-version`, value: version, detail: 'must be "latest" or "v1.x"' })
    const fallback = given === undefined ? 'privileged' : onError
    return { level: level ?? fallback, version: isVersion ? version : 'latest' }
  }
  const enforce = readMode('enforce', 'restricted')
  const audit = readMode('audit', 'privileged')
  const warn = readMode('warn', 'privileged')
  const enforceIsValid = !errors.some((error) => error.label === `${prefix}enforce`)
  const warnFollows = labels[`${prefix}warn`] === undefined && enforceIsValid && enforce.level !== 'privileged'
  const warnVersion = labels[`${prefix}warn-version`] === undefined ? enforce.version : warn.version
  return {
    policy: { enforce, audit, warn: warnFollows ? { level: enforce.level, version: warnVersion } : warn },
    errors,
  }
}

/** The violations of a pod (or pod template) against a level at version `latest`, in the server's order. */
export function findViolations(level: PodSecurityLevel, pod: PodTemplate): Violation[] {
  const spec = pod.spec
  if (level === 'privileged' || spec === undefined) return []
  const checks =
    level === 'baseline'
      ? baselineChecks
      : [...baselineChecks.filter(([id]) => !overriddenByRestricted.includes(id)), ...restrictedChecks]
  const annotations = pod.metadata?.annotations ?? {}
  return checks.flatMap(([, check]) => check(spec, annotations) ?? [])
}

/** `privileged (container "x" must not …), hostPath volumes (…)`. */
export function describeViolations(violations: readonly Violation[]): string {
  return violations.map(({ reason, detail }) => (detail === '' ? reason : `${reason} (${detail})`)).join(', ')
}
