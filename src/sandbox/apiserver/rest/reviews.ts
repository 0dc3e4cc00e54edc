import type { User } from '../hooks.ts'
import { isRecord } from '../object.ts'

/** A kind that can only be created, is answered at once and never stored. */
export interface ReviewResource {
  group: string
  version: string
  kind: string
  plural: string
  /** `status` of the answer. */
  review(spec: unknown, user: User): Record<string, unknown>
}

const everything = [{ verbs: ['*'], apiGroups: ['*'], resources: ['*'] }]
const everyPath = [{ verbs: ['*'], nonResourceURLs: ['*'] }]

/** The reviews of oneself: the sandbox has no authorization, so everything is allowed to whoever has a token. */
export const reviewResources: readonly ReviewResource[] = [
  {
    group: 'authentication.k8s.io',
    version: 'v1',
    kind: 'SelfSubjectReview',
    plural: 'selfsubjectreviews',
    review: (_spec, { name, uid, groups }) => ({
      userInfo: { username: name, ...(uid === undefined ? {} : { uid }), groups },
    }),
  },
  {
    group: 'authorization.k8s.io',
    version: 'v1',
    kind: 'SelfSubjectAccessReview',
    plural: 'selfsubjectaccessreviews',
    review: () => ({ allowed: true, reason: 'the KMM sandbox has no authorization' }),
  },
  {
    group: 'authorization.k8s.io',
    version: 'v1',
    kind: 'SelfSubjectRulesReview',
    plural: 'selfsubjectrulesreviews',
    review: () => ({ resourceRules: everything, nonResourceRules: everyPath, incomplete: false }),
  },
]

/** The answer to a review. */
export function answerReview(resource: ReviewResource, body: unknown, user: User): Record<string, unknown> {
  const spec = isRecord(body) && isRecord(body['spec']) ? body['spec'] : {}
  const { kind, group, version } = resource
  const metadata = { creationTimestamp: null }
  return { kind, apiVersion: `${group}/${version}`, metadata, spec, status: resource.review(spec, user) }
}
