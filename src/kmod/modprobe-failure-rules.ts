import type { ReportReason } from '../errors/reason.ts'
import { cleanText } from './clean-text.ts'
import type { ModprobeFailureInput } from './modprobe-failure-input.ts'

/** The lines that are searched, by who wrote them. */
export interface FailureLines {
  kernel: readonly string[]
  modprobe: readonly string[]
}

/** What a rule found. */
export interface FoundFailure {
  reason: ReportReason
  /** Follows "modprobe could not load x: "; without the full stop. */
  explanation: string
}

interface Rule {
  /** Whose words these are; `both` looks in the kernel's log first. */
  source: 'kernel' | 'modprobe' | 'both'
  pattern: RegExp
  explain: (words: readonly string[], input: ModprobeFailureInput) => FoundFailure | undefined
}

/** A rule whose explanation stands in the table as it is; `$1`, `$2` are what the pattern caught. */
function rule(source: Rule['source'], pattern: RegExp, reason: ReportReason, explanation: string): Rule {
  const explain = (words: readonly string[]): FoundFailure => ({
    reason,
    explanation: explanation.replaceAll(/\$([12])/g, (_, index: string) => cleanText(words[Number(index)] ?? '', 120)),
  })
  return { source, pattern, explain }
}

const rebuild = 'build the image for this kernel, or correct the mapping that names it'
const stopUsers = 'stop what uses it (device plugin, workloads, other modules), KMM then tries again'
const sign =
  'sign the module with a key that the node trusts (spec.moduleLoader.container.sign), or enrol the key on the node'

/**
 * From the exact to the vague: the first rule that finds its words decides. The kernel's words are those of Linux 5.4 to 6.x,
 * modprobe's those of kmod 27 to 34 and of busybox.
 */
