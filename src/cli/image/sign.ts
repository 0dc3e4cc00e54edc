import { Command } from 'commander'
import { KmmError } from '../../errors/error.ts'
import { signImage, type SignImageResult } from '../../image/sign-image.ts'
import { createModuleSigner, isSignatureHash, type ModuleSigner } from '../../kmod/signature-key.ts'
import { addCommonFlags, type CommonFlags, type ImageCommandOptions, readUserFile, withContext } from './context.ts'

interface SignFlags extends CommonFlags {
  to: string
  key: string
  cert: string
  files?: string[]
  dir: string
  passphraseFile?: string
  hash: string
}

/** `kmm image sign`: what a sign pod does, from a terminal. */
export function createSignCommand(options: ImageCommandOptions): Command {
  const command = new Command('sign')
    .description('sign the kernel modules in an image and push the result')
    .argument('<image>', 'the image with the unsigned modules, such as quay.io/kmods/demo:v1')
    .requiredOption('--to <image>', 'where the signed image goes')
    .requiredOption('--key <file>', 'private key, RSA or EC, PEM or DER')
    .requiredOption('--cert <file>', 'its certificate, PEM or DER')
    .option('--files <path...>', 'absolute paths and globs; without, all modules below the directory')
    .option('--dir <directory>', 'directory of the image that all files have to be in', '/opt')
    .option('--passphrase-file <file>', 'file with the passphrase of an encrypted key')
    .option('--hash <name>', 'sha256, sha384 or sha512', 'sha256')
  return addCommonFlags(command).action(async (image: string, flags: SignFlags) => {
    const signer = await readSigner(flags)
    const result = await withContext(options, flags, [image, flags.to], ({ place, platform, signal, log }) =>
      signImage({
        source: place(image),
        target: place(flags.to),
        platform,
        filesToSign: flags.files ?? [],
        dirName: flags.dir,
        workFolder: options.temporaryFolder,
        signer,
        log,
        signal,
      }),
    )
    const lines = flags.json === true ? [JSON.stringify(result)] : describeResult(result, flags.to)
    for (const line of lines) options.write(line)
  })
}

async function readSigner(flags: SignFlags): Promise<ModuleSigner> {
  const { hash, passphraseFile } = flags
  if (!isSignatureHash(hash))
    throw new KmmError(`the hash "${hash}" is not known: use sha256, sha384 or sha512`, {
      code: 'ConfigurationInvalid',
      fate: 'terminal',
    })
  const passphrase = passphraseFile === undefined ? undefined : (await readUserFile(passphraseFile)).toString('utf8')
  return createModuleSigner({
    key: await readUserFile(flags.key),
    certificate: await readUserFile(flags.cert),
    hash,
    ...(passphrase === undefined ? {} : { passphrase: passphrase.replace(/\r?\n$/, '') }),
  })
}

function describeResult({ files, digest }: SignImageResult, to: string): string[] {
  const words = { signed: 'signed', alreadySigned: 'signed already' } as const
  return [...files.map(({ path, outcome }) => `${path}: ${words[outcome]}`), `${to}: ${digest}`]
}
