import type { Reason } from '../../errors/reason.ts'
import { cleanText } from '../../kmod/clean-text.ts'
import type { Worker } from './worker.ts'

/** What the kubelet says of a container that does not start. */
export interface WaitingWords {
  reason: string
  message: string
}

interface Rule {
  words: RegExp
  reason: Reason
  advice: string
}

const mostWords = 700

const unauthorized: Rule = {
  words:
    /unauthori[sz]ed|denied|forbidden|may require authorization|authorization failed|no basic auth|authentication required|\b40[13]\b/i,
  reason: 'RegistryUnauthorized',
  advice:
    'give the kubelet credentials: in the Module (imageRepoSecret), in its service account (imagePullSecrets), or on the node',
}

const noSpace: Rule = {
  words: /no space left|disk quota/i,
  reason: 'OutOfSpace',
  advice: "free space on the node's disk for images",
}

/** How kubelets and container runtimes word a pull that failed; the first rule that fits counts. */
const pullRules: readonly Rule[] = [
  unauthorized,
  {
    words:
      /no such host|dial tcp|connection re(fused|set)|timeout|timed out|deadline exceeded|unreachable|x509|certificate|tls:|HTTP response to HTTPS|registry is unavailable|RegistryUnavailable|too many requests|\b(429|50[0234])\b|\bEOF\b/i,
    reason: 'RegistryUnreachable',
    advice:
      "see that the node's container runtime reaches the registry: its mirrors, proxy and certificates count, not the Module's registryTLS",
  },
  noSpace,
  {
    words: /no match for platform|signature|mediatype|media type|mismatch|failed to extract|unexpected commit|invalid/i,
    reason: 'ImageInvalid',
    advice: "build the image again for this node's architecture, and push it",
  },
  {
    words: /not found|manifest.unknown|name.unknown|does not exist|no such manifest|\b404\b/i,
    reason: 'ImageNotFound',
    advice: 'push the image, or correct containerImage of the Module',
  },
]

const notPresent: Omit<Rule, 'words'> = {
  reason: 'ImageNotFound',
  advice: 'the pull policy is Never: bring the image onto the node, or change imagePullPolicy of the Module',
}

const badName: Omit<Rule, 'words'> = {
  reason: 'ImageInvalid',
  advice: 'correct containerImage of the Module',
}

const unknown: Omit<Rule, 'words'> = {
  reason: 'Unknown',
  advice: 'kubectl describe pod tells more',
}

const unsupported: Omit<Rule, 'words'> = {
  reason: 'ImageVolumeUnsupported',
  advice:
    "see that the node's kubelet and container runtime support image volumes (containerd 2.1, CRI-O 1.31 or later), or set worker.imageSource to worker in the operator's configuration, which works everywhere",
}

/** The image's own name in the kubelet's words; runtimes may write the registry that is implied before it. */
const isAbout = (image: string, message: string): boolean =>
  image !== '' && (message.includes(`"${image}"`) || message.includes(`/${image}"`))

/** Runtimes that know no image volumes see a mount without a source; others name the mount that failed. */
const mountWords = /image.?volume|kmod-image|(mkdir|stat) ""|host.?path is (empty|required)/i

/** Names of images and registries may hold any word: only what is said about them tells. */
const dropNames = (message: string, image: string): string =>
  message
    .replaceAll(image, '')
    .replaceAll(/"[^"]*"/g, '')
    .replaceAll(/\S+@sha256:\S+/g, '')

/** What the kubelet's reasons are about: fetching the image, its name, or making the container. */
const subjects: Readonly<Record<string, 'pull' | 'presence' | 'name' | 'container'>> = {
  ErrImagePull: 'pull',
  ImagePullBackOff: 'pull',
  RegistryUnavailable: 'pull',
  SignatureValidationFailed: 'pull',
  ImageInspectError: 'pull',
  ErrImageNeverPull: 'presence',
  InvalidImageName: 'name',
  CreateContainerError: 'container',
  CreateContainerConfigError: 'container',
  RunContainerError: 'container',
}

const chooseMountRule = (message: string): Omit<Rule, 'words'> => (noSpace.words.test(message) ? noSpace : unsupported)

function chooseRule({ reason, message }: WaitingWords, image: string): Omit<Rule, 'words'> | undefined {
  switch (subjects[reason]) {
    case 'pull':
      return pullRules.find(({ words }) => words.test(`${reason} ${dropNames(message, image)}`)) ?? unknown
    case 'presence':
      return notPresent
    case 'name':
      return badName
    case 'container':
      return mountWords.test(message) ? chooseMountRule(message) : undefined
    default:
      return undefined
  }
}

/**
 * Why the kubelet cannot give a worker its kmod image, in the words of the closed set; undefined for what has nothing to do
 * with it, the worker's own image among that. The kubelet fetches volumes before it looks at the container's image.
 */
export function describeVolumeFailure(
  { imageSource, image, intent }: Pick<Worker, 'imageSource' | 'image' | 'intent'>,
  words: WaitingWords,
): { reason: Reason; message: string } | undefined {
  if (imageSource !== 'volume' || isAbout(image, words.message)) return undefined
  const rule = chooseRule(words, intent.config.containerImage)
  if (rule === undefined) return undefined
  const said = cleanText(`${words.reason} ${words.message}`.trim(), mostWords)
  const what = `the kubelet cannot mount the image ${intent.config.containerImage}`
  return { reason: rule.reason, message: `${what}: ${rule.advice} (${said})` }
}

/** What is over when the container of a worker whose image is mounted runs. */
export const overOnceMounted: ReadonlySet<string> = new Set<Reason>([
  'ImageNotFound',
  'RegistryUnauthorized',
  'RegistryUnreachable',
  'ImageInvalid',
  'OutOfSpace',
  'Unknown',
  'ImageVolumeUnsupported',
])

/** What to add about a pod that does not start for a long time and says nothing: older kubelets wait for ever. */
export const pendingVolumeAdvice = `if its events say that no volume plugin matched: ${unsupported.advice}`
