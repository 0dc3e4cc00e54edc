import { join } from 'node:path'
import { hasCode } from '../../errors/error.ts'
import type { KubeClient } from '../../kube/client.ts'
import { realClock, sleep } from '../../kube/clock.ts'
import { serviceAccounts } from '../../kube/core-resources.ts'
import { createAdminClient, type Engine } from '../engine.ts'
import { furnish } from '../furnish.ts'
import type { FindKubelets } from '../node/kubelet.ts'
import { startKubeletEndpoint } from '../node/kubelet-endpoint.ts'
import type { StopList } from '../stop-list.ts'
import type { KubernetesBinaries } from './binaries.ts'
import { type ControlPlane, startControlPlane } from './control-plane.ts'
import { kubeletClientName } from './credentials.ts'
import { NodeWatch } from './node-watch.ts'

/** What only the engine of real programs can be told. */
export interface KubernetesEngineOptions {
  /** From `findBinaries`. */
  binaries: KubernetesBinaries
  /** How long a node may be silent; default 6 s, and more with many nodes. */
  nodeGraceMs?: number
  /** Aborted to give the start up. */
  signal?: AbortSignal
}

/** A cluster of real programs. */
export interface KubernetesEngine extends Engine {
  readonly controlPlane: ControlPlane
}

/** Not of the group system:nodes, whose members may write one Node only. */
const nodesUser = { name: 'kmm-sandbox-nodes', groups: ['system:masters'] }

const pollMs = 50
/** Beyond what a node may be silent. */
const patienceMs = 60_000

/** Pods are refused in a namespace until it has its service account. */
async function untilServiceAccount(client: KubeClient, namespace: string): Promise<void> {
  for (;;) {
    try {
      await client.get(serviceAccounts, { namespace, name: 'default' })
      return
    } catch (error) {
      if (!hasCode(error, 'NotFound')) throw error
    }
    await sleep(realClock, pollMs)
  }
}

/** Starts the real programs with KMM's resources, and the endpoint that stands for the kubelets of virtual nodes. */
export async function startKubernetesEngine(
  { binaries, nodeGraceMs, signal }: KubernetesEngineOptions,
  { root, folder, findKubelets }: { root: string; folder: string; findKubelets: FindKubelets },
  stops: StopList,
): Promise<KubernetesEngine> {
  const given = { ...(nodeGraceMs === undefined ? {} : { nodeGraceMs }), ...(signal === undefined ? {} : { signal }) }
  const prepare = async (text: string): Promise<void> => {
    const early = createAdminClient(text)
    try {
      await furnish(early, root)
    } finally {
      await early.close()
    }
  }
  const options = { binaries, folder: join(folder, 'kubernetes'), prepare, ...given }
  const controlPlane = stops.add(await startControlPlane(options), (each) => each.stop())
  const { url, kubeconfig, credentials } = controlPlane
  const client = stops.add(createAdminClient(kubeconfig), (each) => each.close())
  const endpoint = stops.add(
    await startKubeletEndpoint({ authority: credentials.authority, clientName: kubeletClientName, findKubelets }),
    (each) => each.stop(),
  )
  await Promise.race([untilServiceAccount(client, 'default'), controlPlane.failed])
  const observer = stops.add(new NodeWatch(client, controlPlane.nodeGraceMs + patienceMs), (each) => each.stop())
  return {
    controlPlane,
    client,
    url,
    kubeconfig,
    get writes() {
      return controlPlane.writes
    },
    kubeconfigFor: (user) => controlPlane.kubeconfigFor(user),
    nodesKubeconfig: controlPlane.kubeconfigFor(nodesUser),
    nodes: { kubeletPort: endpoint.port, leaseRenewalMs: controlPlane.nodeGraceMs / 4, observer },
    settled: () => Promise.resolve(),
  }
}
