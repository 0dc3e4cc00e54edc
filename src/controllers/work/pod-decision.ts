import type { NodeModuleStatusItem, WorkerStatus } from '../../api/node-modules-config.ts'
import type { Wait } from '../../runtime/reconciler.ts'
import type { Action } from './action.ts'

/** What is to stand in the status for one Module on one node, and what to do about its pods. */
export interface ModuleDecision {
  loaded: NodeModuleStatusItem | undefined
  reported: WorkerStatus | undefined
  /** Publish the ready label. */
  ready: boolean
  events: Action[]
  pods: Action[]
  waits: Wait[]
}

/** A part of a decision; where it names no status, what stands there stays. */
export type PodDecision = Partial<Omit<ModuleDecision, 'ready'>>

/** Makes a wait; `untilMs` asks for another look then. */
export function makeWait(reason: Wait['reason'], message: string, untilMs?: number): Wait {
  return { reason, message, ...(untilMs === undefined ? {} : { untilMs }) }
}
