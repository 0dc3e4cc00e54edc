import { stringify } from 'yaml'
import type { Certificate } from '../../kube/certificate.ts'
import type { User } from './hooks.ts'
import { StatusError } from './status-error.ts'

/** Somebody with a token. */
export interface Identity {
  token: string
  user: User
}

const authenticated = 'system:authenticated'

/** The administrator of the sandbox. */
export const adminUser: User = { name: 'kubernetes-admin', groups: ['system:masters', authenticated] }

/** A service account, as its pods are known to the API server. */
export function serviceAccountUser(namespace: string, name: string): User {
  const groups = ['system:serviceaccounts', `system:serviceaccounts:${namespace}`, authenticated]
  return { name: `system:serviceaccount:${namespace}:${name}`, groups }
}

/** The kubelet of a node. */
export function nodeUser(name: string): User {
  return { name: `system:node:${name}`, groups: ['system:nodes', authenticated] }
}

/** Who holds which token. */
export class Identities {
  readonly #users = new Map<string, User>()

  add({ token, user }: Identity): void {
    this.#users.set(token, user)
  }

  /** The user behind an Authorization header; 401 without a known token. */
  authenticate(authorization: string | undefined): User {
    const [, token = ''] = /^Bearer (.+)$/i.exec(authorization ?? '') ?? []
    const user = this.#users.get(token)
    if (user) return user
    throw new StatusError('Unauthorized', { status: 401, reason: 'Unauthorized' })
  }
}

/** Where a server is and whom its certificate is trusted from. */
export interface Endpoint {
  url: string
  /** PEM; absent for plain HTTP. */
  certificate?: string
}

/** How somebody proves who they are: a bearer token or a client certificate. */
export type Credential = { token: string } | Certificate

const encode = (pem: string): string => Buffer.from(pem).toString('base64')

/** A kubeconfig with one cluster, one user and one context, all for this server. */
export function makeKubeconfig({ url, certificate }: Endpoint, userName: string, credential: Credential): string {
  const authority = certificate === undefined ? {} : { 'certificate-authority-data': encode(certificate) }
  const user =
    'token' in credential
      ? { token: credential.token }
      : { 'client-certificate-data': encode(credential.certificate), 'client-key-data': encode(credential.key) }
  return stringify({
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [{ name: 'kmm-sandbox', cluster: { server: url, ...authority } }],
    users: [{ name: userName, user }],
    contexts: [{ name: 'kmm-sandbox', context: { cluster: 'kmm-sandbox', user: userName, namespace: 'default' } }],
    'current-context': 'kmm-sandbox',
    preferences: {},
  })
}
