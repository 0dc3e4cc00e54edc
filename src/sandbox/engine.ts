import { createKubeClient, type HttpKubeClient } from '../kube/http-client.ts'
import { loadKubeconfig } from '../kube/kubeconfig.ts'
import type { WriteRecord } from './apiserver/faults.ts'
import type { User } from './apiserver/hooks.ts'
import type { NodeTraits } from './node/node-traits.ts'

/** Who runs the API of a sandbox: a server in this process, or the real programs. */
export type EngineName = 'embedded' | 'kubernetes'

/** The cluster of a sandbox without its nodes, as every engine gives it. */
export interface Engine {
  readonly url: string
  /** The administrator's. */
  readonly kubeconfig: string
  /** The administrator's client. */
  readonly client: HttpKubeClient
  /** Every write that was served so far, in order. */
  readonly writes: readonly WriteRecord[]
  kubeconfigFor(user: User): string
  /** The kubeconfig that all virtual nodes share. */
  readonly nodesKubeconfig: string
  /** What virtual nodes differ in from engine to engine. */
  readonly nodes: NodeTraits
  /** Resolves when the cluster has done what follows from the writes so far, as far as that can be told. */
  settled(): Promise<void>
}

/** A client for the administrator. */
export function createAdminClient(kubeconfig: string): HttpKubeClient {
  return createKubeClient({ connection: loadKubeconfig({ text: kubeconfig }), userAgent: 'kmm-sandbox/1' })
}
