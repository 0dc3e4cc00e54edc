import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { measureCpuMs } from '../../test/cpu-time.ts'
import { reportReasons } from '../errors/reason.ts'
import { classifyModprobeFailure } from './modprobe-failure.ts'
import type { ModprobeFailureInput } from './modprobe-failure-input.ts'

const couldNotInsert = (why: string): string => `modprobe: ERROR: could not insert 'kmm_demo': ${why}`
const ambiguous = couldNotInsert('Unknown symbol in module, or unknown parameter (see dmesg)')

type Case = [title: string, input: Partial<ModprobeFailureInput>, reason: string, words: string]

const cases: Case[] = [
  [
    'a module of another kernel',
    { stderr: couldNotInsert('Exec format error') },
    'KernelMismatch',
    'build the image for this kernel',
  ],
  [
    'the same in the words of insmod',
    { stderr: couldNotInsert('Invalid module format') },
    'KernelMismatch',
    'this kernel',
  ],
  [
    'a symbol version that differs, with the kernel log',
    {
      stderr: couldNotInsert('Exec format error'),
      kernelLog: '[  12.3] kmm_demo: disagrees about version of symbol module_layout\n',
    },
    'KernelMismatch',
    'the symbol module_layout differs',
  ],
  [
    'a version that differs although an unknown symbol follows',
    {
      stderr: ambiguous,
      kernelLog: 'kmm_demo: disagrees about version of symbol foo\nkmm_demo: Unknown symbol foo (err -22)\n',
    },
    'KernelMismatch',
    'the symbol foo differs',
  ],
  [
    'a version magic',
    {
      stderr: couldNotInsert('Exec format error'),
      kernelLog: "kmm_demo: version magic '5.0 SMP ' should be '6.1 SMP '",
    },
    'KernelMismatch',
    '"5.0 SMP", the node runs "6.1 SMP"',
  ],
  [
    'a key that is not trusted',
    { stderr: couldNotInsert('Key was rejected by service') },
    'SignatureRejected',
    'sign the module',
  ],
  [
    'a key that is missing',
    { stderr: couldNotInsert('Required key not available') },
    'SignatureRejected',
    'sign the module',
  ],
  [
    'an unsigned module',
    { stderr: couldNotInsert('Key was rejected by service'), kernelLog: 'Loading of unsigned module is rejected' },
    'SignatureRejected',
    'is not signed',
  ],
  [
    'a signature by an unknown key',
    {
      stderr: couldNotInsert('Key was rejected by service'),
      kernelLog: 'Loading of module with unavailable key is rejected',
    },
    'SignatureRejected',
    'rejects this one (unavailable key)',
  ],
  [
    'lockdown',
    {
      stderr: couldNotInsert('Operation not permitted'),
      kernelLog: 'Lockdown: modprobe: unsigned module loading is restricted; see man kernel_lockdown.7',
    },
    'SignatureRejected',
    'the node is locked down',
  ],
  [
    'a damaged signature',
    { stderr: couldNotInsert('Bad message') },
    'SignatureRejected',
    'the signature at the end of the file is damaged',
  ],
  [
    'a module for another processor',
    { stderr: couldNotInsert('Exec format error'), kernelLog: 'Invalid architecture in ELF header: 183' },
    'KernelMismatch',
    'another processor',
  ],
  [
    'a file that gzip has compressed',
    {
      stderr: couldNotInsert('Exec format error'),
      stdout: 'insmod /tmp/opt/lib/modules/6.1/kmm_demo.ko.gz \n',
    },
    'ImageInvalid',
    'compressed with gzip',
  ],
  [
    'a dependency whose file is not there',
    {
      stderr: `modprobe: ERROR: ../libkmod/libkmod-module.c:191 kmod_module_parse_depline() ctx=0x55c6057db320 path=/tmp/opt/lib/modules/6.1/kmm_demo_dep.ko error=No such file or directory\n${ambiguous}`,
      kernelLog: 'kmm_demo: Unknown symbol kmm_demo_dep_count_greeting (err -2)',
    },
    'ModuleNotInImage',
    'names the file /tmp/opt/lib/modules/6.1/kmm_demo_dep.ko, which the image does not have',
  ],
  [
    'a text that is longer than its parameter',
    { stderr: couldNotInsert('No space left on device'), hasParameters: true },
    'InvalidParameter',
    'longer than it may be',
  ],
  [
    'a module without an exit',
    {
      action: 'unload',
      stderr:
        "modprobe: ERROR: ../libkmod/libkmod-module.c:856 kmod_module_remove_module() could not remove 'x': Device or resource busy",
    },
    'ModuleInUse',
    'reboot the node',
  ],
  [
    'a module in use',
    { action: 'unload', stderr: 'modprobe: FATAL: Module kmm_demo_dep is in use by: kmm_demo' },
    'ModuleInUse',
    'kmm_demo_dep is in use by kmm_demo',
  ],
  [
    'a module in use by a program',
    { action: 'unload', stderr: 'modprobe: FATAL: Module kmm_demo is in use.' },
    'ModuleInUse',
    'is in use',
  ],
  [
    'a module in use by others, as sysfs says',
    { action: 'unload', stderr: 'modprobe: FATAL: Module kmm_demo_dep is in use.', holders: ['kmm_demo', 'x'] },
    'ModuleInUse',
    'kmm_demo_dep is in use by kmm_demo x; stop',
  ],
  [
    'a damaged file',
    { stderr: couldNotInsert('Exec format error'), kernelLog: '[    5.609933] Invalid ELF section header overflow' },
    'ImageInvalid',
    'is damaged',
  ],
  [
    'a module that is not in the tree of the host',
    { action: 'removeInTree', stderr: 'modprobe: FATAL: Module ext4 not found.' },
    'InTreeRemovalFailed',
    'the kernel of the node has no module ext4',
  ],
  [
    'a module that became busy',
    { action: 'unload', stderr: "modprobe: ERROR: could not remove 'kmm_demo': Resource temporarily unavailable" },
    'ModuleInUse',
    'it is in use',
  ],
  [
    'a module that is not in the image',
    { stderr: 'modprobe: FATAL: Module kmm_demo not found in directory /tmp/opt/lib/modules/6.1.0-56-amd64' },
    'ModuleNotInImage',
    'no module kmm_demo for this kernel',
  ],
  [
    'an image without modules.dep',
    {
      stderr:
        "modprobe: ERROR: could not open moddep file '/tmp/opt/lib/modules/6.1/modules.dep.bin'\nmodprobe: FATAL: Module kmm_demo not found in directory /tmp/opt/lib/modules/6.1",
    },
    'ModuleNotInImage',
    'run depmod',
  ],
  ['no right to load', { stderr: couldNotInsert('Operation not permitted') }, 'PermissionDenied', 'CAP_SYS_MODULE'],
  ['SELinux', { stderr: couldNotInsert('Permission denied') }, 'PermissionDenied', 'SELinux'],
  ['a blacklist', { stderr: couldNotInsert('Module is blacklisted') }, 'PermissionDenied', 'blacklist'],
  ['an unknown symbol or worse', { stderr: ambiguous }, 'UnknownSymbol', 'or a firmware file is missing'],
  [
    'an unknown symbol by name',
    { stderr: ambiguous, kernelLog: 'kmm_demo: Unknown symbol kmm_demo_dep_count_greeting (err -2)' },
    'UnknownSymbol',
    'the symbol kmm_demo_dep_count_greeting',
  ],
  [
    'a missing firmware file by the log',
    { stderr: ambiguous, kernelLog: 'platform kmm_demo_fw: firmware: failed to load kmm/demo.bin (-2)' },
    'FirmwareMissing',
    'the firmware file kmm/demo.bin',
  ],
  [
    'a missing firmware file by the log of other distributions',
    { stderr: ambiguous, kernelLog: 'platform x: Direct firmware load for kmm/demo.bin failed with error -2' },
    'FirmwareMissing',
    'the firmware file kmm/demo.bin',
  ],
  [
    'a missing firmware file by what the module declares',
    { stderr: ambiguous, missingFirmware: ['kmm/demo.bin'] },
    'FirmwareMissing',
    'kmm/demo.bin',
  ],
  ['a bad parameter', { stderr: couldNotInsert('Invalid argument') }, 'InvalidParameter', 'modprobe.parameters'],
  ['too large a parameter', { stderr: couldNotInsert('Numerical result out of range') }, 'InvalidParameter', 'range'],
  [
    'a bad parameter by name',
    { stderr: couldNotInsert('Invalid argument'), kernelLog: "kmm_demo: `abc' invalid for parameter `count'" },
    'InvalidParameter',
    'the value of parameter count',
  ],
  [
    'an invalid argument without parameters',
    { stderr: couldNotInsert('Invalid argument'), hasParameters: false },
    'Unknown',
    'no parameters',
  ],
  ['a name that is taken', { stderr: couldNotInsert('File exists') }, 'OtherVersionLoaded', 'is loaded already'],
  [
    'a name that is taken, in modprobe words',
    { stderr: couldNotInsert('Module already in kernel') },
    'OtherVersionLoaded',
    'inTreeModulesToRemove',
  ],
  [
    'a symbol that is taken',
    {
      stderr: couldNotInsert('Exec format error'),
      kernelLog: 'kmm_demo: exports duplicate symbol foo (owned by kmm_old)',
    },
    'OtherVersionLoaded',
    'the loaded module kmm_old has the same symbol foo',
  ],
  ['a full disk', { stderr: couldNotInsert('No space left on device') }, 'OutOfSpace', 'disk'],
  ['a full memory', { stderr: couldNotInsert('Cannot allocate memory') }, 'OutOfSpace', 'memory'],
  ['missing hardware', { stderr: couldNotInsert('No such device') }, 'Unknown', 'no device that it drives'],
  ['a device that is taken', { stderr: couldNotInsert('Device or resource busy') }, 'Unknown', 'another driver'],
  [
    'words that nobody knows',
    { stderr: couldNotInsert('Value too large for defined data type') },
    'Unknown',
    'Value too large',
  ],
  ['silence', { stderr: '' }, 'Unknown', 'it gave no reason'],
  [
    'an in-tree module in use',
    { action: 'removeInTree', stderr: 'modprobe: FATAL: Module mod_b is in use by: x' },
    'InTreeRemovalFailed',
    'mod_b is in use by x',
  ],
  [
    'a builtin module',
    { action: 'removeInTree', stderr: 'modprobe: FATAL: Module mod_b is builtin.' },
    'InTreeRemovalFailed',
    'mod_b is part of the kernel itself',
  ],
  [
    'a builtin module at unload',
    { action: 'unload', stderr: 'modprobe: FATAL: Module mod_b is builtin.' },
    'InTreeRemovalFailed',
    'part of the kernel',
  ],
]

