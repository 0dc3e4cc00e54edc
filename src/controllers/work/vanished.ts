import type { WorkerStatus } from '../../api/node-modules-config.ts'
import { describeVanished } from '../cluster/vanished.ts'
import type { Action } from './action.ts'
import type { ObservedModule, ObservedNode } from './observed.ts'
import { makeReported } from './reported.ts'

/** What is to be told of a Module on a node, and the events that go with it. */
interface Told {
  reported: WorkerStatus | undefined
  events: Action[]
}

/**
 * There is no Module that could say that it vanished: the node says so, in its NodeModulesConfig and by an event. What a
 * worker fails with is told before.
 */
export function tellVanished(
  module: ObservedModule,
  reported: WorkerStatus | undefined,
  { node, config }: ObservedNode,
  nowMs: number,
): Told {
  const isTold = reported?.reason === 'ModuleVanished'
  const { namespace, name } = module
  if (!module.vanished || module.entry === undefined) return { reported: isTold ? undefined : reported, events: [] }
  if (reported !== undefined && !isTold) return { reported, events: [] }
  const message = describeVanished(module)
  const isNew = module.reported?.reason !== 'ModuleVanished'
  return {
    reported: makeReported(module, 'Load', { reason: 'ModuleVanished', attempt: 0, message }, nowMs),
    events: isNew ? [{ type: 'recordVanished', node, config, namespace, name, message }] : [],
  }
}
