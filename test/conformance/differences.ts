import type { AcceptedDifference } from './compare.ts'
import { saidDifferently } from './differences-in-words.ts'

/** Places that differ for one reason: by case, the paths, which a space separates. */
export interface Known {
  reason: string
  places: Readonly<Record<string, string>>
}

/** What the embedded API server does not do, or does otherwise. */
const doneDifferently: readonly Known[] = [
  {
    reason: 'Conditions of evicted pods tell no generation.',
    places: {
      'NoExecute taints evict what does not tolerate them': 'conditions[0].observedGeneration',
    },
  },
  {
    reason: 'Patches of server-side apply and in CBOR are not offered.',
    places: {
      'OpenAPI v3 describes built-in kinds in depth': 'patchTypes',
      'OpenAPI v3 describes our kinds': 'patchTypes',
    },
  },
  {
    reason: 'Resource claims are answered with 501: there are no devices.',
    places: {
      'a DeviceClass of resource.k8s.io/v1': 'claims',
    },
  },
  {
    reason:
      'Definitions are established within their creation, keep their finalizer, and take no group away with them.',
    places: {
      'a definition is established, served, changed and taken away with its objects':
        'after.body after.type created established first.body.metadata.resourceVersion listed.body.items[0].metadata.resourceVersion',
    },
  },
  {
    reason: 'Limit ranges are answered with 501.',
    places: {
      'a limit range defaults and refuses':
        'created defaulted[0].resources.limits defaulted[0].resources.requests over',
    },
  },
  {
    reason: 'Mutating webhooks are answered with 501.',
    places: {
      'a mutation by webhook changes what is stored': 'created made.body made.status',
    },
  },
  {
    reason: 'Mirror pods are made by kubelets alone.',
    places: {
      'a pod needs its service account': 'mirror.body mirror.status',
    },
  },
  {
    reason: 'The cost of rules is limited while they run, not estimated before.',
    places: {
      'a rule that could cost too much is refused': 'body status',
    },
  },
  {
    reason: 'The field path of a rule is not looked up in the schema.',
    places: {
      'a rule with an unknown reason, line breaks, or nothing is refused': 'body.details.causes[4]',
    },
  },
  {
    reason:
      'Tokens of service accounts and their reviews are answered with 501: users of the sandbox come from its kubeconfigs.',
    places: {
      'a token of a service account is made and reviewed':
        'absent empty forAudience made nonsense reviewed[0] reviewed[1] self short user[0] user[1]',
    },
  },
  {
    reason: 'A watch on the path of an object begins with the object, as one with a field selector does.',
    places: {
      'a watch without a version begins with what is there': 'path[0].name path[0].type',
    },
  },
  {
    reason: 'Impersonation is not imitated: nobody is refused by RBAC.',
    places: {
      'an administrator acts as somebody else': 'groupAlone refused',
    },
  },
  {
    reason: 'What was wrong before and is left so is not warned of.',
    places: {
      'an old object that breaks a new rule may still be changed elsewhere': 'elsewhere.warnings',
    },
  },
  {
    reason: 'Rules on items of uncorrelated lists are passed over, not refused.',
    places: {
      'an old value where no transition can be followed is refused': 'body status',
    },
  },
  {
    reason: 'The server repeats the code in a Status of success.',
    places: {
      'bindings, evictions and logs of a pod': 'bound.body.code evicted.body.code',
    },
  },
  {
    reason: 'Without a node there is no log to be empty.',
    places: {
      'bindings, evictions and logs of a pod': 'noLog',
    },
  },
  {
    reason: 'Protobuf is read and never written.',
    places: {
      'bodies: too large, in YAML, in another form':
        'acceptProtobufFirst acceptProtobufOfModules.body acceptProtobufOfModules.type acceptXml.body.details acceptXml.body.message',
    },
  },
  {
    reason: 'Words and forms of refusals that no client reads.',
    places: {
      'bodies: too large, in YAML, in another form':
        'asYaml.type clusterScoped.body clusterScoped.type notFound.body notFound.type notFoundVersion.body notFoundVersion.type yaml.body.message',
    },
  },
  {
    reason: 'The server tells of one fault of a text at a time.',
    places: {
      'every keyword of a schema has its refusal': 'several.body.details.causes[3]',
    },
  },
  {
    reason: 'Server-side apply is answered with 501: the sandbox keeps no field managers.',
    places: {
      'kubectl applies on the server side': 'again conflict created forced',
      'server-side apply creates, owns and conflicts': 'conflict created dropped forced noManager same',
    },
  },
  {
    reason: 'Everybody may do everything in the sandbox.',
    places: {
      'kubectl makes objects and asks about itself': 'cannot.code cannot.stdout[0]',
    },
  },
  {
    reason: 'Protobuf bodies are read for the kinds that kubectl creates besides Deployments.',
    places: {
      'kubectl makes objects and asks about itself': 'scale',
    },
  },
  {
    reason: 'Tokens of service accounts are answered with 501.',
    places: {
      'kubectl makes objects and asks about itself': 'token',
      'resources of our groups and of core': 'core[12]',
    },
  },
  {
    reason: 'Of the warnings about pods only those of pod security are imitated.',
    places: {
      'pods that are refused': 'pullSecret.warnings',
    },
  },
  {
    reason: 'Only the priorities that pods name are imitated; the classes themselves are stored as they are.',
    places: {
      'priority classes that every cluster has':
        'changedValue large made.body.metadata.resourceVersion made.body.preemptionPolicy system2 system[0] system[1]',
    },
  },
  {
    reason: 'The divisor of a resource reference is left out.',
    places: {
      'probes, ports, hooks and affinity are defaulted':
        'body.spec.containers[0].env[0].valueFrom.resourceFieldRef.divisor',
    },
  },
  {
    reason:
      'The sandbox makes no service account tokens and refuses nobody by RBAC, so these callers are unknown to it.',
    places: {
      'requests without, with wrong and with powerless credentials':
        'anonymous powerless powerlessCluster powerlessCreate powerlessNamed powerlessPath powerlessStatus',
    },
  },
  {
    reason:
      'Old states are not kept: a list of an exact version that has passed is answered with 410, as after a compaction.',
    places: {
      'resourceVersion and resourceVersionMatch of lists and gets': 'exact',
    },
  },
  {
    reason: 'Roles and bindings are stored as they are, because nobody is refused by them.',
    places: {
      'roles and bindings are checked':
        'accountNoNamespace binding noRef noResources noVerbs roleRef slash.body.details.causes[0].message slash.body.message subject',
    },
  },
  {
    reason: 'A key that is there twice is not noticed: the last counts.',
    places: {
      'unknown fields under Strict, Warn and Ignore':
        'duplicate.body.message duplicateWarn.warnings[0] duplicateWarn.warnings[1]',
    },
  },
  {
    reason: 'Unknown fields of metadata are kept without a word.',
    places: {
      'unknown fields under Strict, Warn and Ignore': 'metadata',
    },
  },
  {
    reason: 'The version tells nothing of emulation.',
    places: {
      'version and health': 'version',
    },
  },
  {
    reason: 'Webhook configurations are stored as they are; what is wrong with one is seen when it is called.',
    places: {
      'webhook configurations are defaulted and checked':
        'both ca.body.metadata.uid defaulted.body.metadata.uid http name none operations policy service.body.metadata.uid sideEffects timeout versionUnknown versions',
    },
  },
  {
    reason: 'Match conditions are answered with 501.',
    places: {
      'webhook configurations are defaulted and checked': 'condition conditionType',
      'webhooks are called by rules, conditions and selectors': 'answers asked',
    },
  },
  {
    reason: 'Everybody may do everything in the sandbox; reviews about others are answered with 501.',
    places: {
      'what an administrator may do, and what others may':
        'after before nobody none path.body.metadata.creationTimestamp path.body.status.reason self.body.metadata.creationTimestamp self.body.status.reason',
    },
  },
  {
    reason: 'The server keeps a generation that a client gave to a kind which counts none.',
    places: {
      'what only the server sets is ignored or refused': 'created.body.metadata.generation',
    },
  },
]

/** Where the embedded API server is known to differ from the real one. A row that differs no more fails the suite. */
export const acceptedDifferences: readonly AcceptedDifference[] = [...doneDifferently, ...saidDifferently].flatMap(
  ({ reason, places }) =>
    Object.entries(places).flatMap(([name, paths]) => paths.split(' ').map((path) => ({ case: name, path, reason }))),
)
