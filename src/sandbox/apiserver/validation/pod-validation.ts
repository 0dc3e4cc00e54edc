import type { Container, SecurityContext, Taint, Toleration } from 'kubernetes-types/core/v1.js'
import type { PodSpec, Volume } from '../admission/pod-shape.ts'
import { sameJson } from '../object.ts'
import { duplicate, type FieldError, forbidden, invalid, notFound, notSupported, required } from './field-error.ts'
import { checkName, explainLabel, explainSubdomain } from './names.ts'
import { checkContainerFields, checkSpecFields, checkVolumeNames } from './pod-fields.ts'

const pullPolicies = ['Always', 'IfNotPresent', 'Never']
const restartPolicies = ['Always', 'OnFailure', 'Never']
const dnsPolicies = ['ClusterFirst', 'ClusterFirstWithHostNet', 'Default', 'None']
const messagePolicies = ['File', 'FallbackToLogsOnError']
const hostPathTypes = [
  '',
  'BlockDevice',
  'CharDevice',
  'Directory',
  'DirectoryOrCreate',
  'File',
  'FileOrCreate',
  'Socket',
]
const taintEffects = ['NoSchedule', 'PreferNoSchedule', 'NoExecute']

function checkChoice(field: string, value: string | undefined, choices: readonly string[]): FieldError[] {
  if (value === undefined || value === '') return [required(field)]
  return choices.includes(value) ? [] : [notSupported(field, value, choices)]
}

/** A template may leave the reference to whoever makes pods of it. */
function checkImageVolume({ reference, pullPolicy }: NonNullable<Volume['image']>, field: string): FieldError[] {
  const isOfPod = field.startsWith('spec.volumes')
  return [
    ...(isOfPod && !reference ? [required(`${field}.reference`)] : []),
    ...checkChoice(`${field}.pullPolicy`, pullPolicy, pullPolicies),
  ]
}

function checkVolumeSource(volume: Volume, field: string): FieldError[] {
  const [, ...surplus] = Object.keys(volume).filter((key) => key !== 'name')
  const errors = surplus.map((key) => forbidden(`${field}.${key}`, 'may not specify more than 1 volume type'))
  const { hostPath, image } = volume
  if (surplus.length === 0) errors.push(...checkVolumeNames(volume, field))
  if (image !== undefined && surplus.length === 0) errors.push(...checkImageVolume(image, `${field}.image`))
  if (hostPath === undefined) return errors
  if (!hostPath.path) return [...errors, required(`${field}.hostPath.path`)]
  if (hostPath.path.split('/').includes('..'))
    errors.push(invalid(`${field}.hostPath.path`, hostPath.path, "must not contain '..'"))
  const { type = '' } = hostPath
  if (!hostPathTypes.includes(type)) errors.push(notSupported(`${field}.hostPath.type`, type, hostPathTypes))
  return errors
}

function checkVolumes(volumes: readonly Volume[], field: string): { names: Set<string>; errors: FieldError[] } {
  const names = new Set<string>()
  const errors = volumes.flatMap((volume, index) => {
    const at = `${field}[${index}]`
    const own = checkVolumeSource(volume, at)
    if (!volume.name) own.push(required(`${at}.name`))
    else own.push(...checkName(`${at}.name`, volume.name, explainLabel))
    if (names.has(volume.name)) own.push(duplicate(`${at}.name`, volume.name))
    if (own.length === 0) names.add(volume.name)
    return own
  })
  return { names, errors }
}

function checkMounts(container: Container, volumes: ReadonlySet<string>, field: string): FieldError[] {
  const paths = new Set<string>()
  return (container.volumeMounts ?? []).flatMap(({ name, mountPath }, index) => {
    const at = `${field}.volumeMounts[${index}]`
    const errors: FieldError[] = []
    if (!name) errors.push(required(`${at}.name`))
    if (!volumes.has(name)) errors.push(notFound(`${at}.name`, name))
    if (!mountPath) errors.push(required(`${at}.mountPath`))
    if (paths.has(mountPath)) errors.push(invalid(`${at}.mountPath`, mountPath, 'must be unique'))
    paths.add(mountPath)
    return errors
  })
}