describe('a modprobe that failed', () => {
  it.each(cases)('because of %s has its reason', (_title, input, reason, words) => {
    const failure = classifyModprobeFailure({ action: 'load', moduleName: 'kmm_demo', stderr: '', ...input })
    expect(failure.reason).toBe(reason)
    expect(failure.message).toContain(words)
  })

  it('quotes modprobe and names the file that was being inserted', () => {
    const { message } = classifyModprobeFailure({
      action: 'load',
      moduleName: 'kmm_demo',
      stdout: 'insmod /tmp/opt/lib/modules/6.1/kmm_demo_dep.ko \ninsmod /tmp/opt/lib/modules/6.1/kmm_demo.ko count=x\n',
      stderr: `modprobe: WARNING: something\n${couldNotInsert('Invalid argument')}\n`,
    })
    expect(message).toBe(
      "modprobe could not load kmm_demo: a parameter has a name or value that it does not accept; correct spec.moduleLoader.container.modprobe.parameters. It was inserting /tmp/opt/lib/modules/6.1/kmm_demo.ko count=x. It said: modprobe: ERROR: could not insert 'kmm_demo': Invalid argument",
    )
  })

  it('does not take a taint warning for a rejection', () => {
    const kernelLog = 'kmm_demo: module verification failed: signature and/or required key missing - tainting kernel'
    const failure = classifyModprobeFailure({
      action: 'load',
      moduleName: 'a',
      stderr: couldNotInsert('Invalid argument'),
      kernelLog,
    })
    expect(failure.reason).toBe('InvalidParameter')
  })

  it('always gives one bounded, printable line and a reason of the closed set', () => {
    const fragment = fc.constantFrom(
      'Module ',
      'x'.repeat(400),
      ' is in use by: ',
      'Unknown symbol ',
      ' (err',
      "version magic '",
      "' should be '",
      '\n',
      '\r',
      '\u001b[31m',
      '\0',
      'Exec format error',
      '$1',
      '$&',
      'firmware: failed to load ',
      ' not found in directory ',
    )
    const text = fc.array(fc.oneof(fragment, fc.string()), { maxLength: 30 }).map((parts) => parts.join(''))
    const action = fc.constantFrom('load' as const, 'unload' as const, 'removeInTree' as const)
    fc.assert(
      fc.property(action, text, text, text, (chosen, stderr, kernelLog, moduleName) => {
        const failure = classifyModprobeFailure({ action: chosen, moduleName, stderr, kernelLog, stdout: kernelLog })
        expect(reportReasons).toContain(failure.reason)
        expect(failure.message.length).toBeLessThan(1_400)
        // oxlint-disable-next-line no-control-regex -- none of them may be left
        expect(failure.message).not.toMatch(/[\u0000-\u001f\u007f]/)
      }),
      { numRuns: 1_000 },
    )
  })

  it('reads megabytes of output in a moment', async () => {
    const stderr = `${'Module '.repeat(500_000)}\n${'version magic '.repeat(100_000)}`
    const classify = (): void => {
      const failure = classifyModprobeFailure({ action: 'load', moduleName: 'a', stderr, kernelLog: stderr })
      expect(failure.reason).toBe('Unknown')
    }
    expect(await measureCpuMs(classify)).toBeLessThan(2_000)
  })
})
