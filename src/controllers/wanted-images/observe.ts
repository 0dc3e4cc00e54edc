import type { MappingResolver } from '../../kernel/resolver.ts'
import { parseKey } from '../../kube/object.ts'
import { answerMapping } from '../cluster/answer-mapping.ts'
import type { Caches } from '../cluster/caches.ts'
import { getImagesConfig } from '../cluster/images-config.ts'
import { listSelectedNodes } from '../cluster/selected-nodes.ts'
import type { Module } from '../../api/module.ts'
import type { KernelAnswer, ObservedImages } from './decide.ts'

function answerKernel(module: Module, kernelVersion: string, resolver: MappingResolver): KernelAnswer {
  const answer = answerMapping(resolver, module, kernelVersion)
  if (answer.kind === 'resolved') return { kernelVersion, resolved: answer.resolved }
  return answer.kind === 'none' ? { kernelVersion } : { kernelVersion, problem: answer.message }
}

/** Reads a Module, the kernels of the nodes that it selects, and its ModuleImagesConfig. */
export function observe(key: string, caches: Caches, resolver: MappingResolver): ObservedImages | undefined {
  const { namespace = '', name } = parseKey(key)
  const module = caches.modules.get({ namespace, name })
  if (module === undefined) return undefined
  const config = getImagesConfig({ namespace, name }, caches)
  const nodes = module.spec?.moduleLoader === undefined ? [] : listSelectedNodes(module, caches)
  const kernels = [...new Set(nodes.map(({ kernelVersion }) => kernelVersion))].filter((kernel) => kernel !== '').sort()
  return {
    module,
    kernels: kernels.map((kernel) => answerKernel(module, kernel, resolver)),
    ...(config ? { config } : {}),
  }
}
