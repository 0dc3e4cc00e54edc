import { createHash } from 'node:crypto'

const maximumPodName = 253

/** Eight hexadecimal digits that stand for the given parts. */
export function shortHash(...parts: string[]): string {
  return createHash('sha256').update(JSON.stringify(parts)).digest('hex').slice(0, 8)
}

/** The name of the worker pod of a Module on a node (upstream: `kmm-worker-<node>-<module>`), shortened by a hash where too long. */
export function workerPodName(nodeName: string, moduleName: string): string {
  const name = `kmm-worker-${nodeName}-${moduleName}`
  if (name.length <= maximumPodName) return name
  return `${name.slice(0, maximumPodName - 9).replace(/[-.]+$/, '')}-${shortHash(nodeName, moduleName)}`
}

/** The name to use when somebody else's pod has the usual one. */
export function alternativeWorkerPodName(nodeName: string, namespace: string, moduleName: string): string {
  const name = `kmm-worker-${nodeName}-${moduleName}`
  return `${name.slice(0, maximumPodName - 9).replace(/[-.]+$/, '')}-${shortHash('alternative', nodeName, namespace, moduleName)}`
}
