import { createHash } from 'node:crypto'
import type { DaemonSet, DaemonSetSpec } from 'kubernetes-types/apps/v1.js'
import type { Container, PodSpec, Volume } from 'kubernetes-types/core/v1.js'
import { nodeLabelerFinalizer } from '../../api/finalizers.ts'
import {
  getDevicePluginTargetLabel,
  getKernelModuleReadyNodeLabel,
  getSchedulePodVersionLabelName,
  moduleNameLabel,
  roleLabel,
} from '../../api/labels.ts'
import type { CommonContainerSpec, DevicePlugin, Module } from '../../api/module.ts'
import { defined } from '../cluster/defined.ts'
import type { PluginRole } from '../cluster/plugin-role.ts'
import { type RoleParts, roleParts } from './role-parts.ts'

/** Annotation of a DaemonSet: hash of what KMM asked for, so that a difference is told from what the API server added. */
export const specHashAnnotation = 'kmm.node.kubernetes.io/daemonset-hash'

/** The version of a Module that its pods belong to; empty without ordered upgrade. */
export const versionOf = (module: Module): string => module.spec?.moduleLoader?.container.version ?? ''

const hashOf = (value: unknown): string => createHash('sha256').update(JSON.stringify(value)).digest('hex')

/** The name of the service account that is made where the Module names none. */
export const madeServiceAccountName = (module: Module, role: PluginRole): string =>
  `${module.metadata.name ?? ''}-${roleParts[role].name}`

function buildLabels(module: Module, role: PluginRole): Record<string, string> {
  const { namespace, name } = module.metadata
  const version = versionOf(module)
  return {
    [moduleNameLabel]: name,
    [roleLabel]: role,
    ...(version === '' ? {} : { [getSchedulePodVersionLabelName(namespace, name)]: version }),
  }
}

function buildNodeSelector(module: Module, { needsTarget }: RoleParts): Record<string, string> {
  if (module.spec?.moduleLoader === undefined) return { ...module.spec?.selector }
  const { namespace, name } = module.metadata
  const version = versionOf(module)
  return {
    [getKernelModuleReadyNodeLabel(namespace, name)]: '',
    ...(needsTarget ? { [getDevicePluginTargetLabel(namespace, name)]: '' } : {}),
    ...(version === '' ? {} : { [getSchedulePodVersionLabelName(namespace, name)]: version }),
  }
}

const nonEmpty = <T>(list: readonly T[] | undefined): T[] | undefined =>
  list && list.length > 0 ? [...list] : undefined

type Preset = Pick<RoleParts, 'mounts' | 'env' | 'container'>

const noPreset: Preset = { mounts: [], env: [], container: {} }

function buildContainer(name: string, spec: CommonContainerSpec, preset: Preset): Container {
  const { image, command, args, env = [], imagePullPolicy, resources, volumeMounts = [] } = spec
  const optional = defined({
    command: nonEmpty(command),
    args: nonEmpty(args),
    env: nonEmpty([...preset.env, ...env]),
    imagePullPolicy: imagePullPolicy || undefined,
    resources,
    volumeMounts: nonEmpty([...preset.mounts, ...volumeMounts]),
  })
  return {
    name,
    image,
    ...(optional as Partial<Container>),
    securityContext: { privileged: true },
    ...preset.container,
  }
}

function buildContainers(
  { container, initContainer }: DevicePlugin,
  parts: RoleParts,
): Pick<PodSpec, 'containers' | 'initContainers'> {
  const init = initContainer && [buildContainer(`${parts.name}-init`, initContainer, noPreset)]
  return { containers: [buildContainer(parts.name, container, parts)], ...defined({ initContainers: init }) }
}

function buildPodSpec(module: Module, { role, plugin, serviceAccountName }: PluginOrder): PodSpec {
  const { tolerations, imageRepoSecret } = module.spec ?? {}
  const parts = roleParts[role]
  const secret = imageRepoSecret?.name
  const optional = defined({
    serviceAccountName: serviceAccountName || undefined,
    automountServiceAccountToken: plugin.automountServiceAccountToken,
    imagePullSecrets: secret ? [{ name: secret }] : undefined,
    tolerations: nonEmpty(tolerations),
  })
  return {
    priorityClassName: 'system-node-critical',
    nodeSelector: buildNodeSelector(module, parts),
    ...(optional as Partial<PodSpec>),
    ...buildContainers(plugin, parts),
    volumes: [...parts.volumes, ...((plugin.volumes ?? []) as Volume[])],
    ...parts.pod,
  }
}

function buildSpec(module: Module, order: PluginOrder): DaemonSetSpec {
  const labels = buildLabels(module, order.role)
  return {
    selector: { matchLabels: labels },
    template: {
      metadata: { labels, finalizers: [nodeLabelerFinalizer] },
      spec: buildPodSpec(module, order),
    },
  }
}

/** What a Module's DaemonSet is to run. */
export interface PluginOrder {
  role: PluginRole
  plugin: DevicePlugin
  /** Empty where none is named, as in what an upstream operator made. */
  serviceAccountName: string
}

/** The DaemonSet of a Module's device plugin or DRA driver (upstream: "Device plugin and DRA DaemonSets"). */
export function buildDaemonSet(module: Module, order: PluginOrder): DaemonSet {
  const { namespace, name, uid = '' } = module.metadata
  const spec = buildSpec(module, order)
  return {
    apiVersion: 'apps/v1',
    kind: 'DaemonSet',
    metadata: {
      namespace,
      name: `${name}-${roleParts[order.role].name}-${hashOf(versionOf(module)).slice(0, 5)}`,
      labels: buildLabels(module, order.role),
      annotations: { [specHashAnnotation]: hashOf(spec).slice(0, 16) },
      ownerReferences: [
        {
          apiVersion: 'kmm.sigs.x-k8s.io/v1beta1',
          kind: 'Module',
          name,
          uid,
          controller: true,
          blockOwnerDeletion: true,
        },
      ],
    },
    spec,
  }
}
