import { X509Certificate } from 'node:crypto'
import { copyFile, mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { authenticodeDigest } from './authenticode.ts'
import { makeSecureBootVariables } from './secure-boot.ts'

const folderName = 'boot'
const kernelName = 'KERNEL.EFI'
const initramfsName = 'INITRD.IMG'
/** When keys are said to have been enrolled: the same for all, so that equal machines have equal variables. */
const enrolledMs = Date.UTC(2024, 0, 1)

/** What a machine with Secure Boot boots, and whom it trusts. */
export interface SecureBootFiles {
  /** Path of the signed kernel, which is trusted as it is. */
  vmlinuz: string
  initramfs: Buffer
  commandLine: string
  /** PEM; the one key that the machine trusts. */
  certificate: string
  /** Path of a fresh OVMF_VARS_4M.fd. */
  template: string
}

/** Writes into a machine's folder what its firmware reads: kernel and first file system, and its variables, as `variables`. */
export async function writeSecureBootFiles(folder: string, variables: string, files: SecureBootFiles): Promise<void> {
  const { vmlinuz, initramfs, commandLine, certificate, template } = files
  const boot = join(folder, folderName)
  await mkdir(boot, { recursive: true })
  await copyFile(vmlinuz, join(boot, kernelName))
  await writeFile(join(boot, initramfsName), initramfs)
  const image = makeSecureBootVariables({
    template: await readFile(template),
    certificate: new X509Certificate(certificate).raw,
    programs: [authenticodeDigest(await readFile(vmlinuz))],
    boot: {
      description: 'Linux',
      path: `\\${kernelName}`,
      commandLine: `initrd=\\${initramfsName} ${commandLine}`,
    },
    nowMs: enrolledMs,
  })
  await writeFile(variables, image)
}

/**
 * QEMU's arguments for a machine whose firmware starts what `writeSecureBootFiles` has written. The kernel comes from a disk,
 * because QEMU's own `-kernel` changes the kernel's header, and so its digest, and the firmware then starts it unverified.
 * The flash can be written only by the firmware's own code (system management mode).
 */
export function buildSecureBootArguments(folder: string): string[] {
  const source = join(folder, folderName).replaceAll(',', ',,')
  return [
    ['-global', 'driver=cfi.pflash01,property=secure,value=on', '-global', 'ICH9-LPC.disable_s3=1'],
    ['-drive', `if=none,id=boot,format=raw,readonly=on,file=fat:${source}`, '-device', 'virtio-blk-pci,drive=boot'],
  ].flat()
}