function checkSecurityContext(context: SecurityContext | undefined, field: string): FieldError[] {
  if (context?.allowPrivilegeEscalation !== false) return []
  const errors: FieldError[] = []
  const because = 'cannot set `allowPrivilegeEscalation` to false and'
  if (context.privileged === true) errors.push(invalid(field, context, `${because} \`privileged\` to true`))
  if (context.capabilities?.add?.includes('CAP_SYS_ADMIN') === true)
    errors.push(invalid(field, context, `${because} \`capabilities.Add\` CAP_SYS_ADMIN`))
  return errors
}

function checkContainer(container: Container, volumes: ReadonlySet<string>, field: string): FieldError[] {
  const { name, image, terminationMessagePolicy, imagePullPolicy, env = [] } = container
  return [
    ...(name ? checkName(`${field}.name`, name, explainLabel) : [required(`${field}.name`)]),
    ...(image ? [] : [required(`${field}.image`)]),
    ...checkChoice(`${field}.terminationMessagePolicy`, terminationMessagePolicy, messagePolicies),
    ...env.flatMap((variable, index) => (variable.name ? [] : [required(`${field}.env[${index}].name`)])),
    ...checkMounts(container, volumes, field),
    ...checkChoice(`${field}.imagePullPolicy`, imagePullPolicy, pullPolicies),
    ...checkSecurityContext(container.securityContext, `${field}.securityContext`),
    ...checkContainerFields(container, field),
  ]
}

function checkContainers(
  list: readonly Container[],
  taken: readonly Container[],
  volumes: ReadonlySet<string>,
  field: string,
): FieldError[] {
  const names = new Set(taken.map((container) => container.name))
  return list.flatMap((container, index) => {
    const at = `${field}[${index}]`
    const errors = checkContainer(container, volumes, at)
    if (names.has(container.name)) errors.push(duplicate(`${at}.name`, container.name))
    names.add(container.name)
    return errors
  })
}

function checkTolerationOperator({ key, operator = '', value }: Toleration, field: string): FieldError[] {
  const errors: FieldError[] = []
  const matchAll = 'operator must be Exists when `key` is empty, which means "match all values and all keys"'
  if (!key && operator !== 'Exists') errors.push(invalid(field, operator, matchAll))
  if (operator === 'Exists' && value)
    errors.push(invalid(field, value, "value must be empty when `operator` is 'Exists'"))
  if (!['', 'Equal', 'Exists'].includes(operator)) errors.push(notSupported(field, operator, ['Equal', 'Exists']))
  return errors
}

function checkToleration(toleration: Toleration, field: string): FieldError[] {
  const { effect = '', tolerationSeconds } = toleration
  const errors = checkTolerationOperator(toleration, `${field}.operator`)
  if (tolerationSeconds !== undefined && effect !== 'NoExecute')
    errors.push(invalid(`${field}.effect`, effect, "effect must be 'NoExecute' when `tolerationSeconds` is set"))
  if (effect !== '') errors.push(...checkChoice(`${field}.effect`, effect, taintEffects))
  return errors
}

/** Everything wrong with a pod's spec, defaults filled in; `field` is its path. */
export function validatePodSpec(spec: PodSpec | undefined, field: string): FieldError[] {
  const { containers = [], initContainers = [], volumes = [], tolerations = [], serviceAccountName } = spec ?? {}
  const { names, errors } = checkVolumes(volumes, `${field}.volumes`)
  const containerErrors =
    containers.length === 0
      ? [required(`${field}.containers`)]
      : checkContainers(containers, [], names, `${field}.containers`)
  return [
    ...errors,
    ...containerErrors,
    ...checkContainers(initContainers, containers, names, `${field}.initContainers`),
    ...checkChoice(`${field}.restartPolicy`, spec?.restartPolicy, restartPolicies),
    ...checkChoice(`${field}.dnsPolicy`, spec?.dnsPolicy, dnsPolicies),
    ...(serviceAccountName ? checkName(`${field}.serviceAccountName`, serviceAccountName, explainSubdomain) : []),
    ...checkSpecFields(spec, field),
    ...tolerations.flatMap((toleration, index) => checkToleration(toleration, `${field}.tolerations[${index}]`)),
  ]
}

