import type { Container, EnvVar } from 'kubernetes-types/core/v1.js'
import { parseQuantity } from '../../../kube/quantity.ts'
import type { PodSpec, Volume } from '../admission/pod-shape.ts'
import { badRequest } from '../status-error.ts'
import { type FieldError, invalid, required } from './field-error.ts'
import { checkName, explainSubdomain } from './names.ts'

const mostSeconds = 2_147_483_647
const keyPattern = /^([a-z0-9]([-a-z0-9.]*[a-z0-9])?\/)?([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]$/
const keyRule =
  "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric " +
  "character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')"

const envRule = "a valid environment variable name must consist only of printable ASCII characters other than '='"

const fieldPaths = [
  'metadata.name',
  'metadata.namespace',
  'metadata.uid',
  'spec.nodeName',
  'spec.serviceAccountName',
  'status.hostIP',
  'status.hostIPs',
  'status.podIP',
  'status.podIPs',
]

const isDownwardPath = (path: string): boolean =>
  fieldPaths.includes(path) || /^metadata\.(labels|annotations)(\['.*'\])?$/.test(path)

function checkEnv(variable: EnvVar, field: string): FieldError[] {
  const { name, valueFrom } = variable
  const path = valueFrom?.fieldRef?.fieldPath
  const errors: FieldError[] = []
  if (name && !/^[ -<>-~]+$/.test(name)) errors.push(invalid(`${field}.name`, name, envRule))
  if (path !== undefined && !isDownwardPath(path)) {
    const why = `error converting fieldPath: field label not supported: ${path}`
    errors.push(invalid(`${field}.valueFrom.fieldRef.fieldPath`, path, why))
  }
  return errors
}

type Amounts = Readonly<Record<string, string | number>>

function checkAmounts(amounts: Amounts, limits: Amounts, field: string): FieldError[] {
  return Object.entries(amounts).flatMap(([name, amount]) => {
    const value = parseQuantity(amount) ?? 0
    const limit = limits[name]
    if (value < 0) return [invalid(`${field}[${name}]`, amount, 'must be greater than or equal to 0')]
    if (limit === undefined || value <= (parseQuantity(limit) ?? 0)) return []
    return [invalid(field, amount, `must be less than or equal to ${name} limit of ${limit}`)]
  })
}

function checkResources({ resources }: Container, field: string): FieldError[] {
  const limits = (resources?.limits ?? {}) as Amounts
  const requests = (resources?.requests ?? {}) as Amounts
  return [...checkAmounts(limits, {}, `${field}.limits`), ...checkAmounts(requests, limits, `${field}.requests`)]
}

function checkPorts({ ports = [] }: Container, field: string): FieldError[] {
  return ports.flatMap(({ containerPort }, index) => {
    if (containerPort >= 1 && containerPort <= 65_535) return []
    return [invalid(`${field}.ports[${index}].containerPort`, containerPort, 'must be between 1 and 65535, inclusive')]
  })
}

/** Everything wrong with the values of a container's fields, besides its names and choices. */
export function checkContainerFields(container: Container, field: string): FieldError[] {
  const { image = '', env = [], volumeMounts = [] } = container
  const spaces = 'must not have leading or trailing whitespace'
  return [
    ...(image === image.trim() ? [] : [invalid(`${field}.image`, image, spaces)]),
    ...checkPorts(container, field),
    ...env.flatMap((variable, index) => checkEnv(variable, `${field}.env[${index}]`)),
    ...volumeMounts.flatMap(({ subPath = '' }) =>
      subPath.split('/').includes('..')
        ? [invalid(`${field}.volumeMounts.subPath`, subPath, "must not contain '..'")]
        : [],
    ),
    ...checkResources(container, `${field}.resources`),
  ]
}

/** Everything wrong with the name in a volume's source. */
export function checkVolumeNames({ secret, configMap }: Volume, field: string): FieldError[] {
  if (secret !== undefined && !secret.secretName) return [required(`${field}.secret.secretName`)]
  if (configMap !== undefined && !configMap.name) return [required(`${field}.configMap.name`)]
  return []
}

function checkDeadline(seconds: number | undefined, field: string): FieldError[] {
  if (seconds === undefined || (seconds >= 1 && seconds <= mostSeconds)) return []
  return [invalid(field, seconds, `must be between 1 and ${mostSeconds}, inclusive`)]
}

/** Everything wrong with the plain fields of a pod's spec. */
export function checkSpecFields(spec: PodSpec | undefined, field: string): FieldError[] {
  const { nodeSelector = {}, nodeName, hostname } = spec ?? {}
  const errors = checkDeadline(spec?.activeDeadlineSeconds, `${field}.activeDeadlineSeconds`)
  for (const key of Object.keys(nodeSelector))
    if (!keyPattern.test(key)) errors.push(invalid(`${field}.nodeSelector`, key, keyRule))
  if (nodeName) errors.push(...checkName(`${field}.nodeName`, nodeName, explainSubdomain))
  if (hostname?.includes('.')) errors.push(invalid(`${field}.hostname`, hostname, 'must not contain dots'))
  return errors
}

/** Refuses a pod whose resources are no quantities: the server cannot read it. */
export function refuseBadQuantities(spec: PodSpec | undefined, kind: string, version: string): void {
  const amounts = [...(spec?.initContainers ?? []), ...(spec?.containers ?? [])].flatMap(({ resources }) =>
    [resources?.limits, resources?.requests].flatMap((each) => Object.values(each ?? {})),
  )
  if (amounts.every((amount) => parseQuantity(amount) !== undefined)) return
  throw badRequest(
    `${kind} in version ${JSON.stringify(version)} cannot be handled as a ${kind}: quantities must match the regular ` +
      "expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'",
  )
}
