import type { Container } from 'kubernetes-types/core/v1.js'
import type { Json } from '../../../api/schema/schema.ts'
import { listContainers, type PodSpec, type PodTemplate, type Volume } from '../admission/pod-shape.ts'
import type { ApiObject } from '../object.ts'

const fileMode = 0o644
const daemonSetRolling = { maxUnavailable: 1, maxSurge: 0 }
const deploymentRolling = { maxUnavailable: '25%', maxSurge: '25%' }

/** What the server fills in for absent fields, whatever else the object says; by type and field. */
export const staticDefaults: Readonly<Record<string, Json>> = {
  'core.v1.PodSpec.dnsPolicy': 'ClusterFirst',
  'core.v1.PodSpec.restartPolicy': 'Always',
  'core.v1.PodSpec.securityContext': {},
  'core.v1.PodSpec.terminationGracePeriodSeconds': 30,
  'core.v1.PodSpec.schedulerName': 'default-scheduler',
  'core.v1.Container.terminationMessagePath': '/dev/termination-log',
  'core.v1.Container.terminationMessagePolicy': 'File',
  'core.v1.Container.resources': {},
  'core.v1.ContainerPort.protocol': 'TCP',
  'core.v1.ObjectFieldSelector.apiVersion': 'v1',
  'core.v1.Probe.timeoutSeconds': 1,
  'core.v1.Probe.periodSeconds': 10,
  'core.v1.Probe.successThreshold': 1,
  'core.v1.Probe.failureThreshold': 3,
  'core.v1.HTTPGetAction.path': '/',
  'core.v1.HTTPGetAction.scheme': 'HTTP',
  'core.v1.SecretVolumeSource.defaultMode': fileMode,
  'core.v1.ConfigMapVolumeSource.defaultMode': fileMode,
  'core.v1.DownwardAPIVolumeSource.defaultMode': fileMode,
  'core.v1.ProjectedVolumeSource.defaultMode': fileMode,
  'core.v1.ServiceAccountTokenProjection.expirationSeconds': 3600,
  'core.v1.HostPathVolumeSource.type': '',
  'core.v1.Secret.type': 'Opaque',
  'apps.v1.DaemonSetSpec.updateStrategy': { type: 'RollingUpdate' },
  'apps.v1.DaemonSetSpec.revisionHistoryLimit': 10,
  'apps.v1.DaemonSetUpdateStrategy.type': 'RollingUpdate',
  'apps.v1.RollingUpdateDaemonSet.maxUnavailable': 1,
  'apps.v1.RollingUpdateDaemonSet.maxSurge': 0,
  'apps.v1.DeploymentSpec.replicas': 1,
  'apps.v1.DeploymentSpec.strategy': { type: 'RollingUpdate' },
  'apps.v1.DeploymentSpec.revisionHistoryLimit': 10,
  'apps.v1.DeploymentSpec.progressDeadlineSeconds': 600,
  'apps.v1.DeploymentStrategy.type': 'RollingUpdate',
  'apps.v1.RollingUpdateDeployment.maxUnavailable': '25%',
  'apps.v1.RollingUpdateDeployment.maxSurge': '25%',
  'admissionregistration.v1.ValidatingWebhook.failurePolicy': 'Fail',
  'admissionregistration.v1.ValidatingWebhook.matchPolicy': 'Equivalent',
  'admissionregistration.v1.ValidatingWebhook.namespaceSelector': {},
  'admissionregistration.v1.ValidatingWebhook.objectSelector': {},
  'admissionregistration.v1.ValidatingWebhook.timeoutSeconds': 10,
  'admissionregistration.v1.RuleWithOperations.scope': '*',
  'admissionregistration.v1.ServiceReference.port': 443,
}

/** `Always` for `:latest` and for no tag at all, else `IfNotPresent`; a digest counts as a tag. */
function pullPolicyOf(image: string | undefined): string {
  const name = image?.slice(image.lastIndexOf('/') + 1) ?? ''
  if (name.includes('@')) return 'IfNotPresent'
  const tag = name.split(':')[1] ?? 'latest'
  return tag === 'latest' ? 'Always' : 'IfNotPresent'
}

function fillVolume(volume: Volume): void {
  if (Object.keys(volume).every((key) => key === 'name')) volume.emptyDir = {}
  if (volume.image !== undefined) volume.image.pullPolicy ||= pullPolicyOf(volume.image.reference)
}

/** What depends on other fields, in pods and in templates alike. */
function fillPodSpec(spec: PodSpec): void {
  const account = spec.serviceAccountName || spec.serviceAccount
  // Two names of one field, which the server keeps alike.
  if (account) Object.assign(spec, { serviceAccountName: account, serviceAccount: account })
  for (const container of listContainers(spec)) container.imagePullPolicy ||= pullPolicyOf(container.image)
  for (const volume of spec.volumes ?? []) fillVolume(volume)
}

function fillContainerOfPod({ resources, ports = [] }: Container, hostNetwork: boolean): void {
  if (resources?.limits !== undefined) resources.requests = { ...resources.limits, ...resources.requests }
  if (hostNetwork) for (const port of ports) port.hostPort ||= port.containerPort
}

function fillPod(object: ApiObject): void {
  const { spec } = object as PodTemplate
  if (spec === undefined) return
  fillPodSpec(spec)
  spec.enableServiceLinks ??= true
  for (const container of listContainers(spec)) fillContainerOfPod(container, spec.hostNetwork === true)
}

interface Strategy {
  type?: string
  rollingUpdate?: unknown
}

interface Workload extends ApiObject {
  spec?: { template?: PodTemplate; strategy?: Strategy; updateStrategy?: Strategy }
}

function fillWorkload(object: ApiObject, rollingUpdate: unknown): void {
  const { template, strategy, updateStrategy } = (object as Workload).spec ?? {}
  if (template?.spec !== undefined) fillPodSpec(template.spec)
  const chosen = strategy ?? updateStrategy
  if (chosen?.type === 'RollingUpdate') chosen.rollingUpdate ??= rollingUpdate
}

/** Fills in, after the static defaults, what depends on other fields; in place. */
export function fillDependentDefaults(object: ApiObject): void {
  if (object.kind === 'Pod') fillPod(object)
  else if (object.kind === 'DaemonSet') fillWorkload(object, { ...daemonSetRolling })
  else if (object.kind === 'Deployment') fillWorkload(object, { ...deploymentRolling })
}
