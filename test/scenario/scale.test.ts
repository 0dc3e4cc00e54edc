import { afterEach, expect, it } from 'vitest'
import { patience } from './engine.ts'
import { Cluster, demoModule, kernel56, workerLabel } from './cluster.ts'

// A real API server beside everything else on a small machine takes several times as long for each.
const nodeCount = patience > 1 ? 60 : 200

let cluster: Cluster
afterEach(() => cluster.stop())

function countKinds(writes: readonly string[]): Record<string, number> {
  const counts: Record<string, number> = {}
  for (const write of writes) counts[write] = (counts[write] ?? 0) + 1
  return counts
}

/** The operator's log lines that say that something went wrong. */
const complaints = (): string[] => cluster.log.filter((line) => /"level":"(warn|error|fatal)"/.test(line))

it(
  'loads and unloads a module on many nodes without an error, with six writes a node',
  async () => {
    const nodes = Array.from({ length: nodeCount }, (_, index) => ({
      name: `n${index}`,
      kernel: kernel56,
      labels: workerLabel,
    }))
    // A worker process costs a third of a second of processor time, so every twentieth node runs it; the benchmark runs all.
    const rule = { match: { name: '^kmm-worker-n(\\d*[1-9]|\\d*[13579]0)-' }, behaviour: { do: 'report' } } as const
    cluster = await Cluster.start({ nodes, rules: [rule] })
    await cluster.startOperator()
    await cluster.createNamespace()
    const image = await cluster.push(kernel56)
    await cluster.createModule(demoModule(image))
    await cluster.until('the Module is ready', () => cluster.condition('Ready')?.status === 'True', 60_000)
    expect(cluster.module()?.status?.moduleLoader).toEqual({
      nodesMatchingSelectorNumber: nodeCount,
      desiredNumber: nodeCount,
      availableNumber: nodeCount,
    })
    const loaded = cluster.sandbox.nodes.filter(({ kernel }) => kernel.isLoaded('kmm_demo'))
    expect(loaded).toHaveLength(nodeCount / 20)
    await cluster.until('all worker pods are gone', () => cluster.view.pods.list().length === 0)
    await cluster.quiet()
    const aboutNodes = ['nodemodulesconfigs', 'pods', 'nodemodulesconfigs/status', 'nodes', 'events']
    const writes = cluster.operatorWrites().filter((write) => aboutNodes.includes(write.split(' ')[1] ?? ''))
    expect(countKinds(writes)).toEqual({
      'create nodemodulesconfigs': nodeCount,
      'create pods': nodeCount,
      'patch nodemodulesconfigs/status': nodeCount,
      'patch nodes': nodeCount,
      'create events': nodeCount,
      'delete pods': nodeCount,
    })
    await cluster.deleteModule()
    await cluster.until('the Module is gone', () => cluster.module() === undefined, 60_000)
    await cluster.until('no plan is left', () => cluster.view.configs.list().length === 0)
    expect(cluster.sandbox.nodes.filter(({ kernel }) => kernel.isLoaded('kmm_demo'))).toEqual([])
    expect(complaints()).toEqual([])
  },
  120_000 * patience,
)
