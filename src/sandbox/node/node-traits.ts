/** Tells what the node lifecycle controller of a real cluster thinks of a node. */
export interface NodeObserver {
  isReady(name: string): boolean
  /** Resolves when the node is Ready and no taint says otherwise. */
  untilReady(name: string, signal: AbortSignal): Promise<void>
  /** Resolves when the node, which has fallen silent, is Unknown and tainted for it. */
  untilUnreachable(name: string, signal: AbortSignal): Promise<void>
}

/** How virtual nodes live on an engine. */
export interface NodeTraits {
  /** The port of the kubelets, where the API server asks for logs. */
  kubeletPort?: number
  /** How often a node renews its Lease. */
  leaseRenewalMs?: number
  /** Where there is none, nodes show themselves what becomes of their silence. */
  observer?: NodeObserver
}
