import type { Module } from '../../api/module.ts'
import { type Caches, nodesByKernel } from './caches.ts'
import { isSelected, listSelectedNodes } from './selected-nodes.ts'

/** How distributions name architectures in kernel versions, and how nodes name them. */
const hints: readonly (readonly [pattern: RegExp, architecture: string])[] = [
  [/amd64|x86[_-]64/i, 'amd64'],
  [/arm64|aarch64/i, 'arm64'],
  [/ppc64le|ppc64el/i, 'ppc64le'],
  [/s390x/i, 's390x'],
]

const listDistinct = (architectures: readonly string[]): string[] =>
  [...new Set(architectures)].filter((each) => each !== '').sort()

/**
 * The architectures of the nodes with a kernel that the Module selects, as nodes name them (`amd64`). Of a kernel that none of these has
 * yet: that which its version names, else those of the nodes that the Module selects. Empty where nobody knows. A Module that is gone
 * selects any node with the kernel, and no other.
 */
export function listArchitectures(
  kernelVersion: string,
  module: Module | undefined,
  caches: Pick<Caches, 'nodes'>,
): string[] {
  // Mappings are made for a kernel without the `+` at its end.
  const nodes = [kernelVersion, `${kernelVersion}+`]
    .flatMap((each) => caches.nodes.byIndex(nodesByKernel, each))
    .filter(({ labels }) => module === undefined || isSelected(module, labels))
  if (nodes.length > 0) return listDistinct(nodes.map(({ architecture }) => architecture))
  const hint = hints.find(([pattern]) => pattern.test(kernelVersion))
  if (hint !== undefined) return [hint[1]]
  return module === undefined ? [] : listDistinct(listSelectedNodes(module, caches).map((node) => node.architecture))
}
