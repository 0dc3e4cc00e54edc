import { Command } from 'commander'
import { inspectImage, type InspectedImage, type InspectedKernel } from '../../image/inspect-image.ts'
import type { InspectedModule } from '../../image/inspect-module.ts'
import { cleanText } from '../../kmod/clean-text.ts'
import type { ModuleInfo } from '../../kmod/modinfo.ts'
import { formatTable } from '../table.ts'
import { addCommonFlags, type CommonFlags, type ImageCommandOptions, withContext } from './context.ts'

interface InspectFlags extends CommonFlags {
  dir: string
  firmware: string
}

/** `kmm image inspect`: what an image has for which kernel. */
export function createInspectCommand(options: ImageCommandOptions): Command {
  const command = new Command('inspect')
    .description('show the kernels, modules, signers and firmware of an image')
    .argument('<image>', 'such as quay.io/kmods/demo:v1')
    .option('--dir <directory>', 'directory of the image with lib/modules in it', '/opt')
    .option('--firmware <directory>', 'directory of the image with firmware', '/firmware')
  return addCommonFlags(command).action(async (image: string, flags: InspectFlags) => {
    const inspected = await withContext(options, flags, [image], ({ place, platform, signal }) =>
      inspectImage({
        source: place(image),
        platform,
        dirName: flags.dir,
        firmwarePath: flags.firmware,
        workFolder: options.temporaryFolder,
        signal,
      }),
    )
    options.write(flags.json === true ? JSON.stringify(toJson(inspected)) : describeImage(inspected, flags))
  })
}

const clean = (text: string | undefined): string => cleanText(text ?? '', 200)

function describeImage(image: InspectedImage, { dir, firmware }: InspectFlags): string {
  const head = [`Digest:     ${image.digest}`, `Signed by:  ${clean(image.signedBy) || 'nobody, by its label'}`]
  const kernels = image.kernels.map(describeKernel)
  const none = image.kernels.length === 0 ? [`\nNo kernel has modules in ${dir}/lib/modules.`] : []
  const files = image.firmware.map((file) => `  ${clean(file)}`)
  const listed = files.length === 0 ? [] : [`\nFirmware in ${firmware}:`, ...files]
  return [...head, ...kernels, ...none, ...listed].join('\n')
}

function describeKernel({ release, modules, dependencies, hasBinaryIndex }: InspectedKernel): string {
  const rows = modules.map((module) => ({
    cells: [
      module.name,
      clean(module.info?.version) || '-',
      clean(module.info?.vermagic),
      module.info?.depends.map(clean).join(',') || '-',
      describeSigner(module),
      module.info?.firmware.map(clean).join(',') || '-',
    ],
  }))
  const columns = ['Module', 'Version', 'Vermagic', 'Depends', 'Signer', 'Firmware']
  const table = formatTable({ columnDefinitions: columns.map((name) => ({ name })), rows })
  const problems = modules.flatMap(({ path, problem }) => (problem === undefined ? [] : [`${path}: ${clean(problem)}`]))
  const missing = dependencies === undefined ? 'modules.dep' : 'modules.dep.bin'
  const hasIndex = dependencies !== undefined && hasBinaryIndex
  const index = hasIndex
    ? []
    : [`There is no ${missing}: modprobe finds none of them. Run depmod at the end of the build.`]
  return [`\nKernel ${clean(release)}`, table, ...problems, ...index].join('\n')
}

function describeSigner({ signer }: InspectedModule): string {
  if (signer === undefined) return '-'
  return clean(signer.commonName) || clean(signer.serial) || 'unknown'
}

function toJson(image: InspectedImage): unknown {
  return {
    digest: image.digest,
    signedBy: image.signedBy ?? null,
    firmware: image.firmware,
    kernels: image.kernels.map(({ release, modules, dependencies, hasBinaryIndex }) => ({
      release,
      hasModulesDep: dependencies !== undefined,
      hasModulesDepBin: hasBinaryIndex,
      modules: modules.map(toModuleJson),
    })),
  }
}

function toModuleJson({ name, path, compression, info, problem, signer }: InspectedModule): unknown {
  return {
    name,
    path,
    compression,
    ...(info === undefined ? { problem } : toInfoJson(info)),
    signer: signer ?? null,
  }
}

function toInfoJson({
  version,
  srcversion,
  vermagic,
  architecture,
  depends,
  firmware,
}: ModuleInfo): Record<string, unknown> {
  return {
    version: version ?? null,
    srcversion: srcversion ?? null,
    vermagic: vermagic ?? null,
    architecture: architecture ?? null,
    depends,
    firmware,
  }
}
