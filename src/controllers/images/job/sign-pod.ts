import { defaultDirName } from '../../../api/defaults.ts'
import type { Container, Pod, Volume } from 'kubernetes-types/core/v1.js'
import { jobNoPushAnnotation } from '../../../api/annotations.ts'
import type { Sign, TLSOptions } from '../../../api/module.ts'
import { KmmError } from '../../../errors/error.ts'
import { parseTarget } from './job-name.ts'
import { buildJobPod, type JobIntent, type JobPodParts, type JobSettings } from './job-pod.ts'

/** An attempt to sign an image. */
export interface SignIntent extends JobIntent {
  type: 'SignImage'
  /** The image to sign, by its digest, and how its registry may be reached. */
  source: { reference: string; tls: TLSOptions | undefined }
  /** False where it is only signed to see that it can be. */
  isPushed: boolean
}

const secretsFolder = '/run/secrets/kmm-sign'

const listTlsFlags = (side: 'from' | 'to', { insecure, insecureSkipTLSVerify }: TLSOptions = {}): string[] => [
  ...(insecure ? [`--${side}-insecure`] : []),
  ...(insecureSkipTLSVerify ? [`--${side}-skip-tls-verify`] : []),
]

function listArguments({ spec, source, architecture, isPushed }: SignIntent, { filesToSign = [] }: Sign): string[] {
  return [
    'image',
    'sign',
    '--from',
    source.reference,
    ...(isPushed ? ['--to', spec.image] : ['--no-push']),
    ...filesToSign.flatMap((path) => ['--file', path]),
    '--dir-name',
    spec.dirName || defaultDirName,
    ...(architecture === '' ? [] : ['--architecture', architecture]),
    ...listTlsFlags('from', source.tls),
    ...listTlsFlags('to', spec.registryTLS),
  ]
}

/** Signing needs nothing but files and the network. */
function getSecurityContext(): NonNullable<Container['securityContext']> {
  return {
    runAsNonRoot: true,
    runAsUser: 65_532,
    runAsGroup: 65_532,
    allowPrivilegeEscalation: false,
    readOnlyRootFilesystem: true,
    capabilities: { drop: ['ALL'] },
    seccompProfile: { type: 'RuntimeDefault' },
  }
}

/** Key and certificate in one volume: they may lie in one secret. */
function buildKeyVolume({ keySecret, certSecret }: Sign): Volume {
  const items = (keys: readonly string[], folder: string) => keys.map((key) => ({ key, path: `${folder}/${key}` }))
  return {
    name: 'signing-key',
    projected: {
      defaultMode: 0o444,
      sources: [
        { secret: { name: keySecret.name ?? '', items: items(['key'], 'key') } },
        { secret: { name: keySecret.name ?? '', optional: true, items: items(['passphrase'], 'key') } },
        { secret: { name: certSecret.name ?? '', items: items(['cert'], 'cert') } },
      ],
    },
  }
}

function buildParts(intent: SignIntent, sign: Sign, settings: JobSettings): JobPodParts {
  const key = buildKeyVolume(sign)
  return {
    image: settings.sign.image,
    args: listArguments(intent, sign),
    resources: settings.sign.resources,
    securityContext: getSecurityContext(),
    nodeSelector: { 'kubernetes.io/os': 'linux' },
    annotations: intent.isPushed ? {} : { [jobNoPushAnnotation]: 'true' },
    volumes: [key, { name: 'tmp', emptyDir: {} }],
    mounts: [
      { name: key.name, mountPath: secretsFolder, readOnly: true },
      { name: 'tmp', mountPath: '/tmp' },
    ],
  }
}

/** The pod of an attempt to sign: the worker's image with `image sign`. Throws ReferenceInvalid where the image's name is none to push to. */
export function buildSignPod(intent: SignIntent, settings: JobSettings, pullSecrets: readonly string[]): Pod {
  const { sign, image } = intent.spec
  if (sign === undefined) throw new KmmError(`image ${image} has no sign`, { code: 'Internal' })
  parseTarget(image)
  return buildJobPod(intent, settings, { pullSecrets, ...buildParts(intent, sign, settings) })
}
