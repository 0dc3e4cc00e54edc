import type { ImageStatus, ModuleImagesConfig, ModuleImagesConfigSpec } from '../../api/module-images-config.ts'
import type { PreflightModuleStatus } from '../../api/preflight-validation.ts'
import { nameImage } from '../cluster/image-standing.ts'
import { sameJson } from '../cluster/same-json.ts'
import type { ContentFact } from './content/observed.ts'
import { findAnswer, findImageStatus, findWish } from './content/wish.ts'
import type { CheckedModule } from './observed.ts'
import { goOn, isOfImage, judgeImage, refuse, succeed, type Verdict } from './verdict.ts'

/** What is known and wanted of one Module. */
export interface Judged {
  checked: CheckedModule
  /** What its ModuleImagesConfig is to ask for; undefined where there is no image to verify. */
  spec: ModuleImagesConfigSpec | undefined
  /** What stands in the status. */
  present: PreflightModuleStatus | undefined
  /** As the PreflightValidation writes it. */
  kernel: string
}

const stay = ({ verificationStatus, statusReason = '' }: PreflightModuleStatus): Verdict => ({
  result: verificationStatus,
  reason: statusReason,
})

/**
 * What was found before a restart holds until somebody has looked into the image again; where nobody can look, only what was found good.
 * What was said of something else holds for nothing.
 */
function isKept(present: PreflightModuleStatus, image: string, content: ContentFact | undefined): boolean {
  if (!isOfImage(present, image)) return false
  if (content === undefined) return true
  const isUnknown = content.result.kind === 'unknown' && !content.wasKnown
  return isUnknown && present.verificationStatus === 'Success'
}

/** The image is there, and nobody has seen what is in it. */
function judgeUnseenContent({ checked: { content }, present }: Judged, { image }: ImageStatus): Verdict {
  if (present !== undefined && isKept(present, image, content)) return stay(present)
  if (content?.result.kind !== 'unknown') return goOn(`${image} exists; its content is being looked into`)
  return goOn(`${image} exists, and its content could not be looked into: ${content.result.message}`)
}

function judgeContent(judged: Judged, config: ModuleImagesConfig, status: ImageStatus): Verdict {
  const { checked, kernel } = judged
  const wish = findWish(config, checked.module, kernel)
  // Those that the Go operator has seen have no digest yet.
  if (wish === undefined) return goOn()
  const result = findAnswer(checked.content, wish, config)?.result
  if (result === undefined || result.kind === 'unknown') return judgeUnseenContent(judged, status)
  if (result.kind === 'wrong') return refuse(nameImage(status.image, result.message))
  const said = status.message === undefined ? '' : `; ${status.message}`
  return succeed(`${nameImage(status.image, result.message)}${said}`)
}

/** True where the ModuleImagesConfig asks for just that. */
export const isAsked = ({ spec: present }: ModuleImagesConfig, spec: ModuleImagesConfigSpec): boolean =>
  // To push is never a matter of a default.
  sameJson(spec, present) && spec.pushBuiltImage === present?.pushBuiltImage

/** True where what is known of the image is what is asked for, though other things, such as tolerations, are asked anew. */
const isSameQuestion = ({ spec: present }: ModuleImagesConfig, { images, pushBuiltImage }: ModuleImagesConfigSpec) =>
  sameJson(images, present?.images) && pushBuiltImage === present?.pushBuiltImage

function judgeConfig(judged: Judged, spec: ModuleImagesConfigSpec): Verdict {
  const { config, refusal } = judged.checked
  const [image] = spec.images ?? []
  if (image === undefined) return goOn()
  if (config === undefined || !isSameQuestion(config, spec)) return goOn(refusal?.message)
  if (refusal !== undefined && !isAsked(config, spec)) return goOn(refusal.message)
  const status = findImageStatus(config)
  if (status === undefined) return goOn()
  return judgeImage(image, status, spec.pushBuiltImage === true) ?? judgeContent(judged, config, status)
}

/** Says what is known of one Module and a kernel. A Module that loads nothing has nothing that could be missing. */
export function judge(judged: Judged): Verdict {
  const { module, mapping } = judged.checked
  if (module.spec?.moduleLoader === undefined)
    return {
      result: 'Success',
      reason: 'no image to verify: the Module has no moduleLoader, so that nothing is loaded for it on any kernel',
    }
  switch (mapping.kind) {
    case 'invalid':
      return { result: 'Failure', reason: `mapping cannot be used: ${mapping.message}` }
    case 'none': {
      const advice = 'nodes with this kernel will not have the module; add an entry whose literal or regexp fits'
      return { result: 'Failure', reason: `mapping not found: no kernelMappings fit ${judged.kernel}: ${advice}` }
    }
    default:
      return judged.spec === undefined ? goOn() : judgeConfig(judged, judged.spec)
  }
}
