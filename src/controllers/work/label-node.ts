import { KmmError } from '../../errors/error.ts'
import type { Patch } from '../../kube/client.ts'
import { nodes } from '../../kube/core-resources.ts'
import type { Action } from './action.ts'
import type { WorkTools } from './execute.ts'

type LabelNode = Extract<Action, { type: 'labelNode' }>

const pointerTo = (label: string): string => `/metadata/labels/${label.replaceAll('~', '~0').replaceAll('/', '~1')}`

/** What was true of one boot must not be said of the next, which may begin meanwhile: the API server compares them. */
function makeBootPatch({ labels }: LabelNode, bootId: string): Patch {
  const body = [
    { op: 'test', path: '/status/nodeInfo/bootID', value: bootId },
    ...Object.entries(labels).map(([label, value]) => ({ op: 'add', path: pointerTo(label), value })),
  ]
  return { type: 'json', body }
}

/**
 * A JSON patch would have to make the map of labels first, and so to empty one that somebody fills meanwhile. The version
 * stands for the boot that was read with it.
 */
async function makeFirstPatch(
  { node, labels }: LabelNode,
  bootId: string,
  { client }: WorkTools,
  signal: AbortSignal,
): Promise<Patch> {
  const { metadata, status } = await client.get(nodes, { name: node }, signal)
  if (status?.nodeInfo?.bootID !== bootId)
    throw new KmmError(`node ${node} was started again; its labels are looked at again`, { code: 'Conflict' })
  return { type: 'merge', body: { metadata: { resourceVersion: metadata?.resourceVersion, labels } } }
}

/** Sets and withdraws ready labels; throws Conflict where the node is in another boot than the labels are about. */
export async function labelNode(action: LabelNode, tools: WorkTools, signal: AbortSignal): Promise<void> {
  const { client, caches } = tools
  const { bootId, labels } = action
  const key = { name: action.node }
  const isFirst = Object.keys(caches.nodes.get(key)?.labels ?? {}).length === 0
  const makePatch = async (): Promise<Patch> => {
    if (bootId === undefined) return { type: 'merge', body: { metadata: { labels } } }
    return isFirst ? makeFirstPatch(action, bootId, tools, signal) : makeBootPatch(action, bootId)
  }
  caches.nodes.written(await client.patch(nodes, key, await makePatch(), { signal }))
}
