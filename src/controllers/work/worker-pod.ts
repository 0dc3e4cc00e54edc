import type { Container, Pod, PodSpec, Volume, VolumeMount } from 'kubernetes-types/core/v1.js'
import {
  modulesOrderAnnotation,
  workerConfigAnnotation,
  workerHashAnnotation,
  workerImageSourceAnnotation,
  workerModuleVersionAnnotation,
  workerRegistryAnnotation,
  workerSparedAnnotation,
  workerTolerationsAnnotation,
} from '../../api/annotations.ts'
import { moduleNameLabel, moduleNamespaceLabel, workerActionLabel } from '../../api/labels.ts'
import type { ImageSource } from '../../api/operator-config.ts'
import { formatSoftdeps } from '../../kmod/softdep.ts'
import { formatSparedModules } from '../../kmod/spared-modules.ts'
import { buildImageVolume, imageFolder } from './image-volume.ts'
import {
  chooseImageSource,
  formatWorkerConfig,
  formatWorkerCredentials,
  formatWorkerTolerations,
  type WorkerIntent,
  workerCredentialsAnnotation,
} from './worker-intent.ts'

/** The operator's settings for worker pods (configuration key `worker`). */
export interface WorkerSettings {
  image: string
  runAsUser: number
  seLinuxType: string
  /** Where firmware is copied to on the node. */
  firmwareHostPath: string
  /** Host folder of the image cache. */
  cachePath: string
  /** Who fetches the images of modules that are loaded. */
  imageSource: ImageSource
  /** Text of the registry settings that the worker gets: mirrors, CA bundle, proxy. Empty for none. */
  registrySettings: string
}

/** Everything that the pod of one intent is made of. */
export interface WorkerPodInput {
  intent: WorkerIntent
  podName: string
  node: { name: string; uid: string }
  owner: { name: string; uid: string }
  hash: string
  /** Pull secrets in the pod's namespace: the Module's and those of the service account. */
  pullSecrets: readonly string[]
  settings: WorkerSettings
}

const configPath = '/etc/kmm-worker'
/** Where the worker looks for the cache, wherever the node has it. */
const cacheMountPath = '/var/lib/kmm/cache'

const usesImageVolume = ({ intent, settings }: WorkerPodInput): boolean =>
  chooseImageSource(intent, settings.imageSource) === 'volume'

function buildAnnotations(input: WorkerPodInput): Record<string, string> {
  const { intent, hash, settings } = input
  const tolerations = formatWorkerTolerations(intent.tolerations)
  const order = intent.config.modprobe.modulesLoadingOrder ?? []
  return {
    [workerConfigAnnotation]: formatWorkerConfig(intent.config),
    [workerHashAnnotation]: hash,
    [workerCredentialsAnnotation]: formatWorkerCredentials(intent),
    ...(usesImageVolume(input) ? { [workerImageSourceAnnotation]: 'volume' } : {}),
    ...(tolerations === '' ? {} : { [workerTolerationsAnnotation]: tolerations }),
    ...(intent.version === '' ? {} : { [workerModuleVersionAnnotation]: intent.version }),
    ...(intent.sparedModules.length === 0
      ? {}
      : { [workerSparedAnnotation]: formatSparedModules(intent.sparedModules) }),
    ...(settings.registrySettings === '' ? {} : { [workerRegistryAnnotation]: settings.registrySettings }),
    ...(intent.action === 'Load' && order.length > 0 ? { [modulesOrderAnnotation]: formatSoftdeps(order) } : {}),
  }
}

function annotationFile(path: string, annotation: string): { path: string; fieldRef: { fieldPath: string } } {
  return { path, fieldRef: { fieldPath: `metadata.annotations['${annotation}']` } }
}

/** One projected volume: files below a read-only mount cannot be the mount points of others. */
function buildConfigVolume(input: WorkerPodInput): Volume {
  // Who does not pull needs no credentials.
  const readSecrets = usesImageVolume(input) ? [] : input.pullSecrets
  const secretSources = readSecrets.flatMap((name, index) =>
    ['.dockerconfigjson', '.dockercfg'].map((key) => ({
      secret: { name, optional: true, items: [{ key, path: `pull-secrets/${index}/${key}` }] },
    })),
  )
  const items = [
    annotationFile('config.yaml', workerConfigAnnotation),
    annotationFile('registry.yaml', workerRegistryAnnotation),
    annotationFile('spared-modules', workerSparedAnnotation),
    { path: 'namespace', fieldRef: { fieldPath: 'metadata.namespace' } },
  ]
  return { name: 'config', projected: { sources: [{ downwardAPI: { items } }, ...secretSources] } }
}

interface Mounted {
  volume: Volume
  mounts: VolumeMount[]
}

/**
 * modprobe reads its files in the order of their names, `modules.softdep` of the image among them, and of two softdep lines for
 * a module the first one counts: the Module's must come first (upstream: `softdep.conf`, which an image's own lines hide).
 */
const softdepFile = 'kmm-softdep.conf'

