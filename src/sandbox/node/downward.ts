import type { Pod } from 'kubernetes-types/core/v1.js'

const formatPairs = (pairs: Readonly<Record<string, string>> | undefined): string =>
  Object.entries(pairs ?? {})
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, value]) => `${key}=${JSON.stringify(value)}`)
    .join('\n')

const plainFields: Readonly<Record<string, (pod: Pod) => string | undefined>> = {
  'metadata.name': (pod) => pod.metadata?.name,
  'metadata.namespace': (pod) => pod.metadata?.namespace,
  'metadata.uid': (pod) => pod.metadata?.uid,
  'metadata.labels': (pod) => formatPairs(pod.metadata?.labels),
  'metadata.annotations': (pod) => formatPairs(pod.metadata?.annotations),
  'spec.nodeName': (pod) => pod.spec?.nodeName,
  'spec.serviceAccountName': (pod) => pod.spec?.serviceAccountName,
}

/** What the downward API gives for a field path, such as `metadata.annotations['key']`; empty for what is not set. */
export function readDownwardField(pod: Pod, fieldPath: string): string {
  const keyed = /^metadata\.(labels|annotations)\['(.+)'\]$/.exec(fieldPath)
  if (keyed !== null) {
    const pairs = keyed[1] === 'labels' ? pod.metadata?.labels : pod.metadata?.annotations
    return pairs?.[keyed[2] ?? ''] ?? ''
  }
  return plainFields[fieldPath]?.(pod) ?? ''
}
