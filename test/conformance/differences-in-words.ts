import type { Known } from './differences.ts'

/** Where the embedded API server does the same and says it differently, in ways that no client of KMM reads. */
export const saidDifferently: readonly Known[] = [
  {
    reason:
      'Events are kept in one form; what Go writes for absent times, series and sources is left out, and few of their fields are checked.',
    places: {
      'Events of both groups':
        'incomplete longNote.body.details.group longNote.body.message made newer newerShown noteChanged shown.body.eventTime type',
    },
  },
  {
    reason: "The words of Go's JSON parser.",
    places: {
      'Modules that the schema refuses': 'empty.body.message notAnObject.body.message notJson.body.message',
      'Secrets, immutable ConfigMaps and sizes':
        'dockerConfigBad.body.details.causes[0].message dockerConfigBad.body.message number.body.message',
      'a merge patch adds, replaces and removes': 'text.body.message',
      'what a delete answers': 'body.body.message',
    },
  },
  {
    reason: 'The body of a 404 that no client reads.',
    places: {
      'OpenAPI v3 describes our kinds': 'missing.body missing.type',
      'a watch ends after its time, and one of the far past has expired': 'absent.body absent.type',
    },
  },
  {
    reason: "The sandbox's own words for the fields that every object has.",
    places: {
      'OpenAPI v3 describes our kinds': 'module',
      'a watch for tables and one for metadata': 'table.body.object.columnDefinitions[0].description',
      'kubectl explains our kinds': 'module',
    },
  },
  {
    reason: 'Go words a patch that leaves no object with a dump of the whole object.',
    places: {
      'a Lease is taken by one of two': 'time',
      'a patch may not make an object invalid': 'configMap podType',
      'unknown fields in patches': 'strict',
      'what only the server sets is ignored or refused': 'kind',
    },
  },
  {
    reason: 'Numbers follow from the order of writes.',
    places: {
      'a finalizer holds an object that is being deleted':
        'revived.resourceVersion spec.resourceVersion status.resourceVersion',
    },
  },
  {
    reason: "The server tells of Go types and of etcd's keys.",
    places: {
      'a name that is taken, a name that does not fit the path, a uid of another object':
        'otherKind.body.message otherUid.body.message otherVersion.body.message',
    },
  },
  {
    reason: 'The server adds a dump of the difference.',
    places: {
      'a patch may not make an object invalid': 'pod.body.details.causes[0].message pod.body.message',
      'most of a pod cannot be changed':
        'command.body.details.causes[0].message command.body.message node.body.details.causes[0].message node.body.message selector.body.details.causes[0].message selector.body.message',
    },
  },
  {
    reason: 'Go writes an empty status.',
    places: {
      'a quota refuses what is over it, and counts': 'created.body.status',
    },
  },
  {
    reason: "The mark under a fault in a rule stands where the sandbox's parser found it.",
    places: {
      'a rule about an unknown field is refused': 'body.details.causes[0].message body.message',
      'a rule that compares different types is refused': 'body.details.causes[0].message body.message',
      'a rule with an unknown function is refused': 'body.details.causes[0].message body.message',
    },
  },
  {
    reason: "The words for a rule or selector that does not parse are those of the sandbox's parser.",
    places: {
      'a DeviceClass of resource.k8s.io/v1': 'bad.body.details.causes[0].message bad.body.message',
      'a rule that does not parse is refused': 'body.details.causes[0].message body.message',
    },
  },
  {
    reason: "The words for a failure at run time are those of the sandbox's engine.",
    places: {
      'a rule that fails while it runs says so': 'index.body.details.causes[0].message index.body.message',
    },
  },
  {
    reason: "Reviews tell neither Go's empty options nor the field manager.",
    places: {
      'a validating webhook allows, refuses and warns': 'asked',
    },
  },
  {
    reason: 'Verbs come in another order, and Go writes empty names of response kinds.',
    places: {
      'aggregated discovery': 'ours pods',
    },
  },
  {
    reason: 'Of definitions the structure and the rules are checked; columns, defaults and stored versions are not.',
    places: {
      'definitions that are refused':
        'column columnPath defaultType noStorage reference unstructured.body.details.causes[2]',
    },
  },
  {
    reason: 'Protobuf and CBOR are never given, and not offered in the message.',
    places: {
      'metadata alone': 'wrong.body.message',
    },
  },
  {
    reason: "Go's own form of a taint in a message.",
    places: {
      'nodes that are refused, and what of a node can be changed':
        'taintTwice.body.details.causes[0].message taintTwice.body.message',
    },
  },
  {
    reason: 'Tokens of lists are made and read differently.',
    places: {
      'pages of a list': 'garbage.body.message',
    },
  },
  {
    reason: "Go's own form of a security context in a message.",
    places: {
      'pods that are refused': 'privilegedEscalation.body.details.causes[0].message privilegedEscalation.body.message',
    },
  },
  {
    reason: 'Verbs come in another order.',
    places: {
      'resources of our groups and of core': 'v1beta1 v1beta2',
    },
  },
  {
    reason: 'In a write of the status the server leaves the word out of its message.',
    places: {
      'the status of our kinds is checked':
        'conditionTime.body.details.causes[1].message counts.body.details.causes[1].message',
    },
  },
  {
    reason: 'Numbers follow from the object that is made before it.',
    places: {
      'unknown fields under Strict, Warn and Ignore': 'warn.body.metadata.uid',
    },
  },
  {
    reason: 'The order of supported values in a message.',
    places: {
      'unknown fields under Strict, Warn and Ignore': 'wrong.body.details.causes[0].message wrong.body.message',
      'what a delete answers': 'policy.body.details.causes[0].message policy.body.message',
    },
  },
]
