import { defaultDirName } from '../../../api/defaults.ts'
import type { ModuleImageSpec } from '../../../api/module-images-config.ts'
import type { Sign } from '../../../api/module.ts'
import { KmmError } from '../../../errors/error.ts'
import { parseFileWishes } from '../../../image/file-wish.ts'
import { parseSigningCertificate, type SigningCertificate } from '../../../kmod/signature-key.ts'
import type { RegistryTools } from '../read-credentials.ts'
import { checkSigningKey } from './check-key.ts'
import { hashParts } from './hash-parts.ts'
import type { JobSources } from './job-sources.ts'
import type { SignInputs } from './job.ts'
import { type NamedObject, readEntry, readSecret } from './read-object.ts'

type ReadTools = Pick<RegistryTools, 'client' | 'signal'>

const nameSecret = (
  { namespace }: { namespace: string },
  sign: Sign,
  key: 'keySecret' | 'certSecret',
): NamedObject => ({
  namespace,
  name: sign[key].name ?? '',
  field: `sign.${key}`,
})

function nameProblem(error: unknown, { namespace, name }: NamedObject): unknown {
  if (!(error instanceof KmmError) || error.code !== 'SigningKeyInvalid') return error
  const { message, code, fate } = error
  return new KmmError(`Secret ${namespace}/${name}: ${message}`, { code, fate })
}

function parseCertificate(bytes: Buffer, named: NamedObject): SigningCertificate {
  try {
    return parseSigningCertificate(bytes)
  } catch (error) {
    throw nameProblem(error, named)
  }
}

/** Reads the certificate that a Module's images are signed with. Throws ConfigurationInvalid where there is none, SigningKeyInvalid. */
export async function readCertificate(
  sign: Sign,
  sources: { namespace: string },
  tools: ReadTools,
): Promise<SigningCertificate> {
  const named = nameSecret(sources, sign, 'certSecret')
  return parseCertificate(readEntry(await readSecret(named, tools), 'cert', named), named)
}

/** Reads what an image is signed with. Throws ConfigurationInvalid for what is missing, SigningKeyInvalid, FilesToSignInvalid. */
export async function readSignInputs(
  spec: ModuleImageSpec,
  sign: Sign,
  sources: JobSources,
  tools: ReadTools,
): Promise<SignInputs> {
  const filesToSign = sign.filesToSign ?? []
  const dirName = spec.dirName || defaultDirName
  parseFileWishes(filesToSign, dirName)
  const named = { key: nameSecret(sources, sign, 'keySecret'), certificate: nameSecret(sources, sign, 'certSecret') }
  const [key, cert] = await Promise.all([readSecret(named.key, tools), readSecret(named.certificate, tools)])
  const certificate = readEntry(cert, 'cert', named.certificate)
  const { fingerprint } = parseCertificate(certificate, named.certificate)
  try {
    const passphrase = key.data['passphrase']
    checkSigningKey({
      key: readEntry(key, 'key', named.key),
      certificate,
      passphrase: passphrase === undefined ? undefined : Buffer.from(passphrase, 'base64'),
    })
  } catch (error) {
    throw nameProblem(error, named.key)
  }
  return {
    hash: hashParts('sign', fingerprint, key.version, filesToSign.toSorted(), dirName, spec.kernelVersion),
    setup: hashParts('sign', sign.unsignedImageRegistryTLS, spec.registryTLS, sources.tolerations),
    certificate: fingerprint,
  }
}
