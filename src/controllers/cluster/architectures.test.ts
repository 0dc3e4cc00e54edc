import { expect, it } from 'vitest'
import { fillCaches } from '../../../test/builders/caches.ts'
import { buildModule, workerSelector } from '../../../test/builders/module.ts'
import { buildNode } from '../../../test/builders/node.ts'
import { listArchitectures } from './architectures.ts'

const node = (name: string, kernelVersion: string, architecture: string, labels = workerSelector) =>
  buildNode({ name, kernelVersion, architecture, labels })

it.each([
  ['those of its nodes', '6.1.0-1', ['s390x']],
  ['those of its nodes, which say a plus at its end', '6.1.0-2', ['amd64', 'arm64']],
  ['that which its version names', '6.1.0-3-amd64', ['amd64']],
  ['that which its version names in another word', '6.1.0-3.fc99.aarch64', ['arm64']],
  ['those of the nodes that the Module selects', '6.1.0-3', ['amd64', 'arm64', 's390x']],
])('the architectures of a kernel are %s', (_what, kernelVersion, architectures) => {
  const nodes = [
    node('a', '6.1.0-1', 's390x'),
    node('b', '6.1.0-2+', 'amd64'),
    node('c', '6.1.0-2', 'arm64'),
    node('d', '5.10.0-1', 'ppc64le', { role: 'other' }),
  ]
  expect(listArchitectures(kernelVersion, buildModule(), fillCaches({ nodes }))).toEqual(architectures)
})

const other = { role: 'other' }

it.each([
  ['of the nodes with it that the Module selects', '6.1.0-1', ['amd64']],
  ['that its version names, where the Module selects no node with it', '6.1.0-2-amd64', ['amd64']],
  ['of the Module’s nodes, where it selects none with it and the version names none', '6.1.0-3', ['amd64', 's390x']],
])('the architectures of a kernel that runs on nodes of others, too, are those %s', (_what, kernel, architectures) => {
  const nodes = [
    node('a', '6.1.0-1', 'amd64'),
    node('b', '6.1.0-1', 'arm64', other),
    node('c', '6.1.0-2-amd64', 'arm64', other),
    node('d', '6.1.0-3', 'arm64', other),
    node('e', '5.10.0-1', 's390x'),
  ]
  expect(listArchitectures(kernel, buildModule(), fillCaches({ nodes }))).toEqual(architectures)
})

it('the architectures of a kernel are, for a Module that is gone, those of all its nodes', () => {
  const nodes = [node('a', '6.1.0-1', 'arm64', other)]
  expect(listArchitectures('6.1.0-1', undefined, fillCaches({ nodes }))).toEqual(['arm64'])
})

it('nobody knows the architecture of a kernel that says nothing, for a Module that is gone', () => {
  expect(listArchitectures('6.1.0-3', undefined, fillCaches({ nodes: [node('a', '6.1.0-1', 'amd64')] }))).toEqual([])
})
