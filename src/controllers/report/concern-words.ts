import type { PluginConcern } from '../cluster/plugin-concerns.ts'

/** All concerns of one kind in one message, under the reason of the first; undefined when there is none. */
export function describeConcerns(
  concerns: readonly PluginConcern[],
  kind: string,
): { reason: string; message: string } | undefined {
  const found = concerns.filter((concern) => concern.kind === kind)
  const [first] = found
  if (first === undefined) return undefined
  const reason = first.kind === 'failing' ? first.reason : 'DRADriverNotReady'
  return { reason, message: found.map(({ message }) => message).join('; ') }
}
