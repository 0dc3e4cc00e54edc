import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { KmmError } from '../../errors/error.ts'
import type { Certificate } from '../../kube/certificate.ts'

/** Reads `tls.crt` and `tls.key` of a folder, as a mounted Secret has them. Throws ConfigurationInvalid, to be tried again. */
export async function readCertificateFiles(folder: string): Promise<Certificate> {
  try {
    const [certificate, key] = await Promise.all([
      readFile(join(folder, 'tls.crt'), 'utf8'),
      readFile(join(folder, 'tls.key'), 'utf8'),
    ])
    return { certificate, key }
  } catch (cause) {
    throw new KmmError(`cannot read tls.crt and tls.key in ${folder}; mount the Secret with the certificate there`, {
      code: 'ConfigurationInvalid',
      cause,
    })
  }
}
