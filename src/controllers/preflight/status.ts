import type { PreflightModuleStatus } from '../../api/preflight-validation.ts'
import { cleanText } from '../../kmod/clean-text.ts'
import { formatTime } from '../images/timing.ts'
import type { Verdict } from './verdict.ts'

const longestReason = 1_000
const shortReason = 160
/** What the reasons of all Modules may take: an object of the API server holds about a megabyte. */
const mostBytes = 600 * 1024

/** A Module's entry in the status; its time stays while the result stays. */
export function makeEntry(
  { namespace, name }: { namespace: string; name: string },
  { result, reason }: Verdict,
  present: PreflightModuleStatus | undefined,
  nowMs: number,
): PreflightModuleStatus {
  const isSame = present?.verificationStatus === result
  return {
    namespace,
    name,
    verificationStatus: result,
    verificationStage: result === 'InProgress' ? 'Image' : 'Done',
    statusReason: cleanText(reason, longestReason),
    lastTransitionTime: isSame ? present.lastTransitionTime : formatTime(nowMs),
  }
}

/** Shortens the reasons where all of them together would not fit into one object. */
export function fitEntries(entries: readonly PreflightModuleStatus[]): PreflightModuleStatus[] {
  if (Buffer.byteLength(JSON.stringify(entries)) <= mostBytes) return [...entries]
  return entries.map((entry) => ({ ...entry, statusReason: cleanText(entry.statusReason ?? '', shortReason) }))
}
