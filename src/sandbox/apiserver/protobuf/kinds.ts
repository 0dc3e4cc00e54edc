import { message, type MessageType } from './message.ts'

const strings = ['string'] as const
const stringMap = { map: 'string' } as const

const ownerReference = message({
  1: ['kind', 'string'],
  3: ['name', 'string'],
  4: ['uid', 'string'],
  5: ['apiVersion', 'string'],
  6: ['controller', 'boolean'],
  7: ['blockOwnerDeletion', 'boolean'],
})

const objectMeta = message({
  1: ['name', 'string'],
  2: ['generateName', 'string'],
  3: ['namespace', 'string'],
  5: ['uid', 'string'],
  6: ['resourceVersion', 'string'],
  8: ['creationTimestamp', 'time'],
  9: ['deletionTimestamp', 'time'],
  11: ['labels', stringMap],
  12: ['annotations', stringMap],
  13: ['ownerReferences', [ownerReference]],
  14: ['finalizers', strings],
})

const objectReference = message({
  1: ['kind', 'string'],
  2: ['namespace', 'string'],
  3: ['name', 'string'],
  4: ['uid', 'string'],
  5: ['apiVersion', 'string'],
})

const localReference = message({ 1: ['name', 'string'] })

const deleteOptions = message({
  1: ['gracePeriodSeconds', 'number'],
  2: ['preconditions', message({ 1: ['uid', 'string'], 2: ['resourceVersion', 'string'] })],
  3: ['orphanDependents', 'boolean'],
  4: ['propagationPolicy', 'string'],
  5: ['dryRun', strings],
})

const policyRule = message({
  1: ['verbs', strings],
  2: ['apiGroups', strings],
  3: ['resources', strings],
  4: ['resourceNames', strings],
  5: ['nonResourceURLs', strings],
})

const binding = message({
  1: ['metadata', objectMeta],
  2: [
    'subjects',
    [message({ 1: ['kind', 'string'], 2: ['apiGroup', 'string'], 3: ['name', 'string'], 4: ['namespace', 'string'] })],
  ],
  3: ['roleRef', message({ 1: ['apiGroup', 'string'], 2: ['kind', 'string'], 3: ['name', 'string'] })],
})

const role = message({ 1: ['metadata', objectMeta], 2: ['rules', [policyRule]] })

const quota = message({
  1: ['metadata', objectMeta],
  2: ['spec', message({ 1: ['hard', { map: { only: 'string' } }], 2: ['scopes', strings] })],
})

const review = message({ 1: ['metadata', objectMeta] })

/**
 * The kinds whose protobuf form is read, by apiVersion and kind: those that `kubectl create` and its like send so,
 * because typed Go clients do not fall back to JSON. Numbers as in the `generated.proto` files of k8s.io/api.
 */
export const protobufKinds: Readonly<Record<string, MessageType>> = {
  'v1/Namespace': message({ 1: ['metadata', objectMeta], 2: ['spec', message({ 1: ['finalizers', strings] })] }),
  'v1/Secret': message({
    1: ['metadata', objectMeta],
    2: ['data', { map: 'bytes' }],
    3: ['type', 'string'],
    4: ['stringData', stringMap],
    5: ['immutable', 'boolean'],
  }),
  'v1/ConfigMap': message({
    1: ['metadata', objectMeta],
    2: ['data', stringMap],
    3: ['binaryData', { map: 'bytes' }],
    4: ['immutable', 'boolean'],
  }),
  'v1/ServiceAccount': message({
    1: ['metadata', objectMeta],
    2: ['secrets', [objectReference]],
    3: ['imagePullSecrets', [localReference]],
    4: ['automountServiceAccountToken', 'boolean'],
  }),
  'v1/ResourceQuota': quota,
  'v1/DeleteOptions': deleteOptions,
  'policy/v1/Eviction': message({ 1: ['metadata', objectMeta], 2: ['deleteOptions', deleteOptions] }),
  'rbac.authorization.k8s.io/v1/Role': role,
  'rbac.authorization.k8s.io/v1/ClusterRole': role,
  'rbac.authorization.k8s.io/v1/RoleBinding': binding,
  'rbac.authorization.k8s.io/v1/ClusterRoleBinding': binding,
  'scheduling.k8s.io/v1/PriorityClass': message({
    1: ['metadata', objectMeta],
    2: ['value', 'number'],
    3: ['globalDefault', 'boolean'],
    4: ['description', 'string'],
    5: ['preemptionPolicy', 'string'],
  }),
  'authentication.k8s.io/v1/SelfSubjectReview': review,
  'authorization.k8s.io/v1/SelfSubjectAccessReview': review,
  'authorization.k8s.io/v1/SelfSubjectRulesReview': review,
}