function buildOptionalMounts(input: WorkerPodInput): Mounted[] {
  const { intent, settings } = input
  const mounted: Mounted[] = []
  if (usesImageVolume(input)) {
    const volume = buildImageVolume(intent.config)
    mounted.push({ volume, mounts: [{ name: volume.name, mountPath: imageFolder, readOnly: true }] })
  }
  if (intent.action === 'Load' && (intent.config.modprobe.modulesLoadingOrder ?? []).length > 0)
    mounted.push({
      volume: {
        name: 'modules-order',
        downwardAPI: { items: [annotationFile(softdepFile, modulesOrderAnnotation)] },
      },
      mounts: [{ name: 'modules-order', mountPath: '/etc/modprobe.d', readOnly: true }],
    })
  if (intent.config.modprobe.firmwarePath)
    mounted.push({
      volume: { name: 'lib-firmware', hostPath: { path: settings.firmwareHostPath, type: 'DirectoryOrCreate' } },
      mounts: [{ name: 'lib-firmware', mountPath: settings.firmwareHostPath }],
    })
  return mounted
}

function buildMounts(input: WorkerPodInput): Mounted[] {
  const { cachePath } = input.settings
  return [
    { volume: buildConfigVolume(input), mounts: [{ name: 'config', mountPath: configPath, readOnly: true }] },
    {
      volume: { name: 'lib-modules', hostPath: { path: '/lib/modules', type: 'Directory' } },
      mounts: [
        { name: 'lib-modules', mountPath: '/lib/modules', readOnly: true },
        { name: 'lib-modules', mountPath: '/host/lib/modules', readOnly: true },
      ],
    },
    { volume: { name: 'tmp', emptyDir: {} }, mounts: [{ name: 'tmp', mountPath: '/tmp' }] },
    {
      volume: { name: 'cache', hostPath: { path: cachePath, type: 'DirectoryOrCreate' } },
      mounts: [{ name: 'cache', mountPath: cacheMountPath }],
    },
    ...buildOptionalMounts(input),
  ]
}

/** Firmware needs a writable /sys, which only a privileged container has; everything else needs one capability. */
function buildSecurityContext({ intent, settings }: WorkerPodInput): NonNullable<Container['securityContext']> {
  const common = { runAsUser: settings.runAsUser, seLinuxOptions: { type: settings.seLinuxType } }
  if (intent.action === 'Load' && intent.config.modprobe.firmwarePath) return { ...common, privileged: true }
  return {
    ...common,
    allowPrivilegeEscalation: false,
    readOnlyRootFilesystem: true,
    capabilities: { add: ['SYS_MODULE'], drop: ['ALL'] },
  }
}

function buildArguments(input: WorkerPodInput): string[] {
  const { intent, settings } = input
  const image = usesImageVolume(input) ? ['--image-folder', imageFolder] : []
  const firmware = intent.config.modprobe.firmwarePath ? ['--firmware-path', settings.firmwareHostPath] : []
  return ['kmod', intent.action === 'Load' ? 'load' : 'unload', `${configPath}/config.yaml`, ...firmware, ...image]
}

function buildSpec(input: WorkerPodInput): PodSpec {
  const mounted = buildMounts(input)
  return {
    nodeName: input.node.name,
    restartPolicy: 'OnFailure',
    // The Module's account exists in the Module's namespace only.
    serviceAccountName:
      input.intent.podNamespace === input.intent.namespace ? input.intent.serviceAccountName : 'default',
    automountServiceAccountToken: false,
    // Whether the node may run it is the plan's decision alone.
    tolerations: [{ operator: 'Exists' }],
    ...(input.pullSecrets.length === 0 ? {} : { imagePullSecrets: input.pullSecrets.map((name) => ({ name })) }),
    volumes: mounted.map(({ volume }) => volume),
    containers: [
      {
        name: 'worker',
        image: input.settings.image,
        args: buildArguments(input),
        resources: { requests: { cpu: '100m', memory: '64Mi' }, limits: { cpu: '1', memory: '256Mi' } },
        securityContext: buildSecurityContext(input),
        volumeMounts: mounted.flatMap(({ mounts }) => mounts),
      },
    ],
  }
}

/** The worker pod of an intent (upstream: "Worker pods"); the worker itself extracts the image, and pulls it unless the kubelet does. */
export function buildWorkerPod(input: WorkerPodInput): Pod {
  const { intent, owner } = input
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      name: input.podName,
      namespace: intent.podNamespace,
      labels: {
        'app.kubernetes.io/name': 'kmm',
        'app.kubernetes.io/component': 'worker',
        'app.kubernetes.io/part-of': 'kmm',
        [moduleNameLabel]: intent.name,
        [moduleNamespaceLabel]: intent.namespace,
        [workerActionLabel]: intent.action,
      },
      annotations: buildAnnotations(input),
      ownerReferences: [
        {
          apiVersion: 'kmm.sigs.x-k8s.io/v1beta1',
          kind: 'NodeModulesConfig',
          name: owner.name,
          uid: owner.uid,
          controller: true,
          blockOwnerDeletion: true,
        },
      ],
    },
    spec: buildSpec(input),
  }
}
