import { mkdtemp, rm } from 'node:fs/promises'
import { homedir, tmpdir } from 'node:os'
import { join } from 'node:path'
import { createKubeClient } from '../../../src/kube/http-client.ts'
import { loadKubeconfig } from '../../../src/kube/kubeconfig.ts'
import { startEmbeddedEngine } from '../../../src/sandbox/embedded-engine.ts'
import { furnish } from '../../../src/sandbox/furnish.ts'
import { findBinaries } from '../../../src/sandbox/kubernetes/binaries.ts'
import { startControlPlane } from '../../../src/sandbox/kubernetes/control-plane.ts'
import { StopList } from '../../../src/sandbox/stop-list.ts'
import { tally } from '../../control-plane/tally.ts'

/** A cluster without nodes that cases are tried on. */
export interface ApiTarget {
  engine: 'embedded' | 'kubernetes'
  /** The server's version, such as `v1.36.2`; empty for the embedded one. */
  version: string
  /** Text of the administrator's kubeconfig. */
  kubeconfig: string
  stop(): Promise<void>
}

/** Nodes of the cases have no kubelet that would renew their leases. */
const nodeGraceMs = 40_000
/** Pods of the cases may be on nodes that do not exist; in a real cluster they stay for 40 s. */
const quarantineMs = 12_000

async function startEmbedded(stops: StopList): Promise<ApiTarget> {
  const controllers = { quarantineMs }
  const engine = await startEmbeddedEngine({ controllers }, { root: '.', findKubelets: () => [] }, stops)
  return { engine: 'embedded', version: '', kubeconfig: engine.kubeconfig, stop: () => stops.stop() }
}

async function startKubernetes(stops: StopList): Promise<ApiTarget> {
  const folder = stops.add(await mkdtemp(join(tmpdir(), 'kmm-conformance-')), (path) =>
    rm(path, { recursive: true, force: true }),
  )
  const tell = (line: string): void => void process.stderr.write(`${line}\n`)
  const binaries = await findBinaries({ environment: process.env, home: homedir(), root: '.', tell })
  const plane = stops.add(await startControlPlane({ binaries, folder, nodeGraceMs }), (each) => each.stop())
  const connection = loadKubeconfig({ text: plane.kubeconfig })
  const client = createKubeClient({ connection, userAgent: 'conformance/1' })
  await furnish(client, '.')
  await client.close()
  const stop = (): Promise<void> => {
    tally(plane)
    return stops.stop()
  }
  return { engine: 'kubernetes', version: plane.version, kubeconfig: plane.kubeconfig, stop }
}

/** Starts API server and controllers: the real ones, or those of the sandbox. */
export async function startApiTarget(engine: ApiTarget['engine']): Promise<ApiTarget> {
  const stops = new StopList()
  try {
    return await (engine === 'embedded' ? startEmbedded(stops) : startKubernetes(stops))
  } catch (error) {
    await stops.stop()
    throw error
  }
}
