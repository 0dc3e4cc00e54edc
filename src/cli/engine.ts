import { Option } from 'commander'
import type { EngineName } from '../sandbox/engine.ts'
import { type BinarySearch, findBinaries } from '../sandbox/kubernetes/binaries.ts'
import type { KubernetesEngineOptions } from '../sandbox/kubernetes/kubernetes-engine.ts'

/** What `startSandbox` is told of its engine. */
export type EngineChoice = { engine: 'embedded' } | ({ engine: 'kubernetes' } & KubernetesEngineOptions)

const names: readonly EngineName[] = ['embedded', 'kubernetes']

/** `--engine`, for commands that start a sandbox. */
export function createEngineOption(): Option {
  return new Option('--engine <name>', 'an API server in this process, or a real control plane')
    .choices(names)
    .default('embedded')
}

/** Makes ready what an engine needs, which takes ten minutes if Kubernetes has to be built. */
export async function prepareEngine(engine: EngineName, search: BinarySearch): Promise<EngineChoice> {
  if (engine === 'embedded') return { engine }
  const { signal } = search
  return { engine, binaries: await findBinaries(search), ...(signal === undefined ? {} : { signal }) }
}
