import type { BuildReason } from '../../image/build-report.ts'

/** What a builder was at when it failed. */
export type BuildPhase = 'build' | 'push'

/** What the words of a failure mean. */
export interface BuildFinding {
  reason: BuildReason
  /** What happened, why, and what to do. */
  message: string
  /** The image that the failure is about, as the builder names it, without a transport. */
  image?: string
}

/** What is known of a failure. */
interface Failure {
  phase: BuildPhase
  /** The builder's own last words, in one line. */
  said: string
  lines: readonly string[]
}

type Rule = (failure: Failure) => BuildFinding | undefined

const rights = [
  /error setting supplemental groups list: operation not permitted/,
  /writing ".*" to \/proc\/\d+\/[ug]id_map/,
  /during unshare\(/i,
  /user namespaces are not enabled/i,
  /error running subprocess: bind mounting /,
  /new[ug]idmap/,
  /cannot (?:set up|clone|re-exec|mount)/,
  /no subuid ranges|insufficient UIDs or GIDs|potentially insufficient/,
  /error determining current user/,
  /mounting .*(?:operation not permitted|permission denied)/i,
  /error (?:creating|remounting|bind mounting).*(?:operation not permitted|permission denied)/i,
  /XDG_RUNTIME_DIR directory .* is not owned by the current user/,
]

const advice =
  "use KMM's builder image with the security context that the operator gives its build pods; a policy of the cluster or of the node (seccomp, AppArmor, user.max_user_namespaces) may forbid user namespaces"

const findRights: Rule = ({ said, lines }) => {
  // The words of the step's own child come before those of the builder; what steps print themselves is far more.
  const words = [...lines.slice(-6), said].find((line) => rights.some((pattern) => pattern.test(line)))
  if (words === undefined) return undefined
  return {
    reason: 'BuilderUnavailable',
    message: `the builder may not do here what it has to: ${cut(words)}; ${advice}`,
  }
}

const findSpace: Rule = ({ said, lines }) => {
  const words = [said, ...lines.slice(-12)].find((line) => /no space left on device|disk quota exceeded/i.test(line))
  if (words === undefined) return undefined
  return {
    reason: 'OutOfSpace',
    message: `no space is left for the build: ${cut(words)}; free some on the node, or build on another by build.selector`,
  }
}

const findStep: Rule = ({ said, lines }) => {
  const [, step = '', why = ''] = /building at STEP "(.*?)": (.*)$/.exec(said) ?? []
  if (step === '' || isAboutImage(said)) return undefined
  const [, status] = /exit status (\d+)$/.exec(why) ?? []
  const name = cut(step, 300)
  if (status === undefined || !/^RUN\b/.test(step))
    return { reason: 'BuildFailed', message: `the step "${name}" of the Dockerfile failed: ${describeStep(why)}` }
  const last = findLastOutput(lines)
  const heard = last === undefined ? '' : `; its last words: ${cut(last, 300)}`
  return {
    reason: 'BuildFailed',
    message: `the step "${name}" of the Dockerfile ended with exit status ${status}${heard}`,
  }
}

/** Folders of the builder mean nothing to anybody. */
function describeStep(why: string): string {
  if (why.startsWith('Build error: Unknown instruction')) return cut(why.replace(/ &imagebuilder.*$/, ''))
  return cut(why.replace(/checking on sources under "[^"]*": copier: stat: /, 'nothing to copy: '))
}

const ofBuilder =
  /^(?:subprocess exited|Error: |time="|(?:\[\d+\/\d+\] )?STEP |Trying to pull |Getting image|Copying |Writing manifest|Storing sig)/

function findLastOutput(lines: readonly string[]): string | undefined {
  const last = lines.findLast((line) => !ofBuilder.test(line))
  return last?.replace(/(?:process exited with error: .*|subprocess exited with status \d+)$/, '')
}

const isAboutImage = (said: string): boolean => /docker:\/\/|pinging container registry|initializing source/.test(said)

const unreachable =
  /pinging container registry|dial tcp|no such host|connection re(?:fused|set)|i\/o timeout|TLS handshake|x509:|HTTP response to HTTPS client|unexpected EOF|: EOF|status(?: code)?:? 5\d\d|5\d\d (?:Internal|Bad|Service|Gateway)|received unexpected HTTP status|toomanyrequests|Too Many Requests|deadline exceeded|Client\.Timeout/i
const unauthorized =
  /unauthorized|authentication required|access to the resource is denied|: denied|denied:|forbidden|invalid username\/password|no basic auth credentials/i
const notFound = /manifest unknown|name unknown|not found|no image found in/i

const findImage: Rule = ({ phase, said }) => {
  if (phase === 'push' || !isAboutImage(said)) return undefined
  const image = /docker:\/\/([^\s"]+?)(?=[":\s]*(?:\s|$))/.exec(said)?.[1] ?? ''
  const name = image === '' ? 'the base image' : `the base image ${cut(image, 300)}`
  const what = { image, words: cut(said) }
  if (unauthorized.test(said))
    return {
      reason: 'RegistryUnauthorized',
      image,
      message: `the registry refuses ${name}: ${what.words}; give its credentials in imageRepoSecret or a pull secret of the service account`,
    }
  if (unreachable.test(said))
    return {
      reason: 'RegistryUnreachable',
      image,
      message: `the registry of ${name} cannot be asked: ${what.words}; check the name, and baseImageRegistryTLS where it speaks plain HTTP or has a certificate of its own`,
    }
  if (notFound.test(said))
    return {
      reason: 'ImageNotFound',
      image,
      message: `${name} is not in its registry: ${what.words}; correct FROM, or push it`,
    }
  return { reason: 'ImageInvalid', image, message: `${name} cannot be used: ${what.words}` }
}

const findDockerfile: Rule = ({ phase, said }) => {
  if (phase === 'push') return undefined
  if (/repository name must be lowercase|invalid reference format/.test(said))
    return { reason: 'ReferenceInvalid', message: `the Dockerfile names an image that is none: ${cut(said)}` }
  if (/no FROM statement found|no stages to build|parse error|unknown instruction|is not a valid/i.test(said))
    return {
      reason: 'BuildFailed',
      message: `the Dockerfile is not valid: ${cut(said)}; see its FROM and the build arguments that it uses`,
    }
  if (/no stage or image found with that name/.test(said))
    return { reason: 'ImageNotFound', message: `the Dockerfile copies from what is not there: ${cut(said)}` }
  return undefined
}

const findPush: Rule = ({ phase, said }) => {
  if (phase === 'build') return undefined
  const words = cut(said.replace(/^pushing image "[^"]*" to /, ''))
  if (unauthorized.test(said))
    return {
      reason: 'RegistryUnauthorized',
      message: `the registry refuses the push: ${words}; give credentials that may push in imageRepoSecret`,
    }
  if (unreachable.test(said))
    return {
      reason: 'RegistryUnreachable',
      message: `the registry cannot be pushed to: ${words}; check the name, and registryTLS where it speaks plain HTTP or has a certificate of its own`,
    }
  return { reason: 'ImageInvalid', message: `the registry does not take the image: ${words}` }
}

const rules: readonly Rule[] = [findSpace, findRights, findPush, findImage, findStep, findDockerfile]

/** What a failure of buildah (1.28 to 1.41) means, from what it printed last. */
export function findBuildFailure(phase: BuildPhase, lines: readonly string[]): BuildFinding {
  const failure: Failure = { phase, lines, said: findLastWords(lines) }
  for (const rule of rules) {
    const finding = rule(failure)
    if (finding !== undefined) return finding
  }
  const words = failure.said === '' ? 'it did not say why' : cut(failure.said)
  return { reason: phase === 'build' ? 'BuildFailed' : 'Unknown', message: `the builder failed: ${words}` }
}

/** The builder ends with `Error: …`, or with lines of its log. */
function findLastWords(lines: readonly string[]): string {
  const error = lines.findLast((line) => line.startsWith('Error: '))
  if (error !== undefined) return error.slice('Error: '.length)
  const logged = lines.findLast((line) => /level=(?:error|fatal) msg="(?!\(Unable)/.test(line))
  const message = /msg="(.*)"$/.exec(logged ?? '')?.[1]
  return message?.replaceAll('\\"', '"') ?? lines.at(-1) ?? ''
}

function cut(text: string, longest = 600): string {
  return text.length > longest ? `${text.slice(0, longest)}…` : text
}