const rules: readonly Rule[] = [
  rule(
    'kernel',
    /version magic '([^']*)' should be '([^']*)'/,
    'KernelMismatch',
    `the module was built for another kernel ("$1", the node runs "$2"); ${rebuild}`,
  ),
  rule(
    'kernel',
    /disagrees about version of symbol (\S+)/,
    'KernelMismatch',
    `the module was built for another kernel (the symbol $1 differs); ${rebuild}`,
  ),
  rule(
    'kernel',
    /no symbol version for|section size must match|Unknown rela? relocation|Invalid relocation target/i,
    'KernelMismatch',
    `the module was built for another kernel or with other options; ${rebuild}`,
  ),
  rule(
    'kernel',
    /Invalid architecture in ELF header/,
    'KernelMismatch',
    `the module was built for another processor; ${rebuild}`,
  ),
  rule(
    'kernel',
    /Invalid (?:module )?ELF|ELF header.*overflow|invalid ELF/,
    'ImageInvalid',
    'the module file in the image is damaged; build and push the image again',
  ),
  rule(
    'kernel',
    /module with (unavailable key|unsupported crypto) is rejected/,
    'SignatureRejected',
    `the node checks signatures and rejects this one ($1); ${sign}`,
  ),
  rule(
    'kernel',
    /unsigned module loading is restricted/,
    'SignatureRejected',
    `the node is locked down and loads only modules that are signed with a key that it trusts; ${sign}`,
  ),
  rule(
    'kernel',
    /unsigned module is rejected/i,
    'SignatureRejected',
    `the node loads signed modules only and this one is not signed; ${sign}`,
  ),
  rule(
    'kernel',
    /exports duplicate symbol (\S+) \(owned by (\S+)\)/,
    'OtherVersionLoaded',
    'the loaded module $2 has the same symbol $1; name it in inTreeModulesToRemove if it is the in-tree version, else unload it',
  ),
  rule(
    'kernel',
    /invalid for parameter [`']([^'\s]+)'/,
    'InvalidParameter',
    'the value of parameter $1 is not valid; correct spec.moduleLoader.container.modprobe.parameters',
  ),
  rule(
    'kernel',
    /too large for parameter [`']([^'\s]+)'/,
    'InvalidParameter',
    'the value of parameter $1 is too large; correct spec.moduleLoader.container.modprobe.parameters',
  ),
  rule(
    'modprobe',
    /kmod_module_parse_depline\(\).*path=(\S+) error=No such file/,
    'ModuleNotInImage',
    'modules.dep of the image names the file $1, which the image does not have; put it in, or run depmod again when the image is built',
  ),
  rule(
    'kernel',
    /Unknown symbol (\S+) \(err/,
    'UnknownSymbol',
    'it needs the symbol $1, which nothing on the node has; add the module that exports it to the image and run depmod there, or load it first with modulesLoadingOrder',
  ),
  rule(
    'kernel',
    /(?:firmware: failed to load|firmware load for) (\S+)/,
    'FirmwareMissing',
    'the firmware file $1 is not on the node; put it into the image below modprobe.firmwarePath, and see that the operator has worker.setFirmwareClassPath',
  ),
  rule(
    'modprobe',
    /Bad message/,
    'SignatureRejected',
    'the signature at the end of the file is damaged; sign the module again, and push the image again',
  ),
  rule(
    'modprobe',
    /Key was rejected by service|Required key not available|Package not installed/,
    'SignatureRejected',
    `the node does not accept its signature; ${sign}`,
  ),
  {
    source: 'modprobe',
    pattern: /Exec format error|Invalid module format|wrong symbol version/,
    explain: explainFormat,
  },
  { source: 'modprobe', pattern: /Module (\S+) is in use(?: by:? (.*))?/, explain: explainInUse },
  rule(
    'modprobe',
    /Module (\S+) is builtin/,
    'InTreeRemovalFailed',
    '$1 is part of the kernel itself and cannot be removed; boot a kernel without it',
  ),
  rule(
    'both',
    /Module (\S+) is blacklisted|Module is blacklisted/i,
    'PermissionDenied',
    'the node has it on its blacklist (modprobe.d, or module_blacklist on the kernel command line)',
  ),
  rule(
    'modprobe',
    /could not open moddep file|modules\.dep(?:\.bin)?\b.*No such file/,
    'ModuleNotInImage',
    'the image has no modules.dep for this kernel below its dirName; run depmod when the image is built, and check dirName',
  ),
  { source: 'modprobe', pattern: /[Mm]odule (\S+) not found/, explain: explainNotFound },
  rule(
    'modprobe',
    /Operation not permitted|Permission denied/,
    'PermissionDenied',
    'the node does not let the worker do it; see that the pod has CAP_SYS_MODULE, and look for kernel.modules_disabled, lockdown and SELinux on the node',
  ),
  { source: 'modprobe', pattern: /No space left on device|Disk quota exceeded/, explain: explainNoSpace },
  rule(
    'modprobe',
    /Cannot allocate memory|Out of memory/,
    'OutOfSpace',
    'the kernel of the node has no memory left for it; free some, or give the node more',
  ),
  { source: 'modprobe', pattern: /Unknown symbol in module|unknown symbol in module/, explain: explainUnknownSymbol },
  rule(
    'modprobe',
    /Numerical result out of range/,
    'InvalidParameter',
    'the value of a parameter is out of range; correct spec.moduleLoader.container.modprobe.parameters',
  ),
  {
    source: 'modprobe',
    pattern: /unknown parameter|invalid parameter|Invalid argument/i,
    explain: explainInvalidArgument,
  },
  rule(
    'modprobe',
    /File exists|[Mm]odule already in kernel/,
    'OtherVersionLoaded',
    'a module of this name is loaded already; name it in inTreeModulesToRemove if it is the in-tree version, else unload it on the node',
  ),
  { source: 'modprobe', pattern: /Device or resource busy|Resource temporarily unavailable/, explain: explainBusy },
  rule(
    'modprobe',
    /No such device/,
    'Unknown',
    'the module found no device that it drives; check spec.selector, and the hardware of the node',
  ),
]

/** The first rule whose words stand in the lines, with its explanation; undefined when none knows them. */
export function findFailureRule(lines: FailureLines, input: ModprobeFailureInput): FoundFailure | undefined {
  for (const { source, pattern, explain } of rules) {
    const searched = source === 'both' ? [...lines.kernel, ...lines.modprobe] : lines[source]
    const line = searched.findLast((candidate) => pattern.test(candidate))
    const found = line === undefined ? undefined : explain(pattern.exec(line) ?? [], input)
    if (found !== undefined) return found
  }
  return undefined
}

