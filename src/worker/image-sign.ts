import { readFile } from 'node:fs/promises'
import { KmmError } from '../errors/error.ts'
import { signImage, trySigning } from '../image/sign-image.ts'
import { describeFailure, describeSigned, formatSignReport, type SignReport } from '../image/sign-report.ts'
import { cleanText } from '../kmod/clean-text.ts'
import { createModuleSigner, type ModuleSigner } from '../kmod/signature-key.ts'
import { parseReference } from '../oci/reference.ts'
import { createRegistry, type Registry } from '../oci/registry.ts'
import type { RegistryTls } from '../oci/settings.ts'
import { type Host, locate } from './host.ts'
import { parseSignCommand, type SignCommand } from './image-sign-flags.ts'
import { readCredentials, readSettings } from './inputs.ts'
import { writeTerminationLog } from './termination-log.ts'

/** Where the pod has the secrets: `key` with an optional `passphrase` beside it, and `cert`. */
const keyFolder = '/run/secrets/kmm-sign/key'
const certificateFolder = '/run/secrets/kmm-sign/cert'

/** What the sign program works with besides its arguments. */
export interface ImageSignOptions {
  host: Pick<Host, 'root' | 'architecture'>
  /** A folder for temporary files, below the host's root. */
  temporaryFolder: string
  /** Takes one line of the log, for people. */
  log: (line: string) => void
  signal: AbortSignal
}

/**
 * Signs an image's modules and writes a report; answers the exit status, 0 or 1. Needs no privileges: it reads one image from a
 * registry and writes another. Never rejects: what goes wrong is in the report and in the log.
 */
export async function runImageSign(argv: readonly string[], options: ImageSignOptions): Promise<number> {
  const log = (line: string): void => options.log(cleanText(line, 4000))
  let report: SignReport
  try {
    report = await sign(parseSignCommand(argv), { ...options, log })
  } catch (error) {
    report = describeFailure(explainStop(error, options.signal))
  }
  await writeTerminationLog(options.host, formatSignReport(report), log)
  log(`${report.outcome === 'ok' ? 'Done' : 'Failed'}: ${report.reason}: ${report.message}`)
  return report.outcome === 'ok' ? 0 : 1
}

async function sign(command: SignCommand, options: ImageSignOptions): Promise<SignReport> {
  const { host, log, signal } = options
  const signer = await readSigner(host, command)
  const open = await prepareClients(host, log)
  const [source, target] = [open(command.fromTls), open(command.toTls)]
  try {
    const work = {
      source: { registry: source, reference: parseReference(command.from) },
      platform: { os: 'linux', architecture: command.architecture ?? host.architecture },
      filesToSign: command.files,
      dirName: command.dirName,
      workFolder: locate(host, options.temporaryFolder),
      signer,
      log,
      signal,
    }
    const { to } = command
    const result =
      to === undefined
        ? await trySigning(work)
        : await signImage({ ...work, target: { registry: target, reference: parseReference(to) } })
    return describeSigned(result, signer.certificate.fingerprint)
  } finally {
    await Promise.all([source.close(), target.close()])
  }
}

async function readSigner(host: Pick<Host, 'root'>, { hash }: SignCommand): Promise<ModuleSigner> {
  const [key, certificate] = [
    await readSecret(host, keyFolder, 'key'),
    await readSecret(host, certificateFolder, 'cert'),
  ]
  const passphrase = await readFile(locate(host, `${keyFolder}/passphrase`), 'utf8').catch(() => undefined)
  // Files are often written with a line break at their end, which nobody means as a part of a passphrase.
  const given = passphrase === undefined ? {} : { passphrase: passphrase.replace(/\r?\n$/, '') }
  return createModuleSigner({ key, certificate, hash, ...given })
}

async function readSecret(host: Pick<Host, 'root'>, folder: string, name: 'key' | 'cert'): Promise<Buffer> {
  const field = name === 'key' ? 'keySecret' : 'certSecret'
  return readFile(locate(host, `${folder}/${name}`)).catch((error: unknown) => {
    throw new KmmError(`the secret of sign.${field} has no entry "${name}": put the ${name} there`, {
      code: 'SigningKeyInvalid',
      cause: error,
    })
  })
}

async function prepareClients(
  host: Pick<Host, 'root'>,
  log: (line: string) => void,
): Promise<(tls: RegistryTls) => Registry> {
  const settings = await readSettings(host)
  const credentials = await readCredentials(host, log)
  return (tls) => createRegistry({ settings, tls, credentials, userAgent: 'kmm-worker' })
}

function explainStop(error: unknown, signal: AbortSignal): unknown {
  if (!signal.aborted) return error
  return new KmmError('signing was stopped before it was done; it is tried again', {
    code: 'Aborted',
    cause: error,
  })
}
