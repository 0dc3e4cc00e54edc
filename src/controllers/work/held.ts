import type { WorkerStatus } from '../../api/node-modules-config.ts'
import { defined } from '../cluster/defined.ts'
import { nameFinalizers } from '../cluster/plugin-words.ts'
import { chooseGoal } from './intent.ts'
import type { ObservedModule, ObservedNode } from './observed.ts'
import type { ModuleDecision } from './pod-decision.ts'
import { makeReported } from './reported.ts'

type Settled = Pick<ModuleDecision, 'loaded' | 'reported'>

/** What is told of a Module whose next worker waits for the pod of the last, which has ended and somebody else's finalizer keeps. */
export function tellHeld(
  module: ObservedModule,
  { loaded, reported }: Settled,
  observed: ObservedNode,
  nowMs: number,
): WorkerStatus | undefined {
  const held = module.workers.find(
    ({ deleting, heldBy, state }) => deleting && heldBy.length > 0 && state.kind !== 'running',
  )
  if (held === undefined) return reported
  const { loaded: _before, ...rest } = module
  const after = { ...rest, ...defined({ loaded }), workers: module.workers.filter((worker) => worker !== held) }
  const modules = observed.modules.map((each) => (each === module ? after : each))
  const goal = chooseGoal(after, { ...observed, modules })
  if (goal.kind !== 'run') return reported
  const what = `pod ${held.podName} is being deleted, and waits for who has the finalizer ${nameFinalizers(held.heldBy)}`
  const message = `${what}; its successor is made when it is gone`
  return makeReported(module, goal.intent.action, { reason: 'WorkerRunning', attempt: 0, message }, nowMs)
}
