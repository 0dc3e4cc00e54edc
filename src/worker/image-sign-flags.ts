import { parseArgs } from 'node:util'
import { describeError, KmmError } from '../errors/error.ts'
import { isSignatureHash } from '../kmod/signature-key.ts'
import type { SignatureHash } from '../kmod/signature-cms.ts'
import type { RegistryTls } from '../oci/settings.ts'

/** What a sign pod was started for. */
export interface SignCommand {
  from: string
  /** Undefined where nothing is pushed: it is signed to see that it can be. */
  to: string | undefined
  fromTls: RegistryTls
  toTls: RegistryTls
  files: string[]
  dirName: string
  /** As image indexes name it; undefined for that of the node. */
  architecture: string | undefined
  hash: SignatureHash
}

const usage =
  'Usage: worker image sign --from IMAGE (--to IMAGE | --no-push) [--file PATH…] [--dir-name DIR] [--architecture A] [--hash sha256] [--from-insecure] [--from-skip-tls-verify] [--to-insecure] [--to-skip-tls-verify]'

const options = {
  from: { type: 'string' },
  to: { type: 'string' },
  'no-push': { type: 'boolean', default: false },
  file: { type: 'string', multiple: true },
  'dir-name': { type: 'string', default: '/opt' },
  architecture: { type: 'string' },
  hash: { type: 'string', default: 'sha256' },
  'from-insecure': { type: 'boolean', default: false },
  'from-skip-tls-verify': { type: 'boolean', default: false },
  'to-insecure': { type: 'boolean', default: false },
  'to-skip-tls-verify': { type: 'boolean', default: false },
} as const

const refuse = (what: string): KmmError =>
  new KmmError(`${what}. ${usage}`, { code: 'ConfigurationInvalid', fate: 'terminal' })

/** Parses what stands behind `worker image sign`. Throws ConfigurationInvalid, with the usage. */
export function parseSignCommand(argv: readonly string[]): SignCommand {
  const values = parseFlags(argv)
  const { from, to, file: files = [], hash } = values
  if (from === undefined) throw refuse('--from has to name an image')
  if ((to === undefined) !== values['no-push']) throw refuse('Either --to or --no-push has to be given')
  if (!isSignatureHash(hash)) throw refuse(`The hash ${JSON.stringify(hash)} is not known`)
  return {
    from,
    to,
    files,
    hash,
    dirName: values['dir-name'],
    architecture: values.architecture,
    fromTls: { insecure: values['from-insecure'], insecureSkipTLSVerify: values['from-skip-tls-verify'] },
    toTls: { insecure: values['to-insecure'], insecureSkipTLSVerify: values['to-skip-tls-verify'] },
  }
}

function parseFlags(argv: readonly string[]) {
  try {
    return parseArgs({ args: [...argv], options }).values
  } catch (error) {
    throw refuse(describeError(error))
  }
}
