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

/** Annotation of a DaemonSet: hash of what KMM asked for, so that a difference is told from what the API server added. */
export const specHashAnnotation = 'kmm.node.kubernetes.io/daemonset-hash'

const kubeletPlugins = '/var/lib/kubelet/device-plugins'

/** The version of a Module that its pods belong to; empty without ordered upgrade. */
export const versionOf = (module: Module): string => module.spec?.moduleLoader?.container.version ?? ''

const hashOf = (value: unknown): string => createHash('sha256').update(JSON.stringify(value)).digest('hex')

/** The name of the service account that is made where the Module names none. */
export const madeServiceAccountName = (module: Module): string => `${module.metadata.name ?? ''}-device-plugin`

function buildLabels(module: Module): Record<string, string> {
  const { namespace, name } = module.metadata
  const version = versionOf(module)
  return {
    [moduleNameLabel]: name,
    [roleLabel]: 'device-plugin',
    ...(version === '' ? {} : { [getSchedulePodVersionLabelName(namespace, name)]: version }),
  }
}

function buildNodeSelector(module: Module): Record<string, string> {
  if (module.spec?.moduleLoader === undefined) return { ...module.spec?.selector }
  const { namespace, name } = module.metadata
  const version = versionOf(module)
  return {
    [getKernelModuleReadyNodeLabel(namespace, name)]: '',
    [getDevicePluginTargetLabel(namespace, name)]: '',
    ...(version === '' ? {} : { [getSchedulePodVersionLabelName(namespace, name)]: version }),
  }
}

const nonEmpty = <T>(list: readonly T[] | undefined): T[] | undefined =>
  list && list.length > 0 ? [...list] : undefined

function buildContainer(
  name: string,
  spec: CommonContainerSpec,
  presetMounts: NonNullable<Container['volumeMounts']>,
): Container {
  const { image, command, args, env, imagePullPolicy, resources, volumeMounts = [] } = spec
  const optional = defined({
    command: nonEmpty(command),
    args: nonEmpty(args),
    env: nonEmpty(env),
    imagePullPolicy: imagePullPolicy || undefined,
    resources,
    volumeMounts: nonEmpty([...presetMounts, ...volumeMounts]),
  })
  return { name, image, ...(optional as Partial<Container>), securityContext: { privileged: true } }
}

function buildContainers({ container, initContainer }: DevicePlugin): Pick<PodSpec, 'containers' | 'initContainers'> {
  const mount = { name: 'kubelet-device-plugins', mountPath: kubeletPlugins }
  const init = initContainer && [buildContainer('device-plugin-init', initContainer, [])]
  return { containers: [buildContainer('device-plugin', container, [mount])], ...defined({ initContainers: init }) }
}

function buildPodSpec(module: Module, plugin: DevicePlugin, serviceAccountName: string): PodSpec {
  const { tolerations, imageRepoSecret } = module.spec ?? {}
  const secret = imageRepoSecret?.name
  const preset = { name: 'kubelet-device-plugins', hostPath: { path: kubeletPlugins, type: 'Directory' } }
  const optional = defined({
    serviceAccountName: serviceAccountName || undefined,
    automountServiceAccountToken: plugin.automountServiceAccountToken,
    imagePullSecrets: secret ? [{ name: secret }] : undefined,
    tolerations: nonEmpty(tolerations),
  })
  return {
    priorityClassName: 'system-node-critical',
    nodeSelector: buildNodeSelector(module),
    ...(optional as Partial<PodSpec>),
    ...buildContainers(plugin),
    volumes: [preset, ...((plugin.volumes ?? []) as Volume[])],
  }
}

function buildSpec(module: Module, plugin: DevicePlugin, serviceAccountName: string): DaemonSetSpec {
  const labels = buildLabels(module)
  return {
    selector: { matchLabels: labels },
    template: {
      metadata: { labels, finalizers: [nodeLabelerFinalizer] },
      spec: buildPodSpec(module, plugin, serviceAccountName),
    },
  }
}

/**
 * The DaemonSet of a Module's device plugin (upstream: "Device plugin and DRA DaemonSets"). An empty service account is left
 * out, as in what an upstream operator made.
 */
export function buildDaemonSet(module: Module, plugin: DevicePlugin, serviceAccountName: string): DaemonSet {
  const { namespace, name, uid = '' } = module.metadata
  const spec = buildSpec(module, plugin, serviceAccountName)
  return {
    apiVersion: 'apps/v1',
    kind: 'DaemonSet',
    metadata: {
      namespace,
      name: `${name}-device-plugin-${hashOf(versionOf(module)).slice(0, 5)}`,
      labels: buildLabels(module),
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
