import type { Lease, LeaseSpec } from 'kubernetes-types/coordination/v1.js'
import { hasCode } from '../errors/error.ts'
import type { KubeClient } from './client.ts'
import { leases } from './core-resources.ts'

/** Which Lease, and who we are in it. */
export interface LeaseIdentity {
  client: KubeClient
  namespace: string
  name: string
  /** Different for each process. */
  identity: string
  leaseMs: number
}

function formatMicroTime(nowMs: number): string {
  return new Date(nowMs).toISOString().replace('Z', '000Z')
}

function buildSpec({ identity, leaseMs }: LeaseIdentity, before: LeaseSpec, nowMs: number): LeaseSpec {
  const isNew = before.holderIdentity !== identity
  const time = formatMicroTime(nowMs)
  const transitions = before.leaseTransitions ?? 0
  return {
    holderIdentity: identity,
    leaseDurationSeconds: Math.ceil(leaseMs / 1_000),
    acquireTime: isNew ? time : (before.acquireTime ?? time),
    renewTime: time,
    leaseTransitions: isNew && before.acquireTime !== undefined ? transitions + 1 : transitions,
  }
}

/** The Lease as it is now; undefined when there is none. */
export async function readLease(owner: LeaseIdentity, signal: AbortSignal): Promise<Lease | undefined> {
  const { client, namespace, name } = owner
  try {
    return await client.get(leases, { namespace, name }, signal)
  } catch (error) {
    if (hasCode(error, 'NotFound')) return undefined
    throw error
  }
}

/** Takes or renews the Lease as it was read; fails with `Conflict` or `AlreadyExists` when somebody was faster. */
export async function writeLease(
  owner: LeaseIdentity,
  lease: Lease | undefined,
  nowMs: number,
  signal: AbortSignal,
): Promise<Lease> {
  const { client, namespace, name } = owner
  const spec = buildSpec(owner, lease?.spec ?? {}, nowMs)
  if (lease) return client.replace(leases, { ...lease, spec }, { signal })
  const created: Lease = { apiVersion: 'coordination.k8s.io/v1', kind: 'Lease', metadata: { namespace, name }, spec }
  return client.create(leases, created, { signal })
}

/** Gives the Lease up, so that a successor need not wait for its end. */
export async function releaseLease(
  { client }: LeaseIdentity,
  lease: Lease,
  nowMs: number,
  signal: AbortSignal,
): Promise<void> {
  // A duration must be positive.
  const spec = { ...lease.spec, holderIdentity: '', leaseDurationSeconds: 1, renewTime: formatMicroTime(nowMs) }
  await client.replace(leases, { ...lease, spec }, { signal })
}