/** Debian's modprobe hands a file that gzip has compressed to the kernel as it is. */
function explainFormat(_words: readonly string[], { stdout = '' }: ModprobeFailureInput): FoundFailure {
  const inserting = stdout.split('\n').findLast((line) => line.startsWith('insmod '))
  if (inserting !== undefined && /\.ko\.gz(?:\s|$)/.test(inserting))
    return {
      reason: 'ImageInvalid',
      explanation:
        'the module file is compressed with gzip, which the modprobe of the worker cannot read; compress it with xz or zstd, or not at all, and run depmod again when the image is built',
    }
  return { reason: 'KernelMismatch', explanation: `the file is not a module for the node's kernel; ${rebuild}` }
}

/** The kernel has these words, too, for a text that is longer than the parameter that is to hold it. */
function explainNoSpace(_words: readonly string[], { action, hasParameters }: ModprobeFailureInput): FoundFailure {
  if (action === 'load' && hasParameters === true)
    return {
      reason: 'InvalidParameter',
      explanation:
        'a parameter is longer than it may be, or the module found no space for what it needs; correct spec.moduleLoader.container.modprobe.parameters',
    }
  return { reason: 'OutOfSpace', explanation: 'the node has no space left; free some on its disk' }
}

function explainNotFound(words: readonly string[], { action }: ModprobeFailureInput): FoundFailure {
  const name = cleanText((words[1] ?? '').replace(/\.$/, ''), 100)
  const explanation =
    action === 'removeInTree'
      ? `the kernel of the node has no module ${name} in its /lib/modules; take it out of inTreeModulesToRemove`
      : `there is no module ${name} for this kernel in the image; check moduleName, dirName and that depmod ran when the image was built`
  return { reason: 'ModuleNotInImage', explanation }
}

function explainInUse(words: readonly string[], input: ModprobeFailureInput): FoundFailure {
  const users = words[2] ?? input.holders?.join(' ') ?? ''
  const by = users === '' ? '' : ` by ${cleanText(users, 200)}`
  const name = (words[1] ?? 'it').replace(/\.$/, '')
  return { reason: 'ModuleInUse', explanation: `${cleanText(name, 100)} is in use${by}; ${stopUsers}` }
}

/** modprobe has the same words for a missing symbol and for whatever else the kernel calls "no such file". */
function explainUnknownSymbol(_words: readonly string[], { missingFirmware = [] }: ModprobeFailureInput): FoundFailure {
  if (missingFirmware.length > 0) {
    const files = cleanText(missingFirmware.slice(0, 3).join(', '), 200)
    return {
      reason: 'FirmwareMissing',
      explanation: `the node lacks firmware that it asks for (${files}); put it into the image below modprobe.firmwarePath, and see that the operator has worker.setFirmwareClassPath`,
    }
  }
  return {
    reason: 'UnknownSymbol',
    explanation:
      'it needs a symbol that nothing on the node has, or a firmware file is missing; the kernel log of the node names it. Add the module that exports it to the image and run depmod there, or load it first with modulesLoadingOrder',
  }
}

function explainInvalidArgument(_words: readonly string[], { hasParameters }: ModprobeFailureInput): FoundFailure {
  if (hasParameters !== false) {
    return {
      reason: 'InvalidParameter',
      explanation:
        'a parameter has a name or value that it does not accept; correct spec.moduleLoader.container.modprobe.parameters',
    }
  }
  return {
    reason: 'Unknown',
    explanation:
      'it refused to start with "invalid argument" and gets no parameters from the Module; the kernel log of the node may say why',
  }
}

/** On removal the kernel says "busy" of a module that cannot be removed at all, and "unavailable" of one that is in use. */
function explainBusy(words: readonly string[], input: ModprobeFailureInput): FoundFailure {
  if (input.action === 'load') {
    return {
      reason: 'Unknown',
      explanation:
        'another driver holds a device or resource that it needs; remove that driver first (inTreeModulesToRemove)',
    }
  }
  if (words[0] === 'Device or resource busy')
    return {
      reason: 'ModuleInUse',
      explanation: 'it has no way out of the kernel, or is still starting; reboot the node to be rid of it',
    }
  return explainInUse([], input)
}
