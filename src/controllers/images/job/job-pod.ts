import type { Container, Pod, Volume, VolumeMount } from 'kubernetes-types/core/v1.js'
import {
  jobAttemptAnnotation,
  jobHashAnnotation,
  jobImageAnnotation,
  workerRegistryAnnotation,
} from '../../../api/annotations.ts'
import {
  appComponentLabel,
  appNameLabel,
  appPartOfLabel,
  moduleNameLabel,
  resourceTypeLabel,
  targetKernelLabel,
} from '../../../api/labels.ts'
import type { JobResources } from '../../../api/operator-config.ts'
import type { ModuleImagesConfig, ModuleImageSpec } from '../../../api/module-images-config.ts'
import type { ModuleIdentity } from '../../../kernel/variables.ts'
import { formatJobName, formatTargetKernel } from './job-name.ts'
import type { JobType } from './job.ts'

/** The operator's settings for build and sign pods. */
export interface JobSettings {
  /** The builder's image, empty where there is none. */
  build: { image: string; resources: JobResources }
  /** The worker's image. */
  sign: { image: string; resources: JobResources }
  /** Text of the registry settings that the pods get: mirrors, CA bundle, proxy. Empty for none. */
  registrySettings: string
}

/** What is common to all attempts at an image. */
export interface JobIntent {
  type: JobType
  config: ModuleImagesConfig
  spec: ModuleImageSpec
  /** The Module itself, also where the ModuleImagesConfig has another name. */
  module: ModuleIdentity
  /** Of everything that the attempt is made from. */
  hash: string
  /** From 1. */
  attempt: number
  /** Of the nodes that the image is for, as they name it (`amd64`); empty where nobody knows. */
  architecture: string
}

/** What the pod of one kind of job has of its own. */
export interface JobPodParts {
  image: string
  args: readonly string[]
  resources: JobResources
  securityContext: NonNullable<Container['securityContext']>
  nodeSelector: Readonly<Record<string, string>>
  annotations: Readonly<Record<string, string>>
  volumes: readonly Volume[]
  mounts: readonly VolumeMount[]
}

const settingsFolder = '/etc/kmm-worker'

function listLabels({ type, config, spec }: JobIntent): Record<string, string> {
  return {
    [appNameLabel]: 'kmm',
    [appPartOfLabel]: 'kmm',
    [appComponentLabel]: type,
    [moduleNameLabel]: config.metadata.name,
    [resourceTypeLabel]: type,
    [targetKernelLabel]: formatTargetKernel(spec.kernelVersion),
  }
}

function listAnnotations(intent: JobIntent, { registrySettings }: JobSettings): Record<string, string> {
  return {
    [jobHashAnnotation]: intent.hash,
    [jobImageAnnotation]: intent.spec.image,
    [jobAttemptAnnotation]: String(intent.attempt),
    ...(registrySettings === '' ? {} : { [workerRegistryAnnotation]: registrySettings }),
  }
}

/** What tells the program in the pod how to reach registries, laid out as worker pods have it. */
function buildSettingsVolume(pullSecrets: readonly string[]): Volume {
  const fieldPath = `metadata.annotations['${workerRegistryAnnotation}']`
  const items = [
    { path: 'registry.yaml', fieldRef: { fieldPath } },
    { path: 'namespace', fieldRef: { fieldPath: 'metadata.namespace' } },
  ]
  const secretSources = pullSecrets.flatMap((name, index) =>
    ['.dockerconfigjson', '.dockercfg'].map((key) => ({
      secret: { name, optional: true, items: [{ key, path: `pull-secrets/${index}/${key}` }] },
    })),
  )
  return { name: 'settings', projected: { sources: [{ downwardAPI: { items } }, ...secretSources] } }
}

/** The kubelet takes `$(NAME)` in arguments for a variable of the container, and `$$` for one dollar sign. */
const escapeArgument = (text: string): string => text.replaceAll('$', '$$$$')

function buildContainer(name: string, parts: JobPodParts): Container {
  return {
    name,
    image: parts.image,
    args: parts.args.map(escapeArgument),
    resources: parts.resources,
    securityContext: parts.securityContext,
    terminationMessagePolicy: 'FallbackToLogsOnError',
    volumeMounts: [{ name: 'settings', mountPath: settingsFolder, readOnly: true }, ...parts.mounts],
  }
}

/** A pod that makes an image: owned by the ModuleImagesConfig, run once, without a token for the API server. */
export function buildJobPod(
  intent: JobIntent,
  settings: JobSettings,
  parts: JobPodParts & { pullSecrets: readonly string[] },
): Pod {
  const { type, config, spec, hash, attempt } = intent
  const { name, namespace, uid = '' } = config.metadata
  const owner = { apiVersion: 'kmm.sigs.x-k8s.io/v1beta1', kind: 'ModuleImagesConfig', name, uid }
  const podName = formatJobName({
    type,
    config: name,
    kernelVersion: spec.kernelVersion,
    image: spec.image,
    hash,
    attempt,
  })
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      name: podName,
      namespace,
      labels: listLabels(intent),
      annotations: { ...listAnnotations(intent, settings), ...parts.annotations },
      ownerReferences: [{ ...owner, controller: true, blockOwnerDeletion: true }],
    },
    spec: {
      restartPolicy: 'Never',
      automountServiceAccountToken: false,
      nodeSelector: parts.nodeSelector,
      ...(config.spec?.tolerations?.length ? { tolerations: [...config.spec.tolerations] } : {}),
      ...(parts.pullSecrets.length === 0
        ? {}
        : { imagePullSecrets: parts.pullSecrets.map((each) => ({ name: each })) }),
      volumes: [buildSettingsVolume(parts.pullSecrets), ...parts.volumes],
      containers: [buildContainer(type === 'BuildImage' ? 'build' : 'sign', parts)],
    },
  }
}
