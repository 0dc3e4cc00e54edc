import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { findProgram } from '../../../src/sandbox/qemu/guest-base.ts'
import { type DebianKernel, provideKernel } from '../../../src/sandbox/qemu/kernels.ts'
import { buildSecureBootArguments, writeSecureBootFiles } from '../../../src/sandbox/qemu/secure-boot/boot-disk.ts'
import { trustOnly } from '../../../src/sandbox/qemu/secure-boot/firmware.ts'
import { trustedCertificate } from '../../conformance/kernel/images.ts'
import { kernel56 } from '../../scenario/cluster.ts'
import { testMachines } from '../machines.ts'

let folder = ''
let kernel: DebianKernel
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'kmm-firmware-'))
  kernel = await provideKernel(kernel56, testMachines())
})
afterAll(() => rm(folder, { recursive: true, force: true }))

const qemu = findProgram('qemu-system-x86_64', process.env['PATH'] ?? '') ?? ''
const firmware = trustOnly(trustedCertificate())
const drive = (unit: number, file: string, more = ''): string[] => [
  '-drive',
  `if=pflash,format=raw,unit=${unit},file=${file}${more}`,
]

/** Starts the firmware and waits for one of its words, or the kernel's, on the console. */
async function bootUntil(words: RegExp): Promise<string> {
  const argv = [
    ['-nodefaults', '-no-user-config', '-display', 'none', '-no-reboot', '-serial', 'stdio'],
    ['-M', 'q35,smm=on', '-accel', 'tcg', '-cpu', 'max', '-smp', '1', '-m', '384'],
    drive(0, firmware.code, ',readonly=on'),
    drive(1, join(folder, 'variables.fd')),
    buildSecureBootArguments(folder),
  ].flat()
  const child = spawn(qemu, argv, { stdio: ['ignore', 'pipe', 'inherit'] })
  const ended = once(child, 'exit')
  try {
    let said = ''
    for await (const chunk of child.stdout) {
      said += (chunk as Buffer).toString()
      if (words.test(said)) break
    }
    return said
  } finally {
    child.kill('SIGKILL')
    // Until then it has the variables locked for the next one.
    await ended
  }
}

async function writeFiles(): Promise<void> {
  await writeSecureBootFiles(folder, join(folder, 'variables.fd'), {
    vmlinuz: kernel.vmlinuz,
    initramfs: Buffer.alloc(0),
    commandLine: 'console=ttyS0 earlyprintk=ttyS0 panic=-1',
    certificate: firmware.trusts ?? '',
    template: firmware.variables,
  })
}

it('starts the kernel whose digest it trusts', async () => {
  await writeFiles()
  const said = await bootUntil(/Linux version .*\n|Access Denied/)
  expect(said).toContain('EFI stub: UEFI Secure Boot is enabled.')
  expect(said).toContain(`Linux version ${kernel56} `)
})

it('starts no other kernel, not even one that differs by a bit', async () => {
  await writeFiles()
  const file = join(folder, 'boot/KERNEL.EFI')
  const changed = await readFile(file)
  changed.writeUInt8(changed.readUInt8(changed.length >> 1) ^ 1, changed.length >> 1)
  await writeFile(file, changed)
  const said = await bootUntil(/Linux version|No bootable option/)
  expect(said).toContain('"Linux" from \\KERNEL.EFI: Access Denied')
  expect(said).not.toContain('Linux version')
})
