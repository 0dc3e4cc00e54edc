import type { Container, Pod, Volume, VolumeMount } from 'kubernetes-types/core/v1.js'
import { dockerfileAnnotation, jobNoPushAnnotation } from '../../../api/annotations.ts'
import type { Build, TLSOptions } from '../../../api/module.ts'
import { KmmError } from '../../../errors/error.ts'
import { signedByLabel } from '../../../image/signed-label.ts'
import { listBuildArguments } from '../../../kernel/build-arguments.ts'
import { mountSecrets } from './build-secrets.ts'
import { parseTarget } from './job-name.ts'
import { buildJobPod, type JobIntent, type JobPodParts, type JobSettings } from './job-pod.ts'

/** An attempt to build an image. */
export interface BuildIntent extends JobIntent {
  type: 'BuildImage'
  /** Where the image goes, fully named; undefined where it is only built, to see that it can be. */
  target: string | undefined
  /** The Dockerfile's text. */
  dockerfile: string
}

const dockerfileFolder = '/workspace'
const hostModules = '/host/lib/modules'

function emptyFolder(name: string, mountPath: string): { volume: Volume; mount: VolumeMount } {
  return { volume: { name, emptyDir: {} }, mount: { name, mountPath } }
}

const listTlsFlags = (prefix: 'base' | 'to', { insecure, insecureSkipTLSVerify }: TLSOptions = {}): string[] => [
  ...(insecure ? [`--${prefix}-insecure`] : []),
  ...(insecureSkipTLSVerify ? [`--${prefix}-skip-tls-verify`] : []),
]

/**
 * What a build's container may do: run as nobody in particular, and make a user namespace with the ids of /etc/subuid, which is
 * what `buildah` needs for an image whose files belong to several users.
 */
export function buildSecurityContext(): NonNullable<Container['securityContext']> & {
  appArmorProfile: { type: string }
} {
  return {
    runAsUser: 1000,
    runAsGroup: 1000,
    runAsNonRoot: true,
    // newuidmap and newgidmap have these two as file capabilities; the builder itself has none.
    allowPrivilegeEscalation: true,
    readOnlyRootFilesystem: true,
    capabilities: { drop: ['ALL'], add: ['SETUID', 'SETGID'] },
    // A user namespace and the mounts in it are what the runtime's own profiles forbid.
    seccompProfile: { type: 'Unconfined' },
    appArmorProfile: { type: 'Unconfined' },
  }
}

function listArguments(intent: BuildIntent, build: Build, secretPaths: readonly string[]): string[] {
  const { spec, module, target } = intent
  const push = target === undefined ? ['--no-push'] : ['--to', target, ...listTlsFlags('to', spec.registryTLS)]
  const values = listBuildArguments(build.buildArgs ?? [], spec.kernelVersion, module)
  return [
    'image',
    'build',
    '--dockerfile',
    `${dockerfileFolder}/Dockerfile`,
    ...push,
    ...listTlsFlags('base', build.baseImageRegistryTLS),
    ...values.flatMap(({ name, value }) => ['--build-arg', `${name}=${value}`]),
    // A base image may be one that was signed: what is built on it is not.
    '--label',
    `${signedByLabel}=`,
    ...[hostModules, ...secretPaths].flatMap((path) => ['--volume', path]),
  ]
}

/** A build runs on the architecture that it is for, unless the Module says where to build: it may know how to cross-compile. */
function selectNodes({ architecture }: BuildIntent, { selector = {} }: Build): Record<string, string> {
  const isChosen = Object.keys(selector).length > 0 || architecture === ''
  return { 'kubernetes.io/os': 'linux', ...(isChosen ? {} : { 'kubernetes.io/arch': architecture }), ...selector }
}

function buildParts(intent: BuildIntent, build: Build, settings: JobSettings): JobPodParts {
  const dockerfile: Volume = {
    name: 'dockerfile',
    // Not the ConfigMap: by the time that the pod starts it may hold another text than the one that was hashed.
    downwardAPI: {
      items: [{ path: 'Dockerfile', fieldRef: { fieldPath: `metadata.annotations['${dockerfileAnnotation}']` } }],
    },
  }
  const modules: Volume = { name: 'lib-modules', hostPath: { path: '/lib/modules', type: 'Directory' } }
  const secrets = mountSecrets(build.secrets ?? [])
  const folders = [emptyFolder('tmp', '/tmp'), emptyFolder('containers', '/var/lib/containers')]
  return {
    image: settings.build.image,
    args: listArguments(
      intent,
      build,
      secrets.mounts.map(({ mountPath }) => mountPath),
    ),
    resources: settings.build.resources,
    securityContext: buildSecurityContext(),
    nodeSelector: selectNodes(intent, build),
    annotations: {
      [dockerfileAnnotation]: intent.dockerfile,
      ...(intent.target === undefined ? { [jobNoPushAnnotation]: 'true' } : {}),
    },
    volumes: [dockerfile, modules, ...secrets.volumes, ...folders.map(({ volume }) => volume)],
    mounts: [
      { name: dockerfile.name, mountPath: dockerfileFolder, readOnly: true },
      { name: modules.name, mountPath: hostModules, readOnly: true },
      ...secrets.mounts,
      ...folders.map(({ mount }) => mount),
    ],
  }
}

/**
 * The pod of an attempt to build (upstream: "Build" pods), with `buildah` in place of kaniko. Throws ConfigurationInvalid where
 * the operator has no builder image, ReferenceInvalid where the image's name is none to build for.
 */
export function buildBuildPod(intent: BuildIntent, settings: JobSettings, pullSecrets: readonly string[]): Pod {
  const { build } = intent.spec
  if (build === undefined) throw new KmmError(`image ${intent.spec.image} has no build`, { code: 'Internal' })
  requireBuilder(settings)
  if (intent.target !== undefined) parseTarget(intent.target)
  return buildJobPod(intent, settings, { pullSecrets, ...buildParts(intent, build, settings) })
}

/** Throws ConfigurationInvalid where the operator was given no builder image. */
export function requireBuilder({ build }: Pick<JobSettings, 'build'>): void {
  if (build.image !== '') return
  throw new KmmError(
    "the operator has no builder image: set job.build.image in the operator's configuration, or the environment variable RELATED_IMAGE_BUILD of the operator, and restart it",
    { code: 'ConfigurationInvalid', fate: 'terminal' },
  )
}
