import type { ModuleConfig } from '../api/node-modules-config.ts'
import type { WorkerReport } from '../api/worker-report.ts'
import type { LayerCache } from '../oci/layer-cache.ts'
import type { Registry } from '../oci/registry.ts'
import type { Host } from './host.ts'
import type { PullContext } from './pull.ts'

/** Everything that one load or unload works with. */
export interface RunContext {
  host: Host
  config: ModuleConfig
  registry: Registry
  cache: LayerCache | undefined
  /** Where the node keeps firmware that KMM copies; undefined when the operator names none. */
  firmwarePath: string | undefined
  /** Where the kubelet has mounted the image; undefined when the worker is to pull it. */
  imageFolder: string | undefined
  /** Kernel modules, as the kernel spells them, that the node's other Modules ask for. */
  spared: readonly string[]
  log: (line: string) => void
  signal: AbortSignal
  /** How long a modprobe that runs may go on after the signal. */
  graceMs: number
  /** Filled in as the work goes on, so that a failure reports what was done before it. */
  durationsMs: WorkerReport['durationsMs']
}

/** How a load or unload that worked ended. */
export interface RunResult {
  alreadyLoaded: boolean
  message: string
}

/** The part of the context that pulling needs. */
export function toPullContext({ registry, cache, host, log, signal }: RunContext): PullContext {
  return { registry, cache, architecture: host.architecture, log, signal }
}

/** Runs one step and notes how long it took, also when it fails. */
export async function measure<T>(
  context: RunContext,
  step: keyof WorkerReport['durationsMs'],
  work: () => Promise<T>,
): Promise<T> {
  const started = performance.now()
  try {
    return await work()
  } finally {
    context.durationsMs[step] = (context.durationsMs[step] ?? 0) + Math.round(performance.now() - started)
  }
}
