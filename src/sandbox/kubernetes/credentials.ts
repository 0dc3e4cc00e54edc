import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type Certificate, type CertificateAuthority, createAuthority, makeKeyPair } from '../../kube/certificate.ts'
import type { User } from '../apiserver/hooks.ts'

/** The user as whom the API server calls kubelets. */
export const kubeletClientName = 'kube-apiserver-kubelet-client'

/** Under which names the API server is reached; QEMU's guests see this machine's loopback as 10.0.2.2. */
const apiServerHosts = [
  '127.0.0.1',
  'localhost',
  '10.0.2.2',
  'kubernetes',
  'kubernetes.default',
  'kubernetes.default.svc',
  'kubernetes.default.svc.cluster.local',
  '10.0.0.1',
]

/** The files with the keys and certificates of a control plane. */
export interface CredentialFiles {
  authority: string
  authorityKey: string
  server: string
  serverKey: string
  kubeletClient: string
  kubeletClientKey: string
  serviceAccountKey: string
  serviceAccountPublicKey: string
}

/** The keys and certificates of one control plane. */
export interface Credentials {
  authority: CertificateAuthority
  files: CredentialFiles
}

/** Every user is authenticated anyway; the groups are the certificate's organisations. */
export function issueClientCertificate(authority: CertificateAuthority, { name, groups }: User): Certificate {
  const organizations = groups.filter((group) => group !== 'system:authenticated')
  return authority.issue({ commonName: name, organizations, uses: ['client'] })
}

/** Makes an authority and what the servers of a control plane need, and writes it into a folder. */
export async function makeCredentials(folder: string): Promise<Credentials> {
  const authority = createAuthority('kmm-sandbox-ca', Date.now())
  const server = authority.issue({ commonName: 'kube-apiserver', uses: ['server'], hosts: apiServerHosts })
  const kubeletClient = authority.issue({
    commonName: kubeletClientName,
    organizations: ['system:masters'],
    uses: ['client'],
  })
  const serviceAccount = makeKeyPair()
  const contents: Record<keyof CredentialFiles, string> = {
    authority: authority.certificate,
    authorityKey: authority.key,
    server: server.certificate,
    serverKey: server.key,
    kubeletClient: kubeletClient.certificate,
    kubeletClientKey: kubeletClient.key,
    serviceAccountKey: serviceAccount.privateKey,
    serviceAccountPublicKey: serviceAccount.publicKey,
  }
  await mkdir(folder, { recursive: true, mode: 0o700 })
  const pathOf = (name: string): string => join(folder, `${name}.pem`)
  await Promise.all(Object.entries(contents).map(([name, text]) => writeFile(pathOf(name), text, { mode: 0o600 })))
  const files = Object.fromEntries(Object.keys(contents).map((name) => [name, pathOf(name)]))
  return { authority, files: files as unknown as CredentialFiles }
}
