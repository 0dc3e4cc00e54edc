import type { Taint } from 'kubernetes-types/core/v1.js'
import { type LabelSelector, matchesSelector } from '../admission/label-selector.ts'
import type { Pod, PodSpec } from '../admission/pod-shape.ts'
import type { ValidationRequest } from '../hooks.ts'
import { type ApiObject, isRecord, sameJson } from '../object.ts'
import { validateDeviceClass } from './device-class.ts'
import { type FieldError, forbidden, invalid, notSupported, required, tooLong } from './field-error.ts'
import { checkName, explainDataKey } from './names.ts'
import { validateUpdateStrategy } from './update-strategy.ts'
import { validatePodSpec, validatePodSpecUpdate, validateTaints } from './pod-validation.ts'

type Check = (request: ValidationRequest) => FieldError[]

const immutable = 'field is immutable'
const maxSecretBytes = 1_048_576

const checkPod: Check = ({ object, oldObject, subresource }) => {
  // Status updates and bindings carry a spec that is the stored one, or what the server itself wrote.
  if (subresource !== undefined) return []
  const { spec } = object as Pod
  const errors = validatePodSpec(spec, 'spec')
  const old = (oldObject as Pod | undefined)?.spec
  return spec === undefined || old === undefined ? errors : [...errors, ...validatePodSpecUpdate(spec, old)]
}

interface Node extends ApiObject {
  spec?: { taints?: Taint[]; providerID?: string }
}

const checkNode: Check = ({ object, oldObject }) => {
  const { taints = [], providerID } = (object as Node).spec ?? {}
  const old = (oldObject as Node | undefined)?.spec
  // The server names the wrong parent, and looks twice on update.
  const errors = validateTaints(taints, 'metadata.taints')
  if (oldObject !== undefined) errors.push(...validateTaints(taints, 'metadata.taints'))
  if (old?.providerID && old.providerID !== providerID)
    errors.push(forbidden('spec.providerID', 'node updates may not change providerID except from "" to valid'))
  return errors
}

interface Workload extends ApiObject {
  spec?: {
    selector?: LabelSelector
    template?: { metadata?: { labels?: Record<string, string> }; spec?: PodSpec }
    replicas?: number
  }
}

function checkSelector(selector: LabelSelector, object: Workload): FieldError[] {
  const labels = object.spec?.template?.metadata?.labels ?? {}
  const errors: FieldError[] = []
  if (!matchesSelector(selector, labels))
    errors.push(invalid('spec.template.metadata.labels', labels, '`selector` does not match template `labels`'))
  const { matchLabels = {}, matchExpressions = [] } = selector
  if (Object.keys(matchLabels).length + matchExpressions.length === 0)
    errors.push(invalid('spec.selector', selector, `empty selector is invalid for ${object.kind.toLowerCase()}`))
  return errors
}

function explainNoSelector(object: Workload): FieldError[] {
  if (object.kind !== 'DaemonSet') return [required('spec.selector')]
  const labels = object.spec?.template?.metadata?.labels ?? {}
  return [invalid('spec.template.metadata.labels', labels, '`selector` does not match template `labels`')]
}

function checkSelectors({ object, oldObject }: ValidationRequest): FieldError[] {
  const selector = (object as Workload).spec?.selector
  if (selector === undefined) return explainNoSelector(object)
  const errors = checkSelector(selector, object as Workload)
  const old = (oldObject as Workload | undefined)?.spec?.selector
  if (old !== undefined && !sameJson(old, selector)) errors.push(invalid('spec.selector', selector, immutable))
  return errors
}

const checkWorkload: Check = (request) => {
  if (request.subresource !== undefined) return []
  const spec = (request.object as Workload).spec?.template?.spec
  const policy = spec?.restartPolicy
  const errors = [...checkSelectors(request), ...validatePodSpec(spec, 'spec.template.spec')]
  if (policy !== undefined && policy !== 'Always')
    errors.push(notSupported('spec.template.spec.restartPolicy', policy, ['Always']))
  if (spec?.activeDeadlineSeconds !== undefined)
    errors.push(
      forbidden(
        'spec.template.spec.activeDeadlineSeconds',
        `activeDeadlineSeconds in ${request.object.kind} is not Supported`,
      ),
    )
  return request.object.kind === 'DaemonSet' ? [...errors, ...validateUpdateStrategy(request.object)] : errors
}

interface Secret extends ApiObject {
  type?: string
  immutable?: boolean
  data?: Record<string, string>
}

/** The keys that a Secret of a type must have; the content of docker's must be JSON. */
const secretKeys: Readonly<Record<string, string[]>> = {
  'kubernetes.io/dockercfg': ['.dockercfg'],
  'kubernetes.io/dockerconfigjson': ['.dockerconfigjson'],
  'kubernetes.io/tls': ['tls.crt', 'tls.key'],
  'kubernetes.io/ssh-auth': ['ssh-privatekey'],
}

function checkJson(field: string, base64: string): FieldError[] {
  try {
    const parsed: unknown = JSON.parse(Buffer.from(base64, 'base64').toString())
    if (isRecord(parsed)) return []
    return [invalid(field, '<secret contents redacted>', 'json: cannot unmarshal into a map')]
  } catch {
    return [invalid(field, '<secret contents redacted>', 'invalid character in JSON')]
  }
}

