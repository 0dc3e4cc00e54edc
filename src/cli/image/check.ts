import { Command } from 'commander'
import { type CheckFinding, checkImage, wouldLoad } from '../../image/check-image.ts'
import { inspectImage } from '../../image/inspect-image.ts'
import { cleanText } from '../../kmod/clean-text.ts'
import { parseSigningCertificate } from '../../kmod/signature-key.ts'
import { addCommonFlags, type CommonFlags, type ImageCommandOptions, readUserFile, withContext } from './context.ts'

interface CheckFlags extends CommonFlags {
  kernel: string
  module?: string
  dir: string
  firmware: string
  cert?: string
  requireSignature?: boolean
}

/** `kmm image check`: would it load there? Exit status 0 for yes, 1 for no. */
export function createCheckCommand(options: ImageCommandOptions): Command {
  const command = new Command('check')
    .description('tell whether the modules of an image would load on a kernel')
    .argument('<image>', 'such as quay.io/kmods/demo:v1')
    .requiredOption('--kernel <release>', 'what uname -r says on the node')
    .option('--module <name>', 'this module and what it needs; without, all that the image has for the kernel')
    .option('--dir <directory>', 'directory of the image with lib/modules in it', '/opt')
    .option('--firmware <directory>', 'directory of the image with firmware', '/firmware')
    .option('--cert <file>', 'certificate by whose key the modules have to be signed')
    .option('--require-signature', 'a module without signature does not pass')
    .addHelpText('after', '\nExit status: 0, it would load; 1, it would not, or the image could not be read.')
  return addCommonFlags(command).action(async (image: string, flags: CheckFlags) => {
    const findings = await check(options, image, flags)
    const passes = wouldLoad(findings)
    if (flags.json === true) options.write(JSON.stringify({ wouldLoad: passes, findings }))
    else options.write(describe(findings, flags.kernel, passes))
    process.exitCode = passes ? 0 : 1
  })
}

async function check(options: ImageCommandOptions, image: string, flags: CheckFlags): Promise<CheckFinding[]> {
  const { kernel, dir, cert } = flags
  const certificate = cert === undefined ? {} : { certificate: parseSigningCertificate(await readUserFile(cert)) }
  return withContext(options, flags, [image], async ({ place, platform, signal }) => {
    const inspected = await inspectImage({
      source: place(image),
      platform,
      dirName: dir,
      kernel,
      firmwarePath: flags.firmware,
      workFolder: options.temporaryFolder,
      signal,
      ...certificate,
    })
    const wish = {
      kernel,
      moduleName: flags.module,
      architecture: platform.architecture,
      dirName: dir,
      needsSignature: flags.requireSignature ?? false,
      mayBeLoaded: false,
    }
    return checkImage(inspected, wish, signal)
  })
}

const marks = { ok: 'ok     ', warning: 'warning', failed: 'FAILED ' } as const

function describe(findings: readonly CheckFinding[], kernel: string, passes: boolean): string {
  const lines = findings.map(({ verdict, message }) => `${marks[verdict]}  ${cleanText(message, 1000)}`)
  return [...lines, passes ? `It would load on ${kernel}.` : `It would not load on ${kernel}.`].join('\n')
}
