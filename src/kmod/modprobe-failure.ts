import type { ReportReason } from '../errors/reason.ts'
import { cleanText } from './clean-text.ts'
import type { ModprobeAction, ModprobeFailureInput } from './modprobe-failure-input.ts'
import { findFailureRule } from './modprobe-failure-rules.ts'

/** A failed modprobe in words of KMM. */
export interface ModprobeFailure {
  reason: ReportReason
  /** One line, at most some 900 characters: what happened, what to do, and modprobe's own words. */
  message: string
}

const longestLine = 1_000
const mostLines = 500
const longestQuote = 300

const doing: Record<ModprobeAction, string> = {
  load: 'could not load',
  unload: 'could not unload',
  removeInTree: 'could not remove the in-tree module',
}

/**
 * Finds the reason for a modprobe that failed (upstream: none, it showed the exit status only). Never throws. A failed removal of
 * in-tree modules is always `InTreeRemovalFailed`; its message says why.
 */
export function classifyModprobeFailure(input: ModprobeFailureInput): ModprobeFailure {
  const lines = { kernel: lastLines(input.kernelLog ?? ''), modprobe: lastLines(input.stderr) }
  const found = findFailureRule(lines, input)
  const reason = input.action === 'removeInTree' ? 'InTreeRemovalFailed' : (found?.reason ?? 'Unknown')
  const explanation =
    found?.explanation ?? 'it gave no reason that KMM knows; the log of the worker pod and of the kernel may say more'
  const name = cleanText(input.moduleName, 100)
  return { reason, message: `modprobe ${doing[input.action]} ${name}: ${explanation}.${quote(input, lines.modprobe)}` }
}

function quote({ stdout }: ModprobeFailureInput, stderrLines: readonly string[]): string {
  const said = stderrLines.findLast((line) => /FATAL|ERROR/.test(line)) ?? stderrLines.at(-1)
  const inserting = lastLines(stdout ?? '').findLast((line) => line.startsWith('insmod '))
  const file = inserting === undefined ? '' : ` It was inserting ${cleanText(inserting.slice('insmod '.length), 150)}.`
  return said === undefined ? file : `${file} It said: ${cleanText(said, longestQuote)}`
}

function lastLines(text: string): string[] {
  const lines = text.slice(-longestLine * mostLines).split('\n')
  return lines
    .slice(-mostLines)
    .map((line) => line.slice(0, longestLine).trim())
    .filter((line) => line !== '')
}