const updatable = [
  '`spec.containers[*].image`',
  '`spec.initContainers[*].image`',
  '`spec.activeDeadlineSeconds`',
  '`spec.tolerations` (only additions to existing tolerations)',
  '`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)',
].join(',')

function withoutImages(containers: readonly Container[] | undefined): unknown {
  return (containers ?? []).map(({ image: _image, ...rest }) => rest)
}

/** What no update may change; the selector of a pod that waits at a gate may be narrowed. */
function fixedPart(spec: PodSpec, old: PodSpec): unknown {
  const { containers, initContainers, activeDeadlineSeconds: _deadline, tolerations: _tolerations, ...others } = spec
  const { nodeSelector, affinity, schedulingGates: _gates, ...rest } = others
  const isGated = (old.schedulingGates ?? []).length > 0
  const isNarrowed = Object.entries(old.nodeSelector ?? {}).every(([key, value]) => nodeSelector?.[key] === value)
  const placing = isGated && isNarrowed ? {} : { nodeSelector, affinity }
  return { ...placing, ...rest, containers: withoutImages(containers), initContainers: withoutImages(initContainers) }
}

function checkGates(spec: PodSpec, old: PodSpec): FieldError[] {
  const known = (old.schedulingGates ?? []).map(({ name }) => name)
  return (spec.schedulingGates ?? []).flatMap(({ name }, index) => {
    if (known.includes(name)) return []
    const why = `only deletion is allowed, but found new scheduling gate '${name}'`
    return [forbidden(`spec.schedulingGates[${index}].name`, why)]
  })
}

function checkDeadline({ activeDeadlineSeconds: now }: PodSpec, { activeDeadlineSeconds: old }: PodSpec): FieldError[] {
  const isLater = now !== undefined && old !== undefined && now > old
  return isLater ? [invalid('spec.activeDeadlineSeconds', now, 'must be less than or equal to previous value')] : []
}

/** A toleration may gain or lose its seconds, nothing else. */
function isKept(old: Toleration, now: readonly Toleration[]): boolean {
  const { tolerationSeconds: _seconds, ...fixed } = old
  return now.some(({ tolerationSeconds: _now, ...rest }) => sameJson(rest, fixed))
}

/** What a change of a pod's spec may not do: nearly everything. The server adds a dump of the difference, which is left out. */
export function validatePodSpecUpdate(spec: PodSpec, old: PodSpec): FieldError[] {
  const changed = (['containers', 'initContainers'] as const).filter(
    (list) => (spec[list] ?? []).length !== (old[list] ?? []).length,
  )
  if (changed.length > 0)
    return changed.map((list) => forbidden(`spec.${list}`, 'pod updates may not add or remove containers'))
  const errors = [...checkGates(spec, old), ...checkDeadline(spec, old)]
  if (errors.length > 0) return errors
  if (!(old.tolerations ?? []).every((toleration) => isKept(toleration, spec.tolerations ?? [])))
    errors.push(forbidden('spec.tolerations', 'existing toleration can not be modified except its tolerationSeconds'))
  if (!sameJson(fixedPart(spec, old), fixedPart(old, old)))
    errors.push(forbidden('spec', `pod updates may not change fields other than ${updatable}`))
  return errors
}

const emptyName = 'name part must be non-empty'
const malformedName =
  "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric " +
  "character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')"

/** Everything wrong with the taints of a node. */
export function validateTaints(taints: readonly Taint[], field: string): FieldError[] {
  const seen = new Set<string>()
  return taints.flatMap((taint, index) => {
    const at = `${field}[${index}]`
    const errors = taint.key ? [] : [invalid(`${at}.key`, '', emptyName), invalid(`${at}.key`, '', malformedName)]
    errors.push(...checkChoice(`${at}.effect`, taint.effect, taintEffects))
    const identity = `${taint.key}:${taint.effect}`
    if (seen.has(identity)) {
      const error = duplicate(at, taint)
      errors.push({ ...error, message: `${error.message}: taints must be unique by key and effect pair` })
    }
    seen.add(identity)
    return errors
  })
}
