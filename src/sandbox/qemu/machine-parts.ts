import { createHash } from 'node:crypto'
import { copyFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { makeDisk } from './disk-image.ts'
import { diskRole } from './guest-init.ts'
import { findProgram, fingerprint, provideGuestBase } from './guest-base.ts'
import { buildInitramfs } from './initramfs.ts'
import { type DebianKernel, provideKernel } from './kernels.ts'
import type { MachineOptions } from './machine-options.ts'
import { buildChannelArguments } from './qemu-process.ts'
import { describeMissing, runTool } from './run-tool.ts'
import { buildSecureBootArguments, writeSecureBootFiles } from './secure-boot/boot-disk.ts'

/** Everything that one start of a machine is made of. */
export interface MachineParts {
  kernel: DebianKernel
  initramfs: Buffer
  /** Read-only disks by serial number. */
  disks: readonly { serial: string; file: string }[]
}

const needed = ['qemu-system-x86_64', 'setpriv', 'mke2fs', 'depmod', 'busybox', 'xz']

/** Fails with `ConfigurationInvalid` and the names of what machines need and this computer does not have. */
export function requirePrograms(path: string): void {
  const missing = needed.filter((name) => findProgram(name, path) === undefined)
  if (missing.length > 0) throw describeMissing(missing)
}

/** Gets kernel and disks, from the cache where they are there. */
export async function prepareParts(options: MachineOptions, release: string): Promise<MachineParts> {
  requirePrograms(options.path)
  const kernel = await provideKernel(release, options)
  const base = await provideGuestBase(options.path, options)
  const initramfs = await buildInitramfs(kernel, base.busybox, options.agentProgram)
  const layers = [base.disk, ...(options.layers ?? [])].map((file, index) => ({
    serial: `${diskRole.layer}-${index}`,
    file,
  }))
  return { kernel, initramfs, disks: [...layers, { serial: diskRole.modules, file: kernel.modulesDisk }] }
}

/** Stands for everything that a saved machine depends on. */
export function hashParts(options: MachineOptions, parts: MachineParts): string {
  const { memoryMb, kernelParameters, firmware, type, dataMb, devices, saved } = options
  const files = [findProgram('qemu-system-x86_64', options.path) ?? '', ...parts.disks.map(({ file }) => file)]
  const firmwareFiles = firmware === undefined ? [] : [firmware.code, firmware.variables]
  const content = {
    files: [...files, ...firmwareFiles, parts.kernel.vmlinuz].map(fingerprint),
    initramfs: createHash('sha256').update(parts.initramfs).digest('hex'),
    settings: { memoryMb, kernelParameters, type, dataMb, devices, trusts: firmware?.trusts, key: saved?.key },
    arguments: buildArguments({ options: { ...options, hostForwards: [] }, parts, folder: '' }),
  }
  return createHash('sha256').update(JSON.stringify(content)).digest('hex').slice(0, 24)
}

/** The files of one machine below its folder. */
export const machineFiles = { data: 'data.img', initramfs: 'initramfs', variables: 'variables.fd' } as const

/** Puts into a machine's folder what it writes to: an empty data disk, and its firmware's variables. */
export async function makeWritableFiles({ dataMb = 1_024, firmware }: MachineOptions, folder: string): Promise<void> {
  await makeDisk(join(folder, machineFiles.data), { sizeMb: dataMb })
  if (firmware !== undefined) await copyFile(firmware.variables, join(folder, machineFiles.variables))
}

/** Copies what a machine writes to from one folder into another, holes as holes. */
export async function copyWritableFiles({ firmware }: MachineOptions, from: string, to: string): Promise<void> {
  const names = [machineFiles.data, ...(firmware === undefined ? [] : [machineFiles.variables])]
  const files = names.map((name) => join(from, name))
  await runTool('cp', ['--sparse=always', '--reflink=auto', ...files, to])
}

/** One start of QEMU. */
export interface Start {
  options: MachineOptions
  parts: MachineParts
  folder: string
}

/** QEMU's options are separated by commas; one in a value is doubled. */
const escapeValue = (value: string): string => value.replaceAll(',', ',,')

function buildDisk(serial: string, file: string, readOnly: boolean): string[] {
  const id = `disk-${serial}`
  const source = `file=${escapeValue(file)},format=raw,cache=unsafe${readOnly ? ',readonly=on' : ',discard=unmap'}`
  return ['-drive', `if=none,id=${id},${source}`, '-device', `virtio-blk-pci,drive=${id},serial=${serial}`]
}

function buildFirmware({ options: { firmware }, folder }: Start): string[] {
  if (firmware === undefined) return []
  const drive = (unit: number, file: string, more: string): string[] => [
    '-drive',
    `if=pflash,format=raw,unit=${unit},file=${escapeValue(file)}${more}`,
  ]
  return [...drive(0, firmware.code, ',readonly=on'), ...drive(1, join(folder, machineFiles.variables), '')]
}

/** Restarts by itself would go unnoticed: a panic ends QEMU. */
const baseParameters = ['console=ttyS0', 'loglevel=5', 'panic=-1', 'random.trust_cpu=on', 'mitigations=off']

const formatCommandLine = ({ kernelParameters = [] }: MachineOptions): string =>
  [...baseParameters, ...kernelParameters].join(' ')

const hasSecureBoot = ({ options: { firmware } }: Start): boolean => firmware?.trusts !== undefined

/** How the machine gets its kernel. */
function buildBoot(start: Start): string[] {
  const { options, parts, folder } = start
  if (hasSecureBoot(start)) return buildSecureBootArguments(folder)
  const kernel = options.firmware === undefined ? (parts.kernel.vmlinux ?? parts.kernel.vmlinuz) : parts.kernel.vmlinuz
  const initramfs = join(folder, machineFiles.initramfs)
  return ['-kernel', kernel, '-initrd', initramfs, '-append', formatCommandLine(options)]
}

/** The command line of QEMU. Two starts with equal parts differ at most in paths and forwarded ports. */
export function buildArguments(start: Start): string[] {
  const { options, parts, folder } = start
  const { memoryMb = 384, hostForwards = [], devices = [] } = options
  const type = options.type ?? (hasSecureBoot(start) ? 'q35,smm=on' : 'q35')
  const forwards = hostForwards.map(({ host, guest }) => `,hostfwd=tcp:127.0.0.1:${host}-:${guest}`).join('')
  return [
    ['-nodefaults', '-no-user-config', '-display', 'none', '-no-reboot'],
    ['-M', type, '-accel', 'tcg', '-cpu', 'max', '-smp', '1', '-m', String(memoryMb)],
    buildFirmware(start),
    buildBoot(start),
    ...parts.disks.map(({ serial, file }) => buildDisk(serial, file, true)),
    buildDisk(diskRole.data, join(folder, machineFiles.data), false),
    ['-netdev', `user,id=net${forwards}`, '-device', 'virtio-net-pci,netdev=net,romfile='],
    // A restored guest is told by this that it is another one, and so gets random numbers of its own.
    ['-device', 'vmgenid,guid=auto'],
    buildChannelArguments(),
    devices,
  ].flat()
}

/** Writes what is booted to where the command line, or the firmware, says that it is. */
export async function writeBootFiles({ options, parts, folder }: Start): Promise<void> {
  const { firmware } = options
  if (firmware?.trusts === undefined) return writeFile(join(folder, machineFiles.initramfs), parts.initramfs)
  await writeSecureBootFiles(folder, join(folder, machineFiles.variables), {
    vmlinuz: parts.kernel.vmlinuz,
    initramfs: parts.initramfs,
    commandLine: formatCommandLine(options),
    certificate: firmware.trusts,
    template: firmware.variables,
  })
}
