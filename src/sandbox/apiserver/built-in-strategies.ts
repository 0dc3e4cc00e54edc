import { isRecord, sameJson, type ApiObject } from './object.ts'
import { plainStrategy, statusStrategy, type DeleteRequest, type Strategy } from './strategy.ts'

type Fields = Record<string, unknown>

/** A member that is an object, or an empty one. */
function fieldsOf(object: Fields, name: string): Fields {
  const value = object[name]
  return isRecord(value) ? value : {}
}

function isTerminated(pod: ApiObject): boolean {
  const phase = fieldsOf(pod, 'status')['phase']
  return phase === 'Succeeded' || phase === 'Failed'
}

/** A pod on a node waits for its kubelet, one that runs nowhere goes at once. */
function podGracePeriod(pod: ApiObject, request: DeleteRequest): number {
  const spec = fieldsOf(pod, 'spec')
  if (spec['nodeName'] === undefined || spec['nodeName'] === '' || isTerminated(pod)) return 0
  const wanted = request.gracePeriodSeconds ?? spec['terminationGracePeriodSeconds'] ?? 30
  if (typeof wanted !== 'number') return 30
  return wanted < 0 ? 1 : wanted
}

type Resources = { requests?: Record<string, string>; limits?: Record<string, string> }

/** The class that a pod's requests and limits give it. */
function qosClassOf(spec: Fields): 'BestEffort' | 'Burstable' | 'Guaranteed' {
  const containers = [spec['initContainers'], spec['containers']].flat().filter(isRecord)
  const resources = containers.map((container): Resources => fieldsOf(container, 'resources'))
  const names = ['cpu', 'memory']
  const asked = resources.some((each) => names.some((name) => each.requests?.[name] ?? each.limits?.[name]))
  if (!asked) return 'BestEffort'
  const guaranteed = resources.every((each) =>
    names.every((name) => each.limits?.[name] !== undefined && sameOrAbsent(each.requests?.[name], each.limits[name])),
  )
  return guaranteed ? 'Guaranteed' : 'Burstable'
}

const sameOrAbsent = (request: string | undefined, limit: string | undefined): boolean =>
  request === undefined || request === limit

const podStrategy: Strategy = {
  ...statusStrategy,
  prepareForCreate: (pod) => {
    pod['status'] = { phase: 'Pending', qosClass: qosClassOf(fieldsOf(pod, 'spec')) }
  },
  prepareForStatusUpdate: (pod, old) => {
    pod['spec'] = old['spec']
    if (old.metadata.ownerReferences === undefined) delete pod.metadata.ownerReferences
    else pod.metadata.ownerReferences = old.metadata.ownerReferences
    fillPodStatus(pod)
  },
  gracePeriod: podGracePeriod,
}

/** A status update keeps the spec and may change metadata, as for nodes and DaemonSets. */
const keepSpec = (object: ApiObject, old: ApiObject): void => {
  object['spec'] = old['spec']
}

/** What Go writes of a node's status although nothing was said. */
function fillNodeStatus(node: ApiObject): void {
  const { status } = node
  if (!isRecord(status)) return
  status['daemonEndpoints'] ??= { kubeletEndpoint: { Port: 0 } }
  fillConditions(status, ['lastHeartbeatTime', 'lastTransitionTime'])
}

/** Go writes absent times of conditions as null. */
function fillConditions(status: Fields, times: readonly string[]): void {
  const { conditions } = status
  if (!Array.isArray(conditions)) return
  for (const condition of conditions.filter(isRecord)) for (const time of times) condition[time] ??= null
}

/** What Go writes of a pod's status although nothing was said. */
function fillPodStatus(pod: ApiObject): void {
  const { status } = pod
  if (!isRecord(status)) return
  fillConditions(status, ['lastProbeTime', 'lastTransitionTime'])
  for (const list of ['containerStatuses', 'initContainerStatuses']) {
    const containers = status[list]
    if (!Array.isArray(containers)) continue
    for (const container of containers.filter(isRecord)) {
      container['lastState'] ??= {}
      container['state'] ??= {}
    }
  }
}

const nodeStrategy: Strategy = {
  ...statusStrategy,
  generation: 'none',
  prepareForCreate: fillNodeStatus,
  prepareForUpdate: (node, old) => {
    statusStrategy.prepareForUpdate(node, old)
    const spec = fieldsOf(node, 'spec')
    if (Array.isArray(spec['taints']) && spec['taints'].length === 0) delete spec['taints']
  },
  prepareForStatusUpdate: (node, old) => {
    keepSpec(node, old)
    fillNodeStatus(node)
  },
}

const workloadStrategy: Strategy = {
  ...statusStrategy,
  prepareForCreate: (object) => {
    object['status'] = {}
  },
  prepareForStatusUpdate: keepSpec,
}