function checkSecretContent({ type = 'Opaque', data = {} }: Secret): FieldError[] {
  return (secretKeys[type] ?? []).flatMap((key) => {
    const value = data[key]
    if (value === undefined) return [required(`data[${key}]`)]
    return type.startsWith('kubernetes.io/docker') ? checkJson(`data[${key}]`, value) : []
  })
}

const checkSecret: Check = ({ object, oldObject }) => {
  const secret = object as Secret
  const old = oldObject as Secret | undefined
  const entries = Object.entries(secret.data ?? {})
  const errors = entries.flatMap(([key]) => checkName(`data[${key}]`, key, explainDataKey))
  const bytes = entries.reduce((sum, [, value]) => sum + Buffer.byteLength(value, 'base64'), 0)
  if (bytes > maxSecretBytes) errors.push(tooLong('data', maxSecretBytes))
  if (old !== undefined && (old.type ?? 'Opaque') !== (secret.type ?? 'Opaque'))
    errors.push(invalid('type', secret.type ?? '', immutable))
  if (old?.immutable === true) errors.push(...checkFrozen(secret, old, ['data']))
  return [...errors, ...checkSecretContent(secret)]
}

function checkFrozen(now: Secret, old: Secret, fields: readonly string[]): FieldError[] {
  const why = 'field is immutable when `immutable` is set'
  return [
    ...(now.immutable === true ? [] : [forbidden('immutable', why)]),
    ...fields.filter((field) => !sameJson(now[field], old[field])).map((field) => forbidden(field, why)),
  ]
}

const checkConfigMap: Check = ({ object, oldObject }) => {
  const errors = ['data', 'binaryData'].flatMap((field) =>
    Object.keys(isRecord(object[field]) ? object[field] : {}).flatMap((key) =>
      checkName(`${field}[${key}]`, key, explainDataKey),
    ),
  )
  const sizes = ['data', 'binaryData'].flatMap((field) => Object.values(isRecord(object[field]) ? object[field] : {}))
  if (sizes.reduce<number>((sum, value) => sum + String(value).length, 0) > maxSecretBytes)
    errors.push(tooLong('[]', maxSecretBytes))
  const old = oldObject as Secret | undefined
  return old?.immutable === true ? [...errors, ...checkFrozen(object as Secret, old, ['data', 'binaryData'])] : errors
}

const checkLease: Check = ({ object }) => {
  const spec = isRecord(object['spec']) ? object['spec'] : {}
  const { leaseDurationSeconds: duration, leaseTransitions: transitions } = spec
  const errors: FieldError[] = []
  if (typeof duration === 'number' && duration <= 0)
    errors.push(invalid('spec.leaseDurationSeconds', duration, 'must be greater than 0'))
  if (typeof transitions === 'number' && transitions < 0)
    errors.push(invalid('spec.leaseTransitions', transitions, 'must be greater than or equal to 0'))
  return errors
}

/** How long a text of an event of the newer kind may be. */
const eventLimits: Readonly<Record<string, number>> = {
  reportingInstance: 128,
  action: 128,
  reason: 128,
  message: 1024,
}

function checkNewEvent(event: ApiObject, reporting: string): FieldError[] {
  const { message = event['note'] } = event
  const texts = { ...event, message }
  const missing = [reporting, 'reportingInstance', 'action', 'reason'].filter((field) => !event[field])
  const long = Object.entries(eventLimits).filter(
    ([field, limit]) => String(texts[field as 'kind'] ?? '').length > limit,
  )
  return [
    ...missing.map((field) => required(field)),
    ...long.map(([field, limit]) => invalid(field, '', `can have at most ${limit} characters`)),
  ]
}

function checkEventNamespace(event: ApiObject, isNew: boolean): FieldError[] {
  const regarding = event['involvedObject'] ?? event['regarding']
  const about = isRecord(regarding) && typeof regarding['namespace'] === 'string' ? regarding['namespace'] : ''
  const namespace = event.metadata.namespace ?? ''
  // Events about cluster-scoped objects live in a namespace all the same.
  const isRight =
    about === '' ? ['default', isNew ? 'kube-system' : ''].includes(namespace) : isNew || about === namespace
  return isRight ? [] : [invalid('involvedObject.namespace', about, 'does not match event.namespace')]
}

const checkEvent: Check = ({ resource, object, oldObject }) => {
  if (oldObject !== undefined) return []
  const isCore = resource.group === ''
  const isNew = object['eventTime'] !== undefined && object['eventTime'] !== null
  const errors = checkEventNamespace(object, isNew)
  if (isNew) return [...errors, ...checkNewEvent(object, isCore ? 'reportingComponent' : 'reportingController')]
  return isCore ? errors : [...errors, required('eventTime')]
}

const checks: Readonly<Record<string, Check>> = {
  Pod: checkPod,
  Node: checkNode,
  DaemonSet: checkWorkload,
  Deployment: checkWorkload,
  Secret: checkSecret,
  ConfigMap: checkConfigMap,
  Lease: checkLease,
  Event: checkEvent,
  DeviceClass: validateDeviceClass,
}

/** Everything wrong with an object of a built-in kind, below its metadata. */
export function validateBuiltIn(request: ValidationRequest): FieldError[] {
  return checks[request.resource.kind]?.(request) ?? []
}
