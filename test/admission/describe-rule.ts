import { describe, expect, it } from 'vitest'

/** The rules of upstream's admission, as they are numbered in its specification: those of Modules, then the others. */
export const admissionRules = {
  update: 'a version may not come or go',
  '1': 'namespace and name have at most 41 characters together',
  '2': 'tolerations are what a pod may have',
  '3': 'DRA needs Kubernetes 1.34, and names that are DNS subdomains',
  '4': 'folders of the host are below /dev, /sys, /var, /opt or /run',
  '5': 'without a module loader the rules 6 to 8 do not matter',
  '6': 'each mapping says for which kernels it is, and has an image with tag or digest',
  '7': 'modprobe has a name or whole command lines, and an order that begins with the name',
  '8': 'files to sign are there, and below dirName',
  '11.2': 'a namespace that holds Modules stays',
  '11.3': 'a PreflightValidation names a kernel version of three parts',
  '11.4': 'a ManagedClusterModule obeys the rules of Modules but for names and versions of clusters',
} as const

export type AdmissionRule = keyof typeof admissionRules

export type Accepted<T> = readonly [what: string, subject: T]
/** `fields` are the paths of everything that is wrong. */
export type Refused<T> = readonly [what: string, subject: T, fields: readonly string[]]

/** The cases of a rule: some accepted, at least two refused, and the two sides of its boundary. */
export interface RuleCases<T> {
  /** The paths of everything that is wrong with a subject. */
  judge: (subject: T) => readonly string[]
  accepted: readonly [Accepted<T>, ...Accepted<T>[]]
  refused: readonly [Refused<T>, Refused<T>, ...Refused<T>[]]
  boundary: { accepted: Accepted<T>; refused: Refused<T> }
}

/** Tests the cases of a rule. */
export function describeRule<T>(rule: AdmissionRule, { judge, accepted, refused, boundary }: RuleCases<T>): void {
  describe(`rule ${rule}: ${admissionRules[rule]};`, () => {
    it.each([boundary.accepted, ...accepted])('accepted: %s', (_what, subject) => {
      expect(judge(subject)).toEqual([])
    })
    it.each([boundary.refused, ...refused])('refused: %s', (_what, subject, fields) => {
      expect(judge(subject)).toEqual(fields)
    })
  })
}