const templateGeneration = 'deprecated.daemonset.template.generation'

/** Counts the changes of a DaemonSet's template, as clients cannot. */
function countTemplates(daemonSet: ApiObject, count: number): void {
  daemonSet.metadata.annotations = { ...daemonSet.metadata.annotations, [templateGeneration]: String(count) }
}

const daemonSetStrategy: Strategy = {
  ...workloadStrategy,
  prepareForCreate: (object) => {
    object['status'] = { currentNumberScheduled: 0, numberMisscheduled: 0, desiredNumberScheduled: 0, numberReady: 0 }
    countTemplates(object, 1)
  },
  prepareForUpdate: (object, old) => {
    statusStrategy.prepareForUpdate(object, old)
    const before = Number(old.metadata.annotations?.[templateGeneration] ?? 0)
    const isChanged = !sameJson(fieldsOf(object, 'spec')['template'], fieldsOf(old, 'spec')['template'])
    countTemplates(object, before + (isChanged ? 1 : 0))
  },
}

const namespaceStrategy: Strategy = {
  ...statusStrategy,
  generation: 'none',
  prepareForCreate: (namespace) => {
    const spec = fieldsOf(namespace, 'spec')
    const given = Array.isArray(spec['finalizers']) ? spec['finalizers'] : []
    namespace['spec'] = { finalizers: given.includes('kubernetes') ? given : [...given, 'kubernetes'] }
    namespace['status'] = { phase: 'Active' }
    labelWithName(namespace)
  },
  prepareForUpdate: (namespace, old) => {
    namespace['spec'] = old['spec']
    namespace['status'] = old['status']
    labelWithName(namespace)
  },
  prepareForStatusUpdate: keepSpec,
  held: (namespace) => {
    const finalizers = fieldsOf(namespace, 'spec')['finalizers']
    return Array.isArray(finalizers) && finalizers.length > 0
  },
  prepareForDelete: (namespace) => {
    namespace['status'] = { ...fieldsOf(namespace, 'status'), phase: 'Terminating' }
  },
}

function labelWithName({ metadata }: ApiObject): void {
  metadata.labels = { ...metadata.labels, 'kubernetes.io/metadata.name': metadata.name }
}

/** Binary values travel and are stored as base64; `stringData` is written into `data` and never stored. */
function foldStringData(secret: ApiObject): void {
  const { stringData } = secret
  delete secret['stringData']
  secret['type'] ??= 'Opaque'
  if (!isRecord(stringData)) return
  const encoded = Object.entries(stringData).map(([key, value]) => [key, Buffer.from(String(value)).toString('base64')])
  secret['data'] = { ...fieldsOf(secret, 'data'), ...Object.fromEntries(encoded) }
}

const secretStrategy: Strategy = {
  ...plainStrategy,
  prepareForCreate: foldStringData,
  prepareForUpdate: foldStringData,
}

const quotaStrategy: Strategy = { ...statusStrategy, generation: 'none', prepareForStatusUpdate: keepSpec }

/** Lists without items are not stored, a spec is. */
function trimDeviceClass(deviceClass: ApiObject): void {
  const spec = Object.entries(fieldsOf(deviceClass, 'spec'))
  deviceClass['spec'] = Object.fromEntries(spec.filter(([, value]) => !Array.isArray(value) || value.length > 0))
}

const deviceClassStrategy: Strategy = {
  ...plainStrategy,
  generation: 'spec',
  prepareForCreate: trimDeviceClass,
  prepareForUpdate: trimDeviceClass,
}

/** The strategies of the built-in kinds, by group and plural name; other kinds are plain. */
export const builtInStrategies: Readonly<Record<string, Strategy>> = {
  pods: podStrategy,
  nodes: nodeStrategy,
  namespaces: namespaceStrategy,
  secrets: secretStrategy,
  resourcequotas: quotaStrategy,
  'daemonsets.apps': daemonSetStrategy,
  'deployments.apps': workloadStrategy,
  'leases.coordination.k8s.io': { ...plainStrategy, createOnUpdate: true, unconditionalUpdate: false },
  events: { ...plainStrategy, createOnUpdate: true },
  'deviceclasses.resource.k8s.io': deviceClassStrategy,
  'priorityclasses.scheduling.k8s.io': { ...plainStrategy, generation: 'spec' },
  'validatingwebhookconfigurations.admissionregistration.k8s.io': { ...plainStrategy, generation: 'spec' },
  'roles.rbac.authorization.k8s.io': { ...plainStrategy, createOnUpdate: true },
  'rolebindings.rbac.authorization.k8s.io': { ...plainStrategy, createOnUpdate: true },
  'clusterroles.rbac.authorization.k8s.io': { ...plainStrategy, createOnUpdate: true },
  'clusterrolebindings.rbac.authorization.k8s.io': { ...plainStrategy, createOnUpdate: true },
}
