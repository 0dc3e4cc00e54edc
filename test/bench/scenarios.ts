import { setTimeout as sleep } from 'node:timers/promises'
import type { EmbeddedSandbox } from '../../src/sandbox/sandbox.ts'
import { type Figures, seconds } from './figures.ts'
import { type OperatorProcess, startOperatorProcess } from './operator-process.ts'
import { cpuBetween } from './process-usage.ts'
import {
  createModule,
  isModuleReady,
  listOperatorWrites,
  measureCeiling,
  operatorNamespace,
  pushExample,
  startCluster,
  until,
  untilQuiet,
  watchReady,
  type Workers,
} from './sandbox-engine.ts'

/** What to measure. */
export interface BenchOptions {
  nodes: number
  workers: Workers
  /** The Module has a device plugin, and a node is ready when that is. */
  devicePlugin: boolean
  /** Options of Node.js for the operator. */
  nodeOptions: readonly string[]
  /** Told what is being done. */
  tell: (text: string) => void
}

/** Figures of all scenarios, and what the operator complained of. */
export interface BenchResult {
  scenarios: Figures[]
  complaints: string[]
  /** The operator's writes while it loaded, by kind. */
  writes: Record<string, number>
}

interface Stage extends BenchOptions {
  sandbox: EmbeddedSandbox
  start: () => Promise<OperatorProcess>
}

const heartbeatRounds = 5
const quietMs = 1_500
const timeoutMs = 1_800_000

const nothing = { seconds50: null, seconds90: null, seconds100: null, ceilingSeconds: null }

function perNode(writes: number, nodes: number): number {
  return Number((writes / nodes).toFixed(2))
}

function countKinds(writes: readonly string[]): Record<string, number> {
  const counts: Record<string, number> = {}
  for (const write of writes) counts[write] = (counts[write] ?? 0) + 1
  return counts
}

/** One prebuilt module on all nodes at once. */
async function load({ sandbox, nodes, devicePlugin, tell }: Stage, operator: OperatorProcess, ceilingSeconds: number) {
  const image = await pushExample(sandbox)
  const ready = watchReady(sandbox, devicePlugin)
  const from = sandbox.writes.length
  const before = operator.usage()
  const startedMs = performance.now()
  await createModule(sandbox, image, devicePlugin)
  await until('all nodes are ready', () => ready.times.length === nodes, timeoutMs)
  await until('the Module is ready', () => isModuleReady(sandbox), timeoutMs)
  tell('all nodes are ready; waiting for the last writes')
  await untilQuiet(sandbox, quietMs)
  ready.end()
  const after = operator.usage()
  const at = (share: number): number => seconds((ready.times[Math.ceil(nodes * share) - 1] ?? 0) - startedMs)
  const writes = listOperatorWrites(sandbox, from)
  const figures: Figures = {
    name: devicePlugin ? 'load with device plugin' : 'load',
    nodes,
    modules: 1,
    seconds50: at(0.5),
    seconds90: at(0.9),
    seconds100: at(1),
    ceilingSeconds,
    writesPerNode: perNode(writes.length, nodes),
    cpuSeconds: cpuBetween(before, after),
    peakMb: after.peakMb,
  }
  return { figures, writes: countKinds(writes) }
}

/** Every node posts its status several times: nobody is to write anything. */
async function idle({ sandbox, nodes }: Stage, operator: OperatorProcess): Promise<Figures> {
  const from = sandbox.writes.length
  const before = operator.usage()
  for (let round = 0; round < heartbeatRounds; round++) await Promise.all(sandbox.nodes.map((node) => node.heartbeat()))
  await sleep(quietMs)
  const after = operator.usage()
  return {
    ...nothing,
    name: `idle, ${heartbeatRounds} heartbeats a node`,
    nodes,
    modules: 1,
    writesPerNode: perNode(listOperatorWrites(sandbox, from).length, nodes),
    cpuSeconds: cpuBetween(before, after),
    peakMb: after.peakMb,
  }
}

/** Another operator takes over with everything loaded: it is to write nothing but the Lease. */
async function restart({ sandbox, nodes, start }: Stage): Promise<{ figures: Figures; complaints: readonly string[] }> {
  const from = sandbox.writes.length
  const startedMs = performance.now()
  const operator = await start()
  const leadingMs = performance.now() - startedMs
  try {
    await untilQuiet(sandbox, quietMs)
    const { cpuSeconds, peakMb } = operator.usage()
    const writesPerNode = perNode(listOperatorWrites(sandbox, from).length, nodes)
    const figures = { ...nothing, name: 'restart', nodes, modules: 1, writesPerNode, cpuSeconds, peakMb }
    return { figures: { ...figures, seconds100: seconds(leadingMs) }, complaints: operator.complaints }
  } finally {
    await operator.stop()
  }
}

/** Plays all scenarios in one sandbox, after the ceiling in one of its own. */
export async function runScenarios(options: BenchOptions): Promise<BenchResult> {
  const { nodes, workers, nodeOptions, tell } = options
  tell(`the ceiling: the useful writes of ${nodes} nodes, issued blindly`)
  const ceilingSeconds = await measureCeiling(nodes)
  tell(`starting a sandbox with ${nodes} nodes and ${workers} workers`)
  const sandbox = await startCluster(nodes, workers)
  const { kubeconfigPath, workerImage } = sandbox
  const start = (): Promise<OperatorProcess> =>
    startOperatorProcess({ kubeconfigPath, workerImage, namespace: operatorNamespace, nodeOptions })
  const stage = { ...options, sandbox, start }
  try {
    const operator = await start()
    try {
      tell('loading')
      const loaded = await Promise.race([load(stage, operator, ceilingSeconds), operator.ended])
      tell('heartbeats')
      const idled = await idle(stage, operator)
      await operator.stop()
      tell('restart')
      const restarted = await restart(stage)
      return {
        scenarios: [loaded.figures, idled, restarted.figures],
        complaints: [...operator.complaints, ...restarted.complaints],
        writes: loaded.writes,
      }
    } finally {
      await operator.stop()
    }
  } finally {
    await sandbox.stop()
  }
}
